/** The processes of the HTTP rows: the load generator, the bare server and the reference server. */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { BareAnswers } from "./bare.ts"
import type { LoadJob, LoadReport } from "./load.ts"

const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const ask = async <A>(child: ChildProcess, message: object): Promise<A> => {
  const answer = once(child, "message")
  const gone = once(child, "exit").then(() => {
    throw new Error("a process of the benchmark ended early: its reason is above")
  })
  child.send(message)
  const [value] = (await Promise.race([answer, gone])) as [A]
  return value
}

/** Runs the load generator against a server, in a process of its own. */
export const runLoad = async (job: LoadJob): Promise<LoadReport> => {
  const child = fork(fileOf("./load.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] })
  try {
    return await ask<LoadReport>(child, job)
  } finally {
    child.kill()
  }
}

export interface RunningServer {
  readonly port: number
  readonly pid: number
  readonly stop: () => void
}

export const startBare = async (answers: BareAnswers): Promise<RunningServer> => {
  const child = fork(fileOf("./bare.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] })
  const port = await ask<number>(child, answers)
  return { port, pid: child.pid!, stop: () => child.kill() }
}

/** The reference server as operators run it, on the database of the benchmark. */
export const startServer = async (
  url: string,
  signingKey: { readonly id: string; readonly secret: string }
): Promise<RunningServer> => {
  const child = spawn(
    process.execPath,
    [
      "--conditions=boxoffice-source",
      fileOf("../../../packages/http-server/src/bin.ts"),
      "serve",
      "--port",
      "0"
    ],
    {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        DATABASE_URL: url,
        BOXOFFICE_IDENTITY: "header",
        BOXOFFICE_CHARGES: "user",
        BOXOFFICE_SIGNING_KEYS: `${signingKey.id}:${signingKey.secret}`,
        BOXOFFICE_LOG_LEVEL: "warn",
        BOXOFFICE_SEATS_PER_USER: "1000000"
      }
    }
  )
  const output: Array<string> = []
  for await (const line of createInterface({ input: child.stderr })) {
    const match = /listening on http:\/\/[^"]*:(\d+)/.exec(line)
    if (match !== null) {
      return { port: Number(match[1]), pid: child.pid!, stop: () => child.kill() }
    }
    output.push(line)
  }
  throw new Error(`the server ended before it listened:\n${output.join("\n")}`)
}
