/** Runs the command line, as a process or in this one. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { format } from "node:util"
import { ConfigProvider, Console, Effect } from "effect"
import { nodeFlags } from "../../../test-support/nodeFlags.ts"
import { boxoffice as commandLine } from "../src/cli/boxoffice.ts"
import { exitCodeOf } from "../src/cli/exit.ts"

const bin = fileURLToPath(new URL("../src/bin.ts", import.meta.url))

export interface Running extends AsyncDisposable {
  readonly process: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Waits for a text on stdout or stderr; fails if the process ends first. */
  readonly says: (text: string) => Promise<void>
  /** Resolves to the exit code at the end. */
  readonly ended: Promise<number | null>
}

/** Starts a command. Without an `input`, its standard input is empty. */
export const run = (
  args: ReadonlyArray<string>,
  env: Record<string, string> = {},
  input = ""
): Running => {
  const { PATH = "", NODE_COMPILE_CACHE = "" } = process.env
  const child = spawn(
    process.execPath,
    [...nodeFlags, "--conditions=boxoffice-source", bin, ...args],
    {
      env: { PATH, NODE_COMPILE_CACHE, ...env },
      stdio: ["pipe", "pipe", "pipe"]
    }
  )
  // A process that ends without reading its input closes the pipe.
  child.stdin.on("error", () => {})
  child.stdin.end(input)
  let out = ""
  let err = ""
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text
  })
  child.stderr.setEncoding("utf8").on("data", (text) => {
    err += text
  })
  const ended = once(child, "close").then(([code]) => code as number | null)
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (`${out}\n${err}`.includes(text)) resolve()
      }
      look()
      child.stdout.on("data", look)
      child.stderr.on("data", look)
      void ended.then((code) => reject(new Error(`ended with ${code}: ${out}${err}`)))
    })
  return {
    process: child,
    stdout: () => out,
    stderr: () => err,
    says,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await ended
    }
  }
}

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs a command to its end, as a process. `input` is its standard input. */
export const boxofficeProcess = async (
  args: string,
  env: Record<string, string> = {},
  input?: string
): Promise<Ended> => {
  await using running = run(wordsOf(args), env, input)
  const code = await running.ended
  return { code, out: running.stdout(), err: running.stderr() }
}

/**
 * Runs a command to its end in this process, which saves the second of CPU that a process takes to
 * start. Commands must not read standard input here, because it belongs to the worker.
 */
export const boxoffice = async (args: string, env: Record<string, string> = {}): Promise<Ended> => {
  const said = { out: "", err: "" }
  const printed = (...values: ReadonlyArray<unknown>) => `${format(...values)}\n`
  const recorder: Console.Console = {
    ...console,
    log: (...values) => {
      said.out += printed(...values)
    },
    error: (...values) => {
      said.err += printed(...values)
    }
  }
  const exit = await commandLine(wordsOf(args)).pipe(
    Effect.provideService(Console.Console, recorder),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
    Effect.runPromiseExit
  )
  return { code: exitCodeOf(exit), ...said }
}

const wordsOf = (args: string) => args.split(" ").filter(Boolean)

export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}
