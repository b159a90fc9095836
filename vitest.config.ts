import { configDefaults, defineConfig } from "vitest/config"

// Workspace packages resolve to their source, so tests need no build. The rest are Vite's own.
const conditions = ["boxoffice-source", "module", "node", "development|production"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["**/*.test.ts"],
    exclude: [...configDefaults.exclude, "**/dist/**"],
    globalSetup: ["test-support/postgres.ts"],
    // A test that takes this long hangs. A slow one, on a busy machine, takes a part of it.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    // The same for what a test's worker resolves without Vite.
    execArgv: ["--conditions=boxoffice-source"]
  }
})
