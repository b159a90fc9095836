/** What every client is: a process of calls, one after another, until it is told to stop. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Random } from "../../random.ts"
import type { Answer, Input, Operation } from "../history.ts"
import type { Caller } from "./caller.ts"

export interface Client {
  readonly name: string
  /** Does one round of what it is for. */
  readonly round: () => Promise<void>
  /** Is served as a client must be once the faults have ended; false if it was not. */
  readonly proof: () => Promise<boolean>
}

export class Hand {
  readonly random: Random
  readonly #caller: Caller
  readonly #client: string
  readonly #user: string
  #keys = 0

  constructor(options: { caller: Caller; client: string; user: string; random: Random }) {
    this.#caller = options.caller
    this.#client = options.client
    this.#user = options.user
    this.random = options.random
  }

  key(): string {
    return `${this.#client}-${++this.#keys}`
  }

  call(operation: Operation, input: Input, key?: string): Promise<Answer> {
    const asked = { client: this.#client, user: this.#user, operation, input }
    return this.#caller.call(this.random, key === undefined ? asked : { ...asked, key })
  }

  /** Follows a queue token by an event stream, until `stop` or until the stream ends. */
  watch(
    input: Input,
    hear: (result: Answer["result"]) => void,
    stop: AbortSignal
  ): Promise<Answer> {
    const asked = { client: this.#client, user: this.#user, input }
    return this.#caller.watch(this.random, asked, hear, stop)
  }

  /**
   * A command with a key. If its outcome is unknown, the client sends it again with the same key, or
   * goes on without knowing.
   */
  async command(operation: Operation, input: Input, insists = false): Promise<Answer> {
    const key = this.key()
    for (let attempts = 1; ; attempts++) {
      const answer = await this.call(operation, input, key)
      const isOver = answer.outcome === "ok" || (answer.outcome === "fail" && !isPassing(answer))
      if (isOver) return answer
      if (!insists && (attempts === 4 || this.random.chance(0.4))) return answer
      if (attempts === 100) return answer
      await sleep(this.random.between(100, 800))
    }
  }

  async think(mostMs = 400): Promise<void> {
    await sleep(this.random.below(mostMs))
  }
}

/** Nothing was done, and another attempt may be let in. */
const isPassing = ({ code }: Answer): boolean =>
  code === "overloaded" || code === "not_sent" || code === "draining"
