/**
 * A model of a queue in plain lists, built from its events. Each event is checked against the state
 * before it: for instance, an admission must be of the next token, and the queue must have room.
 */
import { expect } from "vitest"
import {
  type BoxOfficeEvent,
  permutationOf,
  type QueueId,
  type QueueLane,
  type QueueMode,
  type QueueSettings,
  type TokenId,
  type TokenState
} from "../../packages/core/src/index.ts"

/** The token of one user in the queue, from the join on. */
export interface Visit {
  readonly tokenId: TokenId
  readonly userId: string
  readonly lane: QueueLane
  readonly number: number
  readonly joinedAt: number
  /** The sort key in the lane: the number or, after a draw, the drawn place. */
  place: number
  state: TokenState
  claimed: boolean
  expiresAt: number
}

/** The state of a token after a batch. */
interface TokenStanding {
  readonly state: TokenState
  readonly expiresAt: number
  /** From 1; 0 if the token has none. */
  readonly position: number
  readonly lane: QueueLane
}

/** The states of all tokens from an instant on. */
export interface Snapshot {
  readonly elapsed: number
  readonly mode: QueueMode
  /** Set while the queue has not opened. */
  readonly opensAt: number | undefined
  readonly standings: ReadonlyMap<string, TokenStanding>
}

/** A poll on a node by which a waiting user proved their presence. */
interface Sighting {
  readonly tokenId: string
  readonly node: string
  readonly at: number
}

const minute = 60_000
/** A node flushes its presence at the first poll after this time, or when it closes. */
const flushAfterMs = 61_000
const lanes: ReadonlyArray<QueueLane> = ["general", "priority"]

export class Ledger {
  readonly visits = new Map<string, Visit>()
  readonly snapshots: Array<Snapshot> = []
  mode: QueueMode = "open"
  settings: QueueSettings
  opensAt: number | undefined
  departed = 0
  /** Called for each kind of event. */
  readonly count: (what: string) => void
  private openedAt: number | undefined
  private readonly queueId: QueueId
  private readonly seed: string
  private readonly admissions: Array<number> = []
  /** Presence that nodes have not flushed yet; and the last flushed presence of each token. */
  private sightings: ReadonlyArray<Sighting> = []
  private readonly seen = new Map<string, number>()
  /** For admissions while both lanes waited: the sum of the shares, and the priority admissions. */
  private shares = 0
  private priorities = 0

  constructor(start: {
    readonly queueId: QueueId
    readonly seed: string
    readonly settings: QueueSettings
    readonly opensAt: number | undefined
    readonly count: (what: string) => void
  }) {
    this.queueId = start.queueId
    this.seed = start.seed
    this.settings = start.settings
    this.opensAt = start.opensAt
    this.count = start.count
  }

  /** The waiting tokens of a lane, the next one first. */
  waiting(lane: QueueLane): ReadonlyArray<Visit> {
    const isIn = (visit: Visit) => visit.lane === lane && visit.state === "waiting"
    return Array.from(this.visits.values())
      .filter(isIn)
      .sort((a, b) => a.place - b.place)
  }

  get waits(): ReadonlyArray<Visit> {
    return lanes.flatMap((lane) => this.waiting(lane))
  }

  /** The admitted tokens whose end has not been recorded. */
  get inside(): ReadonlyArray<Visit> {
    return Array.from(this.visits.values()).filter(({ state }) => state === "admitted")
  }

  get isPreOpening(): boolean {
    return this.opensAt !== undefined && this.openedAt === undefined
  }

  /** Whether the queue has a draw, past or future. */
  get isDrawn(): boolean {
    return this.opensAt !== undefined
  }

  countIssued(lane: QueueLane): number {
    return Array.from(this.visits.values()).filter((visit) => visit.lane === lane).length
  }

  admittedSince(instant: number): number {
    return this.admissions.filter((at) => at > instant).length
  }

  /** Records a poll of a waiting user. */
  recordPresence(sighting: Sighting): void {
    this.flushPresence(sighting.node, sighting.at - flushAfterMs)
    this.sightings = [...this.sightings, sighting]
  }

  /** Records that a node has flushed the presence up to an instant. */
  flushPresence(node: string, until: number): void {
    const isKnown = (sighting: Sighting) => sighting.node === node && sighting.at <= until
    for (const { tokenId, at } of this.sightings.filter(isKnown)) {
      this.seen.set(tokenId, Math.max(at, this.seen.get(tokenId) ?? 0))
    }
    this.sightings = this.sightings.filter((sighting) => !isKnown(sighting))
  }

  /** Applies an event; `offset` is added to its instants. */
  apply(event: BoxOfficeEvent, offset: number): void {
    const at = event.at + offset
    switch (event._tag) {
      case "QueueTokenIssued":
        return this.issue(event, at)
      case "QueueTokenAdmitted":
        return this.admit(this.visitOf(event), event.claimed, event.expiresAt + offset, at)
      case "QueueTokenExtended": {
        const visit = this.visitOf(event)
        expect(visit.state, `${visit.userId} is inside while the session goes on`).toBe("admitted")
        visit.claimed = true
        visit.expiresAt = event.expiresAt + offset
        return
      }
      case "QueueTokenCompleted": {
        const visit = this.visitOf(event)
        expect(visit.state, `${visit.userId} is inside when the visit is completed`).toBe(
          "admitted"
        )
        this.count("completed")
        visit.state = "completed"
        return
      }
      case "QueueTokenLeft":
        return this.leave(this.visitOf(event), event.away === true, at)
      case "QueueTokenLapsed":
        return this.lapse(this.visitOf(event), event, at)
      case "QueueOpened":
        return this.open(event, at)
      case "QueueRescheduled":
        expect(this.isPreOpening, "an opening is moved before it").toBe(true)
        this.opensAt = event.opensAt + offset
        return
      case "QueueModeChanged":
        expect(this.mode, "a closed queue stays closed").not.toBe("closed")
        this.mode = event.mode
        return
      case "QueueConfigured":
        this.settings = event.settings
        return
      default:
        return
    }
  }

  private visitOf({ tokenId }: { readonly tokenId: string }): Visit {
    const visit = this.visits.get(tokenId)
    if (visit === undefined) throw new Error(`${tokenId} was never issued`)
    return visit
  }

  private issue(event: Extract<BoxOfficeEvent, { _tag: "QueueTokenIssued" }>, at: number): void {
    const { tokenId, userId, lane = "general" } = event
    const number = Number(event.number)
    expect(this.mode, `${userId} joins`).toBe("open")
    expect(number, `${userId} takes the next number of the ${lane} lane`).toBe(
      this.countIssued(lane) + 1
    )
    for (const visit of this.visits.values()) {
      if (visit.userId !== userId) continue
      const isLive =
        visit.state === "waiting" || (visit.state === "admitted" && visit.expiresAt > at)
      expect(isLive, `${userId} gets a second place`).toBe(false)
    }
    const place = number
    const fresh = { state: "waiting", claimed: false, expiresAt: 0 } as const
    this.visits.set(tokenId, { tokenId, userId, lane, number, place, joinedAt: at, ...fresh })
  }

  private admit(visit: Visit, claimed: boolean, expiresAt: number, at: number): void {
    const { userId, lane } = visit
    const { maxActive, admitPerMinute, prioritySharePercent } = this.settings
    expect(visit.state, `${userId} waits when let in`).toBe("waiting")
    expect(["open", "draining"], `${userId} is let in`).toContain(this.mode)
    expect(this.isPreOpening, `${userId} is let in before the opening`).toBe(false)
    const next = this.waiting(lane)[0]!
    expect(userId, `next in the ${lane} lane is let in`).toBe(next.userId)

    const [general, priority] = lanes.map((each) => this.waiting(each).length > 0)
    if (general && priority) {
      this.shares += prioritySharePercent
      const due = Math.floor(this.shares / 100) > this.priorities ? "priority" : "general"
      expect(lane, `whose turn it is, with a share of ${prioritySharePercent}`).toBe(due)
      if (lane === "priority") this.priorities++
      this.count("admitted by turns")
    }

    visit.state = "admitted"
    visit.claimed = claimed
    visit.expiresAt = expiresAt
    this.admissions.push(at)
    this.count("admitted")
    expect(this.inside.length, `inside at once, with ${userId}`).toBeLessThanOrEqual(maxActive)
    expect(
      this.admittedSince(at - minute),
      `let in within 60 s, with ${userId}`
    ).toBeLessThanOrEqual(admitPerMinute)
  }

  private leave(visit: Visit, away: boolean, at: number): void {
    const { userId, state, tokenId, joinedAt } = visit
    expect(["waiting", "admitted"], `${userId} leaves`).toContain(state)
    if (away) {
      const { absenceSeconds } = this.settings
      const seen = Math.max(joinedAt, this.seen.get(tokenId) ?? 0, this.openedAt ?? 0)
      expect(state, `${userId} loses a place by being away`).toBe("waiting")
      expect(absenceSeconds, "the absence limit of a queue that takes places back").toBeGreaterThan(
        0
      )
      expect(
        (at - seen) / 1_000,
        `seconds for which ${userId} was absent before the place was lost`
      ).toBeGreaterThan(absenceSeconds)
      this.count("away")
      const isBack = this.sightings.some((sighting) => sighting.tokenId === tokenId)
      if (isBack) this.count("away, though back for less than a minute")
    }
    if (state === "waiting") this.departed++
    visit.state = "left"
    this.count("left")
  }

  private lapse(
    visit: Visit,
    event: Extract<BoxOfficeEvent, { _tag: "QueueTokenLapsed" }>,
    at: number
  ): void {
    const { userId } = visit
    if (event.closed) {
      expect([this.mode, visit.state], `${userId} waits for what is closed`).toEqual([
        "closed",
        "waiting"
      ])
      this.departed++
      this.count("ended by closing")
    } else {
      expect(visit.state, `${userId} is inside when the visit lapses`).toBe("admitted")
      expect(visit.expiresAt, `${userId}'s visit lapses at its end`).toBeLessThanOrEqual(at)
      expect(event.unclaimed === true, `${userId} did not show up`).toBe(!visit.claimed)
      this.count(event.unclaimed ? "unclaimed" : "lapsed")
    }
    visit.state = "expired"
  }

  private open(event: Extract<BoxOfficeEvent, { _tag: "QueueOpened" }>, at: number): void {
    expect(this.isPreOpening, "a queue opens once").toBe(true)
    expect(this.opensAt, "a queue opens in time").toBeLessThanOrEqual(at)
    expect(Number(event.drawn), "all general tokens take part in the draw").toBe(
      this.countIssued("general")
    )
    this.openedAt = at
    this.count("opened")
    if (event.drawn === 0n) return
    const draw = { queueId: this.queueId, seed: this.seed, drawn: Number(event.drawn) }
    const { placeOf } = permutationOf(draw)
    for (const visit of this.visits.values()) {
      if (visit.lane === "general") visit.place = placeOf(visit.number)
    }
  }

  /** Records the current states of all tokens. */
  takeSnapshot(elapsed: number): void {
    const standings = new Map<string, TokenStanding>()
    for (const { tokenId, state, expiresAt, lane } of this.visits.values()) {
      standings.set(tokenId, { state, expiresAt, position: 0, lane })
    }
    for (const lane of lanes) {
      const hasPlaces = lane === "priority" || !this.isPreOpening
      for (const [i, { tokenId }] of this.waiting(lane).entries()) {
        const position = hasPlaces ? i + 1 : 0
        // In a closed queue, waiting tokens count as expired.
        const state = this.mode === "closed" ? "expired" : "waiting"
        standings.set(tokenId, { state, expiresAt: 0, position, lane })
      }
    }
    const opensAt = this.isPreOpening ? this.opensAt : undefined
    this.snapshots.push({ elapsed, mode: this.mode, opensAt, standings })
  }
}
