/**
 * Snapshot of one queue in the memory of a node. It answers polls by arithmetic alone; a status
 * that it cannot know, it leaves to the store (`undefined`).
 *
 * Holds: the last reading of the queue, the departures of both lanes since the node first read the
 * queue, and the history of its movement with the admission rate that follows from it. It lives as
 * long as its entry in `LiveQueues`, which refreshes it: `absorb` takes in each new reading.
 *
 * States, which follow from the queue row:
 * - before the opening: tokens of the general lane have no place yet. Their departures are kept by
 *   number, in `leftBeforeDraw`.
 * - drawn: the seed is known and the draw gives each number a place. `placeSome` moves the
 *   departures from before the draw into the tree, 2,000 at a time, since a large draw would block
 *   the node.
 * - running: positions follow from the cursor and the departure tree.
 * - closed: all tokens that wait have expired.
 *
 * "Place" is a token's rank in the order of its lane: its number, or its place in the draw. The
 * position that a user sees counts only the tokens that still wait.
 */
import { departuresPerReading, type QueueReading } from "../../BoxOfficeStore.ts"
import { admissionsPerBatch, type Heads } from "../../engine/LoadPlan.ts"
import type { QueueTokenPayload } from "../../token/format.ts"
import { isDue, roomIn } from "../decide.ts"
import { permutationOf } from "../lottery.ts"
import type { Departure, QueueLane, QueueTokenStatus } from "../model.ts"
import { isPreOpening, laneRow } from "../position.ts"
import { endedStatus, minWaitSeconds, waitingStatus } from "../status.ts"
import { type AdmissionRate, admissionRate } from "./admissionRate.ts"
import { DepartureTree } from "./DepartureTree.ts"
import { addSample, isStopped, type MovementHistory } from "./movement.ts"
import { estimatedWait, type MinuteLimit, minuteLimitOf } from "./waitEstimate.ts"

/** How many departures from before a draw one step moves into the tree, so that no step is long. */
const placedPerStep = 2_000

export class LiveQueue {
  private reading: QueueReading
  private readonly departures: Readonly<Record<QueueLane, DepartureTree>>
  /** From the cursor up to this place of the draw, all tokens have left. */
  private emptyUpTo = 0
  /** Numbers of the tokens that left before the draw, as far as they are not in the tree yet. */
  private readonly leftBeforeDraw = new Set<number>()
  private history: MovementHistory | undefined
  private rate: AdmissionRate | undefined
  private minuteLimit: MinuteLimit
  private draw: ReturnType<typeof permutationOf> | undefined
  private asOf = new Date(0)

  constructor(reading: QueueReading) {
    this.reading = reading
    this.minuteLimit = minuteLimitOf(reading)
    this.departures = {
      general: new DepartureTree(Number(reading.queue.cursor)),
      priority: new DepartureTree(Number(reading.queue.priority.cursor))
    }
  }

  /** The sequence number of the last departure that the snapshot has taken in. */
  get after(): bigint {
    return this.seq
  }
  private seq = 0n

  /**
   * Takes in a newer reading. Returns false if the reading was full, so that more departures are to
   * be read. The caller then runs `placeSome` until it returns true.
   */
  absorb(reading: QueueReading): boolean {
    const { queue, now } = reading
    if (queue.drawSize > 0n && this.draw === undefined && queue.opening !== null) {
      const { seed } = queue.opening
      this.draw = permutationOf({ queueId: queue.queueId, seed, drawn: Number(queue.drawSize) })
    }
    this.reading = reading
    this.history = addSample(this.history, reading)
    this.rate = admissionRate(this.history, queue)
    this.minuteLimit = minuteLimitOf(reading)
    this.asOf = new Date(now)
    for (const departure of reading.departures) this.depart(departure)
    this.departures.general.pass(Number(queue.cursor))
    this.departures.priority.pass(Number(queue.priority.cursor))
    return reading.departures.length < departuresPerReading
  }

  private depart({ lane, number: departed, seq }: Departure): void {
    this.seq = seq
    const number = Number(departed)
    if (
      lane === "general" &&
      (isPreOpening(this.reading.queue) || departed <= this.reading.queue.drawSize)
    ) {
      this.leftBeforeDraw.add(number)
    } else {
      this.departures[lane].add(number)
    }
  }

  /**
   * Moves some departures from before the draw into the tree, at their drawn places. Returns false
   * if more are left: until all are moved, a position counts tokens that have left, so it is an
   * upper bound.
   */
  placeSome(): boolean {
    if (this.draw === undefined) return true
    let placed = 0
    for (const number of this.leftBeforeDraw) {
      if (placed++ === placedPerStep) return false
      this.departures.general.add(this.draw.placeOf(number))
      this.leftBeforeDraw.delete(number)
    }
    return true
  }

  get queue() {
    return this.reading.queue
  }

  get now() {
    return this.reading.now
  }

  /** Whether a batch without a command would do something: open the queue, admit or end tokens. */
  get isDue(): boolean {
    const { queue, lapsed, now } = this.reading
    return lapsed || isDue(queue, now)
  }

  /** The tokens that a batch has to load to admit users: the next in line of each lane. */
  heads(): Heads {
    const { queue } = this.reading
    const wanted = queue.mode === "closed" ? admissionsPerBatch : Math.max(1, roomIn(queue))
    const limit = Math.min(admissionsPerBatch, wanted)
    if (this.draw === undefined || queue.cursor >= queue.drawSize) return { limit }
    const numbers: Array<bigint> = []
    const end = Number(queue.drawSize)
    // A token that left never waits again, so the search does not walk over the same places twice.
    let place = Math.max(Number(queue.cursor), this.emptyUpTo)
    while (place < end && numbers.length < limit) {
      place++
      if (!this.departures.general.has(place)) numbers.push(BigInt(this.draw.numberAt(place)))
      else if (numbers.length === 0) this.emptyUpTo = place
    }
    return { limit, drawn: { numbers, upTo: BigInt(place) } }
  }

  /**
   * Status of a token that waits, or that waited and has left or expired. `undefined` if only the
   * store knows: for an admitted token, and for one that joined after the reading.
   */
  statusOf(payload: QueueTokenPayload): QueueTokenStatus | undefined {
    if (payload.entry === undefined) return undefined
    const { lane, number } = payload.entry
    const { queue, now } = this.reading
    const laneState = laneRow(queue, lane)
    if (number >= laneState.nextNumber) return undefined
    const isUndrawn = lane === "general" && isPreOpening(queue)
    const place = isUndrawn ? number : this.placeOf(lane, number)
    const cursor = Number(laneState.cursor)
    // Closing expires every waiting token at once, even before a batch has ended its row.
    if (queue.mode === "closed" && place > cursor) return this.ended(payload, "expired")
    if (lane === "general" && this.leftBeforeDraw.has(number)) return this.ended(payload, "left")
    if (isUndrawn) return { ...this.untilOpening(payload, 0), position: 0 }
    if (this.departures[lane].has(place)) return this.ended(payload, "left")
    if (place <= cursor) return undefined
    const ahead = place - 1 - cursor - this.departures[lane].between(cursor, place)
    if (isPreOpening(queue)) return this.untilOpening(payload, ahead)
    const estimatedWait = this.waitOf(lane, ahead)
    const waitSeconds =
      estimatedWait?.p50Seconds ?? minWaitSeconds(ahead, queue.settings.admitPerMinute)
    const status = waitingStatus(payload, { ahead, estimatedWait, waitSeconds, now })
    return { ...status, asOf: this.asOf }
  }

  /**
   * Before the queue opens, no position changes, so there is no estimate but the opening itself.
   */
  private untilOpening(payload: QueueTokenPayload, ahead: number): QueueTokenStatus {
    const { queue, now } = this.reading
    const opensAt = new Date(queue.opening!.opensAt)
    const waitSeconds = Math.max(0, (opensAt.getTime() - now) / 1_000)
    const status = waitingStatus(payload, { ahead, estimatedWait: null, waitSeconds, now })
    return { ...status, asOf: this.asOf, opensAt }
  }

  private ended({ queueId }: QueueTokenPayload, state: "left" | "expired"): QueueTokenStatus {
    return { ...endedStatus(queueId, state), asOf: this.asOf }
  }

  private placeOf(lane: QueueLane, number: number): number {
    return lane === "general" && this.draw !== undefined && number <= this.queue.drawSize
      ? this.draw.placeOf(number)
      : number
  }

  /**
   * `null` while the queue admits no users, since the wait then depends on the operator. If both
   * lanes have waiting tokens, they share the rate.
   */
  private waitOf(lane: QueueLane, ahead: number): QueueTokenStatus["estimatedWait"] {
    const { queue } = this.reading
    if (this.rate === undefined || isStopped(queue)) return null
    const other = laneRow(queue, lane === "general" ? "priority" : "general").waiting
    const share = queue.settings.prioritySharePercent / 100
    const own = lane === "priority" ? share : 1 - share
    // Users of the other lane are admitted in between, until that lane is empty.
    const between = own <= 0 ? other : Math.min(other, Math.floor(((ahead + 1) * (1 - own)) / own))
    return estimatedWait(ahead + between, this.rate, this.minuteLimit)
  }
}
