/** A node of the soak: the reference server as operators run it, in a process of its own. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Inside } from "./inside.ts"

export interface SoakNode {
  readonly url: string
  readonly pid: number
  /** Undefined once the node has ended. */
  readonly sample: () => Promise<(Inside & { readonly descriptors: number }) | undefined>
  /** What it wrote to stderr, the last of it. */
  readonly errors: () => string
  readonly stop: () => Promise<void>
}

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export const startNode = async (
  environment: Readonly<Record<string, string>>
): Promise<SoakNode> => {
  const child = spawn(
    process.execPath,
    [
      ...["--expose-gc", "--conditions=boxoffice-source", "--import", fileOf("./inside.ts")],
      // `kill -USR2` makes a node write a snapshot of its heap, to look for what grows.
      "--heapsnapshot-signal=SIGUSR2",
      ...[fileOf("../../../packages/http-server/src/bin.ts"), "serve", "--port", "0"]
    ],
    {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, NODE_OPTIONS: "", ...environment }
    }
  )
  const exited = once(child, "exit")
  let errors = ""
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(-20_000)
      const address = /listening on (http:\/\/[^"\s]+)/.exec(errors)?.[1]
      if (address === undefined) return
      resolve(address.replace("0.0.0.0", "127.0.0.1"))
    })
    exited.then(([code, signal]) =>
      reject(new Error(`the node ended with ${code ?? signal} before it listened:\n${errors}`))
    )
  })
  errors = ""
  return {
    url,
    pid: child.pid!,
    sample: async () => {
      if (child.exitCode !== null || !child.connected) return undefined
      const answer = once(child, "message") as Promise<[Inside]>
      child.send("sample")
      const [inside] = await Promise.race([answer, exited.then(() => [undefined])])
      if (inside === undefined) return undefined
      const descriptors =
        process.platform === "linux" ? readdirSync(`/proc/${child.pid}/fd`).length : 0
      return { ...inside, descriptors }
    },
    errors: () => errors,
    stop: async () => {
      child.kill("SIGTERM")
      await exited
    }
  }
}
