import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

export interface PostgresServer {
  /** Connects as the superuser, to the `postgres` database. */
  readonly url: string
  /** The server's data directory: gone once it has stopped. */
  readonly directory: string
  readonly pid: number
  /** Ends the server at once (`pg_ctl stop -m immediate`), and starts it again at the same address. */
  readonly crash: () => Promise<void>
  readonly stop: () => Promise<void>
}

/**
 * Starts a Postgres server that cannot outlive this process.
 *
 * A small process of its own owns the server and holds one end of a pipe. The pipe closes when
 * `stop` is called, and also however this process ends, `kill -9` included; the owner then stops
 * the server and removes its directory. `settings` are the server's, by name.
 */
export const startPostgres = async (
  settings: Readonly<Record<string, string>> = {}
): Promise<PostgresServer> => {
  const owner = spawn(
    process.execPath,
    [fileURLToPath(new URL("./postgresOwner.ts", import.meta.url)), JSON.stringify(settings)],
    // Detached, so that Ctrl-C in a terminal reaches the owner only through the pipe.
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
  // A running server keeps no process alive that has nothing else to do.
  owner.unref()
  const crash = async () => {
    const restarted = createInterface({ input: owner.stdout })
    owner.stdin.write("crash\n")
    await once(restarted, "line")
    restarted.close()
  }
  return { ...(JSON.parse(line) as Omit<PostgresServer, "crash" | "stop">), crash, stop }
}
