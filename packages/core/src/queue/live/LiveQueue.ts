/**
 * One queue as a node knows it: the last reading, and who has left so far. Answers polls by
 * arithmetic alone; what it does not know, it leaves to the store.
 */
import {
  admissionsPerBatch,
  departuresPerReading,
  type Heads,
  type LineReading
} from "../../BoxOfficeStore.ts"
import type { Ticket } from "../../token/format.ts"
import { isDue, roomIn } from "../decide.ts"
import { permutationOf } from "../lottery.ts"
import type { Departure, QueueLane, QueueTokenStatus } from "../model.ts"
import { isCollecting, lineOf } from "../position.ts"
import { endedStatus, leastWait, waitingStatus } from "../status.ts"
import { type AdmissionRate, admissionRate } from "./admissionRate.ts"
import { Departed } from "./DepartureTree.ts"
import { isStopped, type Watched, watch } from "./movement.ts"
import { estimatedWait, type MinuteLimit, minuteLimitOf } from "./waitEstimate.ts"

/** How many departures from before a draw are placed at a time: a moment's work. */
const placedAtOnce = 2_000

export class LineView {
  private reading: LineReading
  private readonly departed: Readonly<Record<QueueLane, Departed>>
  /** Behind the cursor, nobody waits up to this place of the draw. */
  private emptyUpTo = 0
  /** Who left before the draw gave places, by number. */
  private readonly undrawn = new Set<number>()
  private watched: Watched | undefined
  private rate: AdmissionRate | undefined
  private limit: MinuteLimit
  private draw: ReturnType<typeof permutationOf> | undefined
  private asOf = new Date(0)

  constructor(reading: LineReading) {
    this.reading = reading
    this.limit = minuteLimitOf(reading)
    this.departed = {
      general: new Departed(Number(reading.queue.cursor)),
      priority: new Departed(Number(reading.queue.priority.cursor))
    }
  }

  /** The last departure that is known. */
  get after(): bigint {
    return this.seq
  }
  private seq = 0n

  /** Takes in a newer reading, whose departures may have to be placed. False where more is to be read. */
  absorb(reading: LineReading): boolean {
    const { queue, now } = reading
    if (queue.drawn > 0n && this.draw === undefined && queue.opening !== null) {
      const { seed } = queue.opening
      this.draw = permutationOf({ queueId: queue.queueId, seed, drawn: Number(queue.drawn) })
    }
    this.reading = reading
    this.watched = watch(this.watched, reading)
    this.rate = admissionRate(this.watched, queue)
    this.limit = minuteLimitOf(reading)
    this.asOf = new Date(now)
    for (const departure of reading.departures) this.depart(departure)
    this.departed.general.pass(Number(queue.cursor))
    this.departed.priority.pass(Number(queue.priority.cursor))
    return reading.departures.length < departuresPerReading
  }

  private depart({ lane, number, seq }: Departure): void {
    this.seq = seq
    const known = Number(number)
    if (
      lane === "general" &&
      (isCollecting(this.reading.queue) || number <= this.reading.queue.drawn)
    ) {
      this.undrawn.add(known)
    } else {
      this.departed[lane].add(known)
    }
  }

  /**
   * Gives some of those who left before a draw the place that they were drawn. False where there
   * are more of them: until they are placed, a position is the last that it can be.
   */
  placeSome(): boolean {
    if (this.draw === undefined) return true
    let placed = 0
    for (const number of this.undrawn) {
      if (placed++ === placedAtOnce) return false
      this.departed.general.add(this.draw.placeOf(number))
      this.undrawn.delete(number)
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
    if (this.draw === undefined || queue.cursor >= queue.drawn) return { limit }
    const numbers: Array<bigint> = []
    const end = Number(queue.drawn)
    // Nobody comes back from having left: what was walked over once is not walked over again.
    let place = Math.max(Number(queue.cursor), this.emptyUpTo)
    while (place < end && numbers.length < limit) {
      place++
      if (!this.departed.general.has(place)) numbers.push(BigInt(this.draw.numberAt(place)))
      else if (numbers.length === 0) this.emptyUpTo = place
    }
    return { limit, drawn: { numbers, upTo: BigInt(place) } }
  }

  /**
   * What somebody is told who waits, or who waited and left; `undefined` of who was let in, and of
   * who came since the reading.
   */
  standing(ticket: Ticket): QueueTokenStatus | undefined {
    if (ticket.place === undefined) return undefined
    const { lane, number } = ticket.place
    const { queue, now } = this.reading
    const line = lineOf(queue, lane)
    if (number >= line.nextNumber) return undefined
    const isUndrawn = lane === "general" && isCollecting(queue)
    const place = isUndrawn ? number : this.placeOf(lane, number)
    const cursor = Number(line.cursor)
    // Closing ends all who wait, and nothing else ends them afterwards.
    if (queue.mode === "closed" && place > cursor) return this.ended(ticket, "expired")
    if (lane === "general" && this.undrawn.has(number)) return this.ended(ticket, "left")
    if (isUndrawn) return { ...this.untilOpening(ticket, 0), position: 0 }
    if (this.departed[lane].has(place)) return this.ended(ticket, "left")
    if (place <= cursor) return undefined
    const ahead = place - 1 - cursor - this.departed[lane].between(cursor, place)
    if (isCollecting(queue)) return this.untilOpening(ticket, ahead)
    const estimatedWait = this.waitOf(lane, ahead)
    const waitSeconds = estimatedWait?.p50Seconds ?? leastWait(ahead, queue.settings.admitPerMinute)
    const status = waitingStatus(ticket, { ahead, estimatedWait, waitSeconds, now })
    return { ...status, asOf: this.asOf }
  }

  /** Nothing changes before the queue opens, and so nothing is estimated. */
  private untilOpening(ticket: Ticket, ahead: number): QueueTokenStatus {
    const { queue, now } = this.reading
    const opensAt = new Date(queue.opening!.opensAt)
    const waitSeconds = Math.max(0, (opensAt.getTime() - now) / 1_000)
    const status = waitingStatus(ticket, { ahead, estimatedWait: null, waitSeconds, now })
    return { ...status, asOf: this.asOf, opensAt }
  }

  private ended({ queueId }: Ticket, state: "left" | "expired"): QueueTokenStatus {
    return { ...endedStatus(queueId, state), asOf: this.asOf }
  }

  private placeOf(lane: QueueLane, number: number): number {
    return lane === "general" && this.draw !== undefined && number <= this.queue.drawn
      ? this.draw.placeOf(number)
      : number
  }

  /** Nothing is promised while nobody is let in. Lanes that both wait share the rate. */
  private waitOf(lane: QueueLane, ahead: number): QueueTokenStatus["estimatedWait"] {
    const { queue } = this.reading
    if (this.rate === undefined || isStopped(queue)) return null
    const other = lineOf(queue, lane === "general" ? "priority" : "general").waiting
    const share = queue.settings.prioritySharePercent / 100
    const own = lane === "priority" ? share : 1 - share
    // The other lane's people go in between until there are none left.
    const between = own <= 0 ? other : Math.min(other, Math.floor(((ahead + 1) * (1 - own)) / own))
    return estimatedWait(ahead + between, this.rate, this.limit)
  }
}
