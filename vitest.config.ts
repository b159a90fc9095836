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
    // The same for what a test's worker resolves without Vite.
    execArgv: ["--conditions=boxoffice-source"]
  }
})
