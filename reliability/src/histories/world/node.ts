/**
 * A node of the engine: a process that can be killed, paused and started again. It reaches the
 * database through a line of its own.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { Asked } from "../history.ts"
import type { Line } from "../line/line.ts"
import type { SettableClock } from "./clocks.ts"

export interface Reply {
  readonly code?: string
  /** Whether no answer came, so that the code is the harness's own. */
  readonly isLost?: boolean
  // biome-ignore lint/suspicious/noExplicitAny: the body of an answer, as JSON
  readonly body?: any
  readonly replayed?: boolean
}

/** Of a connection that was never made, nothing has arrived. */
export const lostBecause = (error: unknown): string => {
  const { name, cause } = error as Error & { cause?: { code?: string } }
  if (name === "TimeoutError") return "timeout"
  return cause?.code === "ECONNREFUSED" ? "not_sent" : (cause?.code ?? "connection_lost")
}

/** How a node reaches the database through its line. */
export interface Way {
  /** By PgBouncer, which gives each transaction another session: no statement can have a name. */
  readonly isPooled: boolean
  /** What the process needs to trust the certificate of a server with TLS. */
  readonly environment: Readonly<Record<string, string>>
}

export interface Node {
  readonly name: string
  readonly line: Line
  readonly clock: SettableClock | undefined
  readonly send: (asked: Asked, withinMs: number) => Promise<Reply>
  /** Follows a queue token by an event stream, until the stream ends or `stop` does: servers alone. */
  readonly watch?: (
    asked: Asked,
    hear: (body: Reply["body"]) => void,
    stop: AbortSignal
  ) => Promise<Reply>
  readonly isReady: () => Promise<boolean>
  /** Whether its process has started. */
  readonly isServing: () => boolean
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
  readonly pause: () => void
  readonly resume: () => void
  readonly stop: () => Promise<void>
}

export interface ProcessOptions {
  readonly name: string
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly logs: string
  /** Resolves once the process serves. */
  readonly untilServing: (child: ChildProcess) => Promise<void>
  /** A process ended that no fault had ended. */
  readonly onEnd: (name: string, how: string) => void
}

/** Far longer than a start takes: it says that the node hangs, or that its database does. */
const startWithinMs = 180_000

/** What one process has compiled, the next one loads. */
const compiled = fileURLToPath(new URL("../../../../node_modules/.cache/compiled", import.meta.url))

/** A process that is started again until it serves, as a service manager does. */
export class Supervised {
  readonly #options: ProcessOptions
  #child: ChildProcess | undefined
  /** Rises with each start and each kill, so that a start which one of them overtook gives up. */
  #life = 0
  #isServing = false

  constructor(options: ProcessOptions) {
    this.#options = options
  }

  get child(): ChildProcess | undefined {
    return this.#child
  }

  async start(): Promise<void> {
    const life = ++this.#life
    const { name, logs, untilServing } = this.#options
    const startedAt = performance.now()
    while (life === this.#life) {
      if (performance.now() - startedAt > startWithinMs) {
        this.#options.onEnd(name, `it does not start: see ${join(logs, `${name}.log`)}`)
        return
      }
      const child = this.#spawn()
      this.#child = child
      const ended = once(child, "exit").then(() => "ended" as const)
      const served = untilServing(child).then(() => "serving" as const)
      if ((await Promise.race([ended, served.catch(() => ended)])) === "serving") {
        if (life !== this.#life) return
        this.#isServing = true
        void ended.then(() => this.#lost(child, life))
        return
      }
      // A node does not start without its database.
      await sleep(300)
    }
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#life++
    this.#isServing = false
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, "exit")
    child.kill(signal)
    await ended
  }

  /** What a fault can do to the process of any node. */
  get controls(): Pick<Node, "isServing" | "start" | "kill" | "pause" | "resume" | "stop"> {
    return {
      isServing: () => this.#isServing,
      start: () => this.start(),
      kill: () => this.kill(),
      pause: () => void this.#child?.kill("SIGSTOP"),
      resume: () => void this.#child?.kill("SIGCONT"),
      stop: () => this.kill("SIGTERM")
    }
  }

  #lost(child: ChildProcess, life: number): void {
    if (life !== this.#life) return
    this.#isServing = false
    this.#options.onEnd(this.#options.name, String(child.exitCode ?? child.signalCode))
    void this.start()
  }

  #spawn(): ChildProcess {
    const { name, program, args, environment, logs } = this.#options
    const child = spawn(process.execPath, ["--conditions=boxoffice-source", program, ...args], {
      env: { NODE_COMPILE_CACHE: compiled, ...process.env, ...environment, NODE_OPTIONS: "" },
      stdio: ["ignore", "ignore", "pipe", "ipc"]
    })
    const log = join(logs, `${name}.log`)
    child.stderr?.on("data", (text) => appendFileSync(log, text))
    return child
  }
}
