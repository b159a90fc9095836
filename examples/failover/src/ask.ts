/**
 * How a careful client calls: every change has an idempotency key, and what a call has done is found
 * out by repeating it with the same key. The log keeps each attempt.
 */
import { sleep } from "./processes.ts"

/** A request that changes something. */
export interface Call {
  readonly kind: "join" | "charge" | "hold" | "pay"
  readonly userId: string
  readonly key: string
  readonly path: string
  readonly body?: unknown
  readonly queueToken?: string
}

export interface Attempt {
  readonly kind: Call["kind"]
  /** Which node answered. */
  readonly url: string
  /** Milliseconds, by the monotonic clock. */
  readonly from: number
  readonly to: number
  /** 0 if there was no answer at all. */
  readonly status: number
  readonly code: string | undefined
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the API
  readonly body: any
  readonly isReplayed: boolean
}

/**
 * The longest that a call may take by the table in `docs/operations.md`: the wait for a batch (10 s),
 * for a connection, for the answer, and for the answer to whether a commit happened (20 s each).
 */
export const answeredWithinMs = 70_000

export class Caller {
  readonly attempts: Array<Attempt> = []
  /** Answers that no caller may see, each with what was wrong about it. */
  readonly faults: Array<string> = []
  private readonly urls: ReadonlyArray<string>
  constructor(urls: ReadonlyArray<string>) {
    this.urls = urls
  }

  /** Repeats a call, each time on the next node, until its answer says what has become of it. */
  async resolve(call: Call, first = 0): Promise<Answer> {
    for (let attempt = first; ; attempt++) {
      const answer = await this.once(call, this.urls[attempt % this.urls.length]!)
      if (answer !== undefined) return answer
      await sleep(1_000)
    }
  }

  /** One attempt. Undefined if its outcome is unknown, or if nothing was done. */
  async once(call: Call, url: string): Promise<Answer | undefined> {
    const from = performance.now()
    const note = (status: number, code?: string) => {
      const to = performance.now()
      this.attempts.push({ kind: call.kind, url, from, to, status, code })
      if (to - from > answeredWithinMs)
        this.faults.push(`${call.kind} took ${Math.round(to - from)} ms`)
    }
    const headers: Record<string, string> = {
      "x-user-id": call.userId,
      "idempotency-key": call.key,
      ...(call.queueToken !== undefined && { "queue-token": call.queueToken }),
      ...(call.body !== undefined && { "content-type": "application/json" })
    }
    let response: Response
    let text: string
    try {
      const body = call.body === undefined ? null : JSON.stringify(call.body)
      const signal = AbortSignal.timeout(2 * answeredWithinMs)
      response = await fetch(`${url}${call.path}`, { method: "POST", headers, body, signal })
      text = await response.text()
    } catch (error) {
      note(0)
      // The nodes run all the time, so that this is a fault as well.
      this.faults.push(
        `${call.kind}: no answer: ${error instanceof Error ? (error.cause ?? error) : error}`
      )
      return undefined
    }
    const { status } = response
    const body = JSON.parse(text)
    note(status, body.code)
    if (status !== 503 && status !== 429) {
      if (status >= 500) this.faults.push(`${call.kind}: ${status} ${text}`)
      const isReplayed = response.headers.get("idempotency-replayed") === "true"
      return { status, body, isReplayed }
    }
    const isTyped =
      response.headers.get("content-type")?.startsWith("application/problem+json") &&
      Number(response.headers.get("retry-after")) >= 1 &&
      body.code === (status === 503 ? "store_unavailable" : "overloaded")
    if (!isTyped) this.faults.push(`${call.kind}: ${status} is not typed: ${text}`)
    return undefined
  }
}
