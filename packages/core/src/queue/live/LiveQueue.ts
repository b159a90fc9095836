/**
 * One queue as a node knows it: the last reading, and who has left so far. Answers polls by
 * arithmetic alone; what it does not know, it leaves to the store.
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

/** How many departures from before a draw are placed at a time: a moment's work. */
const placedAtOnce = 2_000

export class LiveQueue {
  private reading: QueueReading
  private readonly departures: Readonly<Record<QueueLane, DepartureTree>>
  /** Behind the cursor, nobody waits up to this place of the draw. */
  private emptyUpTo = 0
  /** Who left before the draw gave places, by number. */
  private readonly leftBeforeDraw = new Set<number>()
  private history: MovementHistory | undefined
  private rate: AdmissionRate | undefined
  private limit: MinuteLimit
  private draw: ReturnType<typeof permutationOf> | undefined
  private asOf = new Date(0)

  constructor(reading: QueueReading) {
    this.reading = reading
    this.limit = minuteLimitOf(reading)
    this.departures = {
      general: new DepartureTree(Number(reading.queue.cursor)),
      priority: new DepartureTree(Number(reading.queue.priority.cursor))
    }
  }

  /** The last departure that is known. */
  get after(): bigint {
    return this.seq
  }
  private seq = 0n

  /** Takes in a newer reading, whose departures may have to be placed. False where more is to be read. */
  absorb(reading: QueueReading): boolean {
    const { queue, now } = reading
    if (queue.drawSize > 0n && this.draw === undefined && queue.opening !== null) {
      const { seed } = queue.opening
      this.draw = permutationOf({ queueId: queue.queueId, seed, drawn: Number(queue.drawSize) })
    }
    this.reading = reading
    this.history = addSample(this.history, reading)
    this.rate = admissionRate(this.history, queue)
    this.limit = minuteLimitOf(reading)
    this.asOf = new Date(now)
    for (const departure of reading.departures) this.depart(departure)
    this.departures.general.pass(Number(queue.cursor))
    this.departures.priority.pass(Number(queue.priority.cursor))
    return reading.departures.length < departuresPerReading
  }

  private depart({ lane, number, seq }: Departure): void {
    this.seq = seq
    const known = Number(number)
    if (
      lane === "general" &&
      (isPreOpening(this.reading.queue) || number <= this.reading.queue.drawSize)
    ) {
      this.leftBeforeDraw.add(known)
    } else {
      this.departures[lane].add(known)
    }
  }

  /**
   * Gives some of those who left before a draw the place that they were drawn. False where there
   * are more of them: until they are placed, a position is the last that it can be.
   */
  placeSome(): boolean {
    if (this.draw === undefined) return true
    let placed = 0
    for (const number of this.leftBeforeDraw) {
      if (placed++ === placedAtOnce) return false
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

  /** Whether a batch would have something to do that nobody asks for. */
  get isDue(): boolean {
    const { queue, lapsed, now } = this.reading
    return lapsed || isDue(queue, now)
  }

  /** Who is to be loaded with a batch that lets people in. */
  heads(): Heads {
    const { queue } = this.reading
    const wanted = queue.mode === "closed" ? admissionsPerBatch : Math.max(1, roomIn(queue))
    const limit = Math.min(admissionsPerBatch, wanted)
    if (this.draw === undefined || queue.cursor >= queue.drawSize) return { limit }
    const numbers: Array<bigint> = []
    const end = Number(queue.drawSize)
    // Nobody comes back from having left: what was walked over once is not walked over again.
    let place = Math.max(Number(queue.cursor), this.emptyUpTo)
    while (place < end && numbers.length < limit) {
      place++
      if (!this.departures.general.has(place)) numbers.push(BigInt(this.draw.numberAt(place)))
      else if (numbers.length === 0) this.emptyUpTo = place
    }
    return { limit, drawn: { numbers, upTo: BigInt(place) } }
  }

  /**
   * What somebody is told who waits, or who waited and left; `undefined` of who was let in, and of
   * who came since the reading.
   */
  statusOf(payload: QueueTokenPayload): QueueTokenStatus | undefined {
    if (payload.place === undefined) return undefined
    const { lane, number } = payload.place
    const { queue, now } = this.reading
    const line = laneRow(queue, lane)
    if (number >= line.nextNumber) return undefined
    const isUndrawn = lane === "general" && isPreOpening(queue)
    const place = isUndrawn ? number : this.placeOf(lane, number)
    const cursor = Number(line.cursor)
    // Closing ends all who wait, and nothing else ends them afterwards.
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

  /** Nothing changes before the queue opens, and so nothing is estimated. */
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

  /** Nothing is promised while nobody is let in. Lanes that both wait share the rate. */
  private waitOf(lane: QueueLane, ahead: number): QueueTokenStatus["estimatedWait"] {
    const { queue } = this.reading
    if (this.rate === undefined || isStopped(queue)) return null
    const other = laneRow(queue, lane === "general" ? "priority" : "general").waiting
    const share = queue.settings.prioritySharePercent / 100
    const own = lane === "priority" ? share : 1 - share
    // The other lane's people go in between until there are none left.
    const between = own <= 0 ? other : Math.min(other, Math.floor(((ahead + 1) * (1 - own)) / own))
    return estimatedWait(ahead + between, this.rate, this.limit)
  }
}
