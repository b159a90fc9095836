/** A queue of the model: its tokens, when each one came and went, and its draw if it has one. */
import { verifyLottery } from "@boxoffice/core"
import type { Judge } from "./judge.ts"

interface Token {
  readonly id: string
  readonly user: string
  readonly lane: string
  readonly number: number
  /** The step of the replay in which it was issued. */
  readonly issuedIn: number
  /** Its place in the lane, from this step on: those who join before a draw have none until then. */
  place: number
  placedIn: number
  /** How many of its lane waited in front of it then. */
  aheadAtFirst: number
  /** The step in which it stopped waiting. */
  waitedUntil: number
  state: string
}

/** By more than this, instants of one queue differ only if a clock was set in between. */
const clockStepMs = 1_800_000
const minuteMs = 60_000

interface Draw {
  readonly seed: string
  readonly drawn: number
  /** The step in which the queue opened. */
  readonly drawnIn: number
  /** Whether the seed is the one that the commitment of the queue's creation fixed. */
  readonly isKept: boolean
  /** Of the numbers from 1 to `drawn`. */
  readonly places: ReadonlyArray<number>
}

// biome-ignore lint/suspicious/noExplicitAny: an event as the outbox has it
type Event = any

export class ReplayedQueue {
  readonly tokens = new Map<string, Token>()
  mode = "open"
  /** Of a queue that opens with a draw. */
  readonly commitment: string | undefined
  draw: Draw | undefined
  readonly #queueId: string
  readonly #settings: { readonly maxActive: number; readonly admitPerMinute: number }
  readonly #judge: Judge
  readonly #waiting = new Map<string, Token>()
  readonly #inside = new Set<string>()
  #admissions: Array<number> = []

  constructor(created: Event, judge: Judge) {
    this.#queueId = created.queueId
    this.#settings = created.settings
    this.commitment = created.opening?.commitment
    this.#judge = judge
  }

  stateOf(tokenId: string): string | undefined {
    return this.tokens.get(tokenId)?.state
  }

  apply(event: Event, step: number, batch: number): void {
    const endings: Record<string, string> = {
      QueueTokenCompleted: "completed",
      QueueTokenLeft: "left",
      QueueTokenLapsed: "expired"
    }
    const state = endings[event._tag]
    if (state !== undefined) this.#end(event, state, step, batch)
    else if (event._tag === "QueueModeChanged") this.#changeMode(event, batch)
    else if (event._tag === "QueueOpened") this.#open(event, step, batch)
    else if (event._tag === "QueueTokenIssued") this.#issue(event, step, batch)
    else if (event._tag === "QueueTokenAdmitted") this.#admit(event, step, batch)
    else if (event._tag === "QueueTokenExtended") {
      this.#judge.expect(
        "I9",
        this.#inside.has(event.tokenId),
        () => `batch ${batch}: ${event.tokenId} is extended, and is not inside`
      )
    }
  }

  #changeMode(event: Event, batch: number): void {
    this.#judge.expect(
      "I9",
      this.mode === event.before,
      () => `batch ${batch}: ${this.#queueId} was ${this.mode}, not ${event.before}`
    )
    this.mode = event.mode
  }

  /** Users who have joined until now get their places by lot. */
  #open(event: Event, step: number, batch: number): void {
    const isDue = this.commitment !== undefined && this.draw === undefined
    this.#judge.expect("I9", isDue, () => `batch ${batch}: ${this.#queueId} opens, and is open`)
    if (!isDue) return
    const drawn = Number(event.drawn)
    const numbers = Array.from({ length: drawn }, (_, n) => n + 1)
    const given = { queueId: event.queueId, seed: event.seed, drawn }
    const { kept, places } = verifyLottery({ ...given, commitment: this.commitment! }, numbers)
    this.draw = { seed: event.seed, drawn, drawnIn: step, isKept: kept, places }
    const waiting = [...this.#waiting.values()].filter(({ lane }) => lane === "general")
    for (const token of waiting) {
      token.place = places[token.number - 1] ?? token.number
      token.placedIn = step
    }
    for (const token of waiting) {
      token.aheadAtFirst = waiting.filter(({ place }) => place < token.place).length
    }
  }

  #issue(event: Event, step: number, batch: number): void {
    const lane = event.lane ?? "general"
    const number = Number(event.number)
    const isLast = [...this.#waiting.values()].every(
      (other) => other.lane !== lane || other.number < number
    )
    this.#judge.expect(
      "I8",
      isLast,
      () => `batch ${batch}: number ${number} was given after a higher one`
    )
    const isOpen = this.mode === "open"
    this.#judge.expect(
      "I12",
      isOpen,
      () => `batch ${batch}: ${event.userId} joined ${this.#queueId}, which is ${this.mode}`
    )
    const hasOne = [...this.tokens.values()].some(
      ({ user, state }) => user === event.userId && (state === "waiting" || state === "admitted")
    )
    this.#judge.expect(
      "I5",
      !hasOne,
      () => `batch ${batch}: ${event.userId} has two live tokens in ${this.#queueId}`
    )
    const isUndrawn = lane === "general" && this.commitment !== undefined && this.draw === undefined
    const token: Token = {
      id: event.tokenId,
      user: event.userId,
      lane,
      number,
      issuedIn: step,
      place: number,
      placedIn: isUndrawn ? Number.POSITIVE_INFINITY : step,
      aheadAtFirst: [...this.#waiting.values()].filter((other) => other.lane === lane).length,
      waitedUntil: Number.POSITIVE_INFINITY,
      state: "waiting"
    }
    this.tokens.set(token.id, token)
    this.#waiting.set(token.id, token)
  }

  #admit(event: Event, step: number, batch: number): void {
    const token = this.#waiting.get(event.tokenId)
    this.#judge.expect(
      "I9",
      token !== undefined,
      () => `batch ${batch}: ${event.tokenId} is admitted, and does not wait`
    )
    if (token === undefined) return
    for (const other of this.#waiting.values()) {
      const isOvertaken = other.lane === token.lane && other.place < token.place
      this.#judge.expect(
        "I13",
        !isOvertaken,
        () => `batch ${batch}: ${this.#told(token)} is admitted before ${this.#placed(other)}`
      )
    }
    this.#judge.expect(
      "I13",
      Number.isFinite(token.placedIn),
      () => `batch ${batch}: ${this.#told(token)} is admitted before the draw`
    )
    this.#judge.expect(
      "I12",
      this.mode !== "paused",
      () => `batch ${batch}: ${token.user} is admitted to ${this.#queueId}, which is paused`
    )
    this.#waiting.delete(token.id)
    token.state = "admitted"
    token.waitedUntil = step
    this.#inside.add(token.id)
    const { maxActive, admitPerMinute } = this.#settings
    this.#judge.expect(
      "I12",
      this.#inside.size <= maxActive,
      () => `batch ${batch}: ${this.#inside.size} are inside ${this.#queueId}, of ${maxActive}`
    )
    const before = this.#admissions.at(-1)
    // Minutes on either side of a step of the clock are not the same minutes.
    if (before !== undefined && Math.abs(event.at - before) > clockStepMs) this.#admissions = []
    this.#admissions = this.#admissions.filter((at) => at > event.at - minuteMs)
    this.#admissions.push(event.at)
    const recent = this.#admissions.length
    this.#judge.expect(
      "I12",
      recent <= admitPerMinute,
      () =>
        `batch ${batch}: ${recent} were admitted to ${this.#queueId} within a minute, of ${admitPerMinute}`
    )
  }

  #told(token: Token): string {
    return `number ${this.#placed(token)} of ${this.#queueId}`
  }

  #placed({ number, place }: Token): string {
    return this.draw === undefined ? String(number) : `${number} at place ${place}`
  }

  #end(event: Event, state: string, step: number, batch: number): void {
    const token = this.tokens.get(event.tokenId)
    const wasThere = this.#waiting.delete(event.tokenId) || this.#inside.delete(event.tokenId)
    this.#judge.expect(
      "I9",
      wasThere,
      () => `batch ${batch}: ${event._tag} of ${event.tokenId}, which is ${token?.state}`
    )
    if (token === undefined) return
    if (token.state === "waiting") token.waitedUntil = step
    token.state = state
  }
}
