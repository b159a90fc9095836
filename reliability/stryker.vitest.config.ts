import { defineConfig } from "vitest/config"

const conditions = ["boxoffice-source", "module", "node", "development|production"]
/** The names of test files of core: see `src/mutations/stryker.ts`. */
const { DECIDER_TESTS = "" } = process.env

// The tests of one decider: pure, and without a database.
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: DECIDER_TESTS.split(",").map((name) => `packages/core/test/${name}.test.ts`),
    exclude: ["**/node_modules/**"],
    isolate: false,
    testTimeout: 60_000
  }
})
