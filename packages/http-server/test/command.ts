/** The command line as a process of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"

const bin = fileURLToPath(new URL("../src/bin.ts", import.meta.url))

export interface Running extends AsyncDisposable {
  readonly process: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Waits for a text on stdout or stderr; fails if the process ends before. */
  readonly says: (text: string) => Promise<void>
  /** Waits for the end, and gives the exit code. */
  readonly ended: Promise<number | null>
}

/** Starts a command. Without an `input`, its standard input is empty. */
export const run = (
  args: ReadonlyArray<string>,
  env: Record<string, string> = {},
  input = ""
): Running => {
  const { PATH = "" } = process.env
  const child = spawn(process.execPath, ["--conditions=boxoffice-source", bin, ...args], {
    env: { PATH, ...env },
    stdio: ["pipe", "pipe", "pipe"]
  })
  // Whoever ends without reading it closes the pipe.
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

/** Runs a command to its end. */
export const boxoffice = async (
  args: string,
  env: Record<string, string> = {},
  input?: string
): Promise<Ended> => {
  await using running = run(args.split(" ").filter(Boolean), env, input)
  const code = await running.ended
  return { code, out: running.stdout(), err: running.stderr() }
}

export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}
