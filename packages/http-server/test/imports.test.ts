import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"

/** All entries of the exports maps. */
const entries = [
  "@boxoffice/core",
  "@boxoffice/core/schema",
  "@boxoffice/core/testing",
  "@boxoffice/sql-store",
  "@boxoffice/sql-store/pglite",
  "@boxoffice/http-server",
  "@boxoffice/http-server/api",
  "@boxoffice/http-server/client"
]
const observer = fileURLToPath(new URL("../../../test-support/importAll.ts", import.meta.url))

test.each([[entries], ...entries.map((entry) => [[entry]])])(
  "%s: nothing is taken before it is started",
  { timeout: 60_000 },
  async (imported) => {
    // The process ends by itself, so no import keeps it alive; and stdout has only the result.
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [
        "--conditions=boxoffice-source",
        observer,
        ...imported.map((entry) => import.meta.resolve(entry))
      ],
      { timeout: 30_000, env: { ...process.env, NODE_OPTIONS: "" } }
    )
    expect(stderr).toBe("")
    expect(JSON.parse(stdout)).toEqual({
      imported: imported.length,
      globals: [],
      signals: [],
      resources: [],
      environment: true
    })
  }
)
