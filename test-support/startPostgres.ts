import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

export interface PostgresServer {
  /** Connects as the superuser, to the `postgres` database. */
  readonly url: string
  /** The data directory of the server; removed after `stop`. */
  readonly directory: string
  /** What the server has logged. */
  readonly logFile: string
  /** Where the file system of its own is mounted that `diskMegabytes` asks for. */
  readonly disk: string | undefined
  readonly pid: number
  /**
   * Stops the server immediately (`pg_ctl stop -m immediate`), and starts it at the same address.
   */
  readonly crash: () => Promise<void>
  /** Kills the first process of the server (`kill -9`), and starts it at the same address. */
  readonly kill: () => Promise<void>
  /** Starts the server if it has ended by itself. */
  readonly revive: () => Promise<void>
  readonly stop: () => Promise<void>
}

export interface PostgresOptions {
  /** Variables for the processes of the server alone. */
  readonly environment?: Readonly<Record<string, string>>
  /** Keeps the data on a file system of its own, of this size. Only root may ask for it. */
  readonly diskMegabytes?: number
}

/**
 * Starts a Postgres server that cannot outlive this process.
 *
 * A small process of its own owns the server and holds one end of a pipe. The pipe closes when
 * `stop` is called, and when this process ends in any way, `kill -9` included; the owner then stops
 * the server and removes its directory. `settings` are Postgres settings by name.
 */
export const startPostgres = async (
  settings: Readonly<Record<string, string>> = {},
  options: PostgresOptions = {}
): Promise<PostgresServer> => {
  const owner = spawn(
    process.execPath,
    [
      fileURLToPath(new URL("./postgresOwner.ts", import.meta.url)),
      JSON.stringify(settings),
      JSON.stringify(options)
    ],
    // Detached, so that the owner notices Ctrl-C in a terminal only by the pipe.
    { detached: true, stdio: ["pipe", "pipe", "inherit"] }
  )
  const exited = once(owner, "exit")
  const stop = async () => {
    owner.ref()
    owner.stdin.end()
    await exited
  }
  const lines = createInterface({ input: owner.stdout })
  const [line] = (await Promise.race([
    once(lines, "line"),
    exited.then(() => Promise.reject(new Error("Postgres did not start: its reason is above")))
  ])) as [string]
  lines.close()
  // The server must not keep this process alive.
  owner.unref()
  const ask = (command: string) => async () => {
    const answers = createInterface({ input: owner.stdout })
    owner.stdin.write(`${command}\n`)
    await Promise.race([
      once(answers, "line"),
      exited.then(() => Promise.reject(new Error("Postgres did not start again: see above")))
    ])
    answers.close()
  }
  return {
    ...(JSON.parse(line) as Pick<PostgresServer, "url" | "directory" | "logFile" | "disk" | "pid">),
    crash: ask("crash"),
    kill: ask("kill"),
    revive: ask("revive"),
    stop
  }
}
