/** pgbench, the reference: one-statement transactions, prepared, 16 clients. */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

export interface PgbenchRun {
  readonly url: string
  /** The script in pgbench's format. */
  readonly script: string
  readonly clients: number
  readonly seconds: number
}

export interface PgbenchResult {
  readonly perSecond: number
  readonly latencyMs: number
}

/** Whether pgbench is installed. On Debian it is in the contrib packages of Postgres. */
export const hasPgbench = async (): Promise<boolean> =>
  run("pgbench", ["--version"]).then(
    () => true,
    () => false
  )

export const pgbench = async (options: PgbenchRun): Promise<PgbenchResult> => {
  const directory = await mkdtemp(join(tmpdir(), "boxoffice-pgbench-"))
  try {
    const file = join(directory, "script.sql")
    await writeFile(file, options.script)
    const clients = String(options.clients)
    const threads = String(Math.min(2, options.clients))
    const seconds = String(options.seconds)
    const { stdout } = await run("pgbench", [
      ...["--no-vacuum", "--protocol=prepared", `--client=${clients}`, `--jobs=${threads}`],
      // Each client counts up from 0 within its own range, so no two clients take the same row.
      ...["--define=i=0", `--time=${seconds}`, `--file=${file}`, options.url]
    ])
    // On a busy machine no client gets to its first transaction in a short round: a longer one shows it.
    if (isEmpty.test(stdout) && options.seconds < secondsMax) {
      return await pgbench({ ...options, seconds: Math.min(4 * options.seconds, secondsMax) })
    }
    return {
      perSecond: numberIn(stdout, /tps = ([\d.]+)/),
      latencyMs: numberIn(stdout, /latency average = ([\d.]+)/)
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}

const isEmpty = /transactions actually processed: 0\b/
const secondsMax = 60

const numberIn = (text: string, pattern: RegExp): number => {
  const match = pattern.exec(text)
  if (match === null) throw new Error(`pgbench printed no ${pattern}:\n${text}`)
  return Number(match[1])
}
