import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { createInterface } from "node:readline"
import { nodeFlags } from "./nodeFlags.ts"

export interface RunningServer {
  readonly url: string
  /** Asks the program to end, and returns its exit code or the signal that ended it. */
  readonly stop: () => Promise<number | string | null>
}

/** Runs a program that listens on `PORT` and prints its URL. */
export const runServer = async (
  cwd: string,
  args: ReadonlyArray<string>
): Promise<RunningServer> => {
  const server = spawn(process.execPath, [...nodeFlags, ...args], {
    cwd,
    env: { ...process.env, PORT: String(await freePort()), NODE_OPTIONS: "" },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const exited = once(server, "exit") as Promise<[number | null, string | null]>
  const stop = async () => {
    server.kill("SIGTERM")
    const [code, signal] = await exited
    return code ?? signal
  }
  for await (const line of createInterface(server.stdout)) {
    const url = line.match(/http:\/\/\S+:\d+\S*/)?.[0]
    if (url !== undefined) {
      server.stdout.resume()
      return { url, stop }
    }
  }
  throw new Error(`${args.join(" ")} ended with ${await stop()}, and never listened`)
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
