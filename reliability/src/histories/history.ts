/**
 * A history: every call as its client saw it, every fault, every delivered event, and the rows of
 * the database at the end. It is kept as NDJSON, so that a failing history can be checked again.
 *
 * `at` is milliseconds since the start of the run, by one monotonic clock of one process: if a call
 * ended before another one began, the numbers say so.
 */
import { createWriteStream } from "node:fs"
import { finished } from "node:stream/promises"
import type { Facts, FactTable } from "./facts.ts"

export type Operation =
  | "join"
  | "poll"
  | "watch"
  | "leave"
  | "seats"
  | "hold"
  | "reservation"
  | "release"
  | "charge"
  | "balance"
  | "pay"
  | "refund"
  | "setMode"
  | "queue"
  | "createQueue"
  | "notice"
  | "addSeats"

/** What a call asks for, as far as it says so. */
export interface Input {
  readonly queueId?: string
  readonly queueToken?: string
  /** Of the queue token, which is too long to keep. */
  readonly tokenId?: string
  readonly code?: string
  readonly performanceId?: string
  readonly seatIds?: ReadonlyArray<string>
  readonly reservationId?: string
  readonly paymentId?: string
  readonly amount?: number
  readonly mode?: string
  /** Of a queue with a draw, in milliseconds since 1970. */
  readonly opensAt?: number
}

export interface Asked {
  readonly client: string
  readonly node: string
  readonly operation: Operation
  readonly user: string
  readonly key?: string
  readonly input: Input
  /** The call whose request is sent once more. */
  readonly repeats?: number
}

/**
 * - `ok`: the node has answered that it did what was asked.
 * - `fail`: it was not done, for certain.
 * - `unknown`: no answer, or one that leaves open whether it was done.
 */
type Outcome = "ok" | "fail" | "unknown"

export interface Answer {
  readonly outcome: Outcome
  /** The code of the refusal or fault. */
  readonly code?: string
  // biome-ignore lint/suspicious/noExplicitAny: the body of an answer, as JSON
  readonly result?: any
  /** The node says that it repeats a recorded answer. */
  readonly replayed?: boolean
}

export interface Call extends Asked, Answer {
  readonly call: number
  readonly invokedAt: number
  /** Infinity if the call had not ended when the history did. */
  readonly endedAt: number
}

/** What an event stream told: a status of the queue token of the call that opened the stream. */
export interface Message {
  /** The call that opened the stream. */
  readonly told: number
  readonly at: number
  // biome-ignore lint/suspicious/noExplicitAny: the status, as JSON
  readonly result: any
}

export interface Fault {
  readonly fault: string
  readonly target: string
  readonly beganAt: number
  readonly endedAt: number
}

export interface Delivered {
  readonly delivered: string
  readonly at: number
  readonly id: string
  readonly aggregate: string
  readonly type: string
}

/** Something that was reached after the faults had ended, or was not within its time. */
export interface Progress {
  readonly progress: string
  readonly at: number
  readonly tookMs: number
  readonly limitMs: number
  readonly reached: boolean
}

export interface Run {
  readonly seed: number
  readonly nodes: ReadonlyArray<string>
  readonly consumers: ReadonlyArray<string>
  /** How long a client waits for an answer before it gives up. */
  readonly timeoutMs: number
  readonly holdSeconds: number
  readonly startedAt: string
  /** Whether Postgres has TLS, and every node that reaches it without a pooler uses it. */
  readonly tls: boolean
  /** The nodes behind PgBouncer. */
  readonly pooled: ReadonlyArray<string>
}

export interface History {
  readonly run: Run
  readonly calls: ReadonlyArray<Call>
  readonly messages: ReadonlyArray<Message>
  readonly faults: ReadonlyArray<Fault>
  readonly deliveries: ReadonlyArray<Delivered>
  readonly progress: ReadonlyArray<Progress>
  readonly facts: Facts
  /** Whether the run came to its end. Of one that was cut off, the rows at the end are missing. */
  readonly hasEnd: boolean
}

export type Line =
  | { readonly run: Run }
  | ({ readonly invoke: number; readonly at: number } & Asked)
  | ({ readonly end: number; readonly at: number } & Answer)
  | Message
  | Fault
  | Delivered
  | Progress
  | { readonly table: FactTable; readonly rows: ReadonlyArray<unknown> }
  | { readonly endOfRun: number }

/** Writes a history while it happens. */
export class HistoryLog {
  readonly file: string
  readonly #stream
  readonly #startedAt = performance.now()
  #calls = 0
  readonly #delivered = new Map<string, Set<string>>()

  constructor(file: string, run: Run) {
    this.file = file
    this.#stream = createWriteStream(file)
    this.#write({ run })
  }

  now(): number {
    return Math.round((performance.now() - this.#startedAt) * 1_000) / 1_000
  }

  invoke(asked: Asked): number {
    const invoke = ++this.#calls
    this.#write({ invoke, at: this.now(), ...asked })
    return invoke
  }

  end(call: number, answer: Answer): void {
    this.#write({ end: call, at: this.now(), ...answer })
  }

  told(call: number, result: Message["result"]): void {
    this.#write({ told: call, at: this.now(), result })
  }

  add(line: Fault | Progress): void {
    this.#write(line)
  }

  delivered(line: Omit<Delivered, "at">): void {
    this.#write({ ...line, at: this.now() })
    const ids = this.#delivered.get(line.delivered) ?? new Set()
    this.#delivered.set(line.delivered, ids.add(line.id))
  }

  /** How many different events a consumer has got, of those up to a batch. */
  deliveredTo(consumer: string, batch: number): number {
    const ids = [...(this.#delivered.get(consumer) ?? [])]
    return ids.filter((id) => Number(id.split("-")[0]) <= batch).length
  }

  facts(facts: Facts): void {
    for (const [table, rows] of Object.entries(facts) as Array<[FactTable, Array<unknown>]>) {
      for (let at = 0; at < rows.length; at += 500) {
        this.#write({ table, rows: rows.slice(at, at + 500) })
      }
    }
  }

  /** The last line: without it, the run was cut off. */
  endOfRun(): void {
    this.#write({ endOfRun: this.now() })
  }

  async close(): Promise<void> {
    this.#stream.end()
    await finished(this.#stream)
  }

  #write(line: Line): void {
    this.#stream.write(`${JSON.stringify(line)}\n`)
  }
}
