/** The processes of the cluster. None of them outlives this one, however it ends. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { programOf } from "./packages.ts"

const isRoot = process.getuid?.() === 0

/** Postgres refuses to run as root, so root runs everything as the user that its package adds. */
const asPostgres = isRoot ? ["--reuid=postgres", "--regid=postgres", "--init-groups"] : []

const programs = new Set<ChildProcess>()
let directory: string | undefined

/** A directory for the data, the settings and the logs of everything. */
export const makeDirectory = (): string => {
  directory = mkdtempSync(join(tmpdir(), "boxoffice-failover-"))
  mkdirSync(join(directory, "logs"))
  chmodSync(directory, 0o750)
  giveToPostgres(directory)
  process.once("exit", removeEverything)
  return directory
}

export const copyLogs = (to: string): void => {
  if (directory !== undefined) cpSync(join(directory, "logs"), to, { recursive: true })
}

/** Kills what still runs, and removes the directory. Nothing in it is worth a graceful end. */
export const removeEverything = (): void => {
  if (directory === undefined) return
  for (const program of programs) program.kill("SIGKILL")
  // Patroni starts Postgres apart from itself, so that it survives Patroni.
  for (const name of readdirSync(directory)) {
    for (const pid of familyOf(postmasterIn(join(directory, name)))) kill(pid, "SIGKILL")
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  directory = undefined
  process.removeListener("exit", removeEverything)
}

/** The process id of the Postgres that runs on a data directory. */
export const postmasterIn = (data: string): number | undefined => {
  const file = join(data, "postmaster.pid")
  const pid = existsSync(file) ? Number(readFileSync(file, "utf8").split("\n")[0]) : Number.NaN
  return Number.isInteger(pid) && kill(pid, 0) ? pid : undefined
}

/** A process and its children. */
export const familyOf = (pid: number | undefined): ReadonlyArray<number> => {
  if (pid === undefined) return []
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" })
  return [pid, ...(stdout.match(/\d+/g) ?? []).map(Number)]
}

/** Sends a signal to a process. Returns whether it is there. */
export const kill = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

export const giveToPostgres = (path: string): void => {
  if (isRoot) execFileSync("chown", ["-R", "postgres:postgres", path])
}

export interface Program {
  readonly name: string
  readonly child: ChildProcess
  readonly isRunning: () => boolean
  readonly end: (signal: NodeJS.Signals) => Promise<void>
}

export interface ProgramOptions {
  readonly name: string
  readonly directory: string
  readonly command: ReadonlyArray<string>
  readonly environment?: NodeJS.ProcessEnv
  /** Whether the program is this user's, and not the user's `postgres`. */
  readonly asCaller?: boolean
}

/**
 * Starts a program, whose output goes to a file of its name. `setpriv` runs it as the right user, and
 * asks the kernel to end it when this process ends.
 */
export const startProgram = (options: ProgramOptions): Program => {
  const { name, directory, command, environment, asCaller } = options
  const log = openSync(join(directory, "logs", `${name}.log`), "a")
  const child = spawn(
    programOf("util-linux"),
    [...(asCaller ? [] : asPostgres), "--pdeathsig=TERM", "--", ...command],
    // Detached, so that Ctrl-C in a terminal reaches this process alone, which then ends the others.
    { cwd: directory, detached: true, stdio: ["ignore", log, log], env: environment ?? process.env }
  )
  programs.add(child)
  child.once("exit", () => programs.delete(child))
  const exited = once(child, "exit")
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const end = async (signal: NodeJS.Signals) => {
    if (!isRunning()) return
    child.kill(signal)
    const impatient = setTimeout(() => child.kill("SIGKILL"), 10_000)
    await exited
    clearTimeout(impatient)
  }
  return { name, child, isRunning, end }
}

export const logOf = (directory: string, name: string): string =>
  readFileSync(join(directory, "logs", `${name}.log`), "utf8")

/** Writes a file of `config/` with its values filled in, and returns its path. */
export const configure = (
  directory: string,
  template: string,
  file: string,
  values: Readonly<Record<string, string | number | boolean>>
): string => {
  const text = readFileSync(new URL(`../config/${template}`, import.meta.url), "utf8")
  const path = join(directory, file)
  const filled = text.replaceAll(/<(\w+)>/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`config/${template} needs ${name}`)
    return String(value)
  })
  writeFileSync(path, filled, { mode: 0o600 })
  giveToPostgres(path)
  return path
}

/** Ports of loopback that are free now. */
export const freePorts = async (count: number): Promise<ReadonlyArray<number>> => {
  const probes = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"))
  await Promise.all(probes.map((probe) => once(probe, "listening")))
  const ports = probes.map((probe) => (probe.address() as { port: number }).port)
  await Promise.all(probes.map((probe) => once(probe.close(), "close")))
  return ports
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Asks until the answer is defined. Throws, with what was waited for, if that takes too long. */
export const waitFor = async <A>(
  what: string | (() => string),
  ask: () => Promise<A | undefined> | A | undefined,
  { seconds, everyMs = 100 }: { readonly seconds: number; readonly everyMs?: number }
): Promise<A> => {
  const endsAt = performance.now() + seconds * 1_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > endsAt) {
      throw new Error(`${typeof what === "string" ? what : what()}: not within ${seconds} s`)
    }
    await sleep(everyMs)
  }
}
