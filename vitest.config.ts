import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig } from "vitest/config"
import { nodeFlags } from "./test-support/nodeFlags.ts"

// Workers, and the programs that tests start, inherit it: what one has compiled, the next one loads.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL("node_modules/.cache/compiled", import.meta.url)
)

// Workspace packages resolve to their source, so tests need no build. The rest are Vite's own.
const conditions = ["boxoffice-source", "module", "node", "development|production"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["**/*.test.ts"],
    exclude: [...configDefaults.exclude, "**/dist/**"],
    // Every file of a worker imports the same modules: once, in place of once for each.
    isolate: false,
    globalSetup: ["test-support/postgres.ts"],
    // A test that takes this long hangs. A slow one, on a busy machine, takes a part of it.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 120_000 } },
    // The same for what a test's worker resolves without Vite.
    execArgv: ["--conditions=boxoffice-source", ...nodeFlags]
  }
})
