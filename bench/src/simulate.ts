/**
 * `pnpm simulate`: runs `boxoffice simulate` on a Postgres server that it starts, or on the server
 * of `--url`. The report is written to bench/results/.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { startPostgres } from "../../test-support/startPostgres.ts"

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// `pnpm simulate -- --users 10` passes the `--` on as an argument.
const given = process.argv.slice(2).filter((arg) => arg !== "--")
const isGiven = (flag: string) => given.some((arg) => arg === flag || arg.startsWith(`${flag}=`))

const defaults = { "--users": "5000", "--seats": "2000", "--report": fileOf("../results") }
const args = Object.entries(defaults).flatMap((pair) => (isGiven(pair[0]) ? [] : pair))

const server = isGiven("--url") || isGiven("--help") ? undefined : await startPostgres()
try {
  const bin = fileOf("../../packages/http-server/src/bin.ts")
  const child = spawn(
    process.execPath,
    ["--conditions=boxoffice-source", bin, "simulate", ...args, ...given],
    { stdio: "inherit", env: { ...process.env, ...(server && { DATABASE_URL: server.url }) } }
  )
  // The terminal sends Ctrl-C to the child as well, which then shuts down gracefully.
  process.on("SIGINT", () => {})
  const [code] = await once(child, "exit")
  process.exitCode = code ?? 1
} finally {
  await server?.stop()
}
