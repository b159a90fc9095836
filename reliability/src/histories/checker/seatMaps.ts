/**
 * Seat maps: a seat that was certainly taken during all of the time that the map may show is not shown
 * as free, and one that was certainly free is not shown as taken. A map may be a second old, older
 * while the database is away.
 */
import { groupBy } from "../groupBy.ts"
import type { Call } from "../history.ts"
import { type Evidence, staleMs, told } from "./evidence.ts"
import type { Judge } from "./judge.ts"

/** `catalogMaxAgeMs`, and some for what is under way. */
const freshMs = 1_000 + 1_000

/** When a reservation had its seats: certainly, and at most. */
interface Occupation {
  readonly id: string
  readonly takenBy: number
  readonly keptUntil: number
  readonly notBefore: number
  readonly notAfter: number
}

export const checkSeatMaps = (evidence: Evidence, judge: Judge): void => {
  const { calls, clockFaults } = evidence
  const occupations = occupationsOf(evidence)
  for (const read of calls) {
    if (read.operation !== "seats" || read.outcome !== "ok") continue
    const age = evidence.isCalm(read.invokedAt - freshMs, read.endedAt) ? freshMs : staleMs
    const from = read.invokedAt - age
    const until = read.endedAt
    // While the clock is wrong, holds end at another time than the harness believes.
    if (clockFaults.some(({ beganAt, endedAt }) => endedAt + age > from && beganAt < until))
      continue
    const ofSeat = (seat: string) => occupations.get(`${read.input.performanceId} ${seat}`) ?? []
    for (const seat of read.result.free as ReadonlyArray<string>) {
      const owner = ofSeat(seat).find(
        ({ takenBy, keptUntil }) => takenBy < from && keptUntil > until
      )
      judge.expect(
        "I7",
        owner === undefined,
        () =>
          `${told(read)} was told that ${seat} is free; ${owner?.id} has it since ${owner?.takenBy}`
      )
    }
    for (const seat of Object.keys(read.result.taken)) {
      const isPossible = ofSeat(seat).some(
        ({ notBefore, notAfter }) => notBefore < until && notAfter > from
      )
      judge.expect(
        "I7",
        isPossible,
        () =>
          `${told(read)} was told that ${seat} is ${read.result.taken[seat]}, and no reservation had it then`
      )
    }
  }
}

const occupationsOf = (evidence: Evidence): ReadonlyMap<string, ReadonlyArray<Occupation>> => {
  const { facts, calls, history, transfers, clockFaults } = evidence
  const holdMs = history.run.holdSeconds * 1_000
  const lateMs = 5_000
  const by = (operation: string, idOf: (call: Call) => string | undefined) =>
    groupBy(
      calls.filter((call) => call.operation === operation),
      idOf
    )
  const holds = by("hold", ({ user, input }) => `${user} ${[...(input.seatIds ?? [])].sort()}`)
  const releases = by("release", ({ input }) => input.reservationId)
  const refunds = by("refund", ({ input }) => transfers.get(input.paymentId!)?.reservation ?? "")
  const occupations = new Map<string, Array<Occupation>>()
  for (const row of facts.reservations) {
    // Those of other reservations of the same seats only make what is certain smaller.
    const asked = holds.get(`${row.user} ${[...row.seats].sort()}`) ?? []
    const acknowledged = asked.filter(({ result }) => result?.reservationId === row.id)
    const ends = [...(releases.get(row.id) ?? []), ...(refunds.get(row.id) ?? [])]
    const mayHaveBegun = acknowledged.length > 0 ? acknowledged : asked
    const first = Math.min(...mayHaveBegun.map(({ invokedAt }) => invokedAt))
    const taken = Math.min(...acknowledged.map(({ endedAt }) => endedAt))
    const keyOf = new Set(acknowledged.map(({ key }) => key))
    const begun = Math.min(
      first,
      ...asked.filter(({ key }) => keyOf.has(key)).map(({ invokedAt }) => invokedAt)
    )
    const isPaid = row.payment !== null
    const wasClockSet = clockFaults.some(
      ({ beganAt, endedAt }) => beganAt < taken + holdMs && endedAt > begun
    )
    const ended = ends.filter(({ outcome }) => outcome === "ok").map(({ endedAt }) => endedAt)
    const occupation = {
      id: row.id,
      takenBy: taken,
      keptUntil: wasClockSet
        ? Number.NEGATIVE_INFINITY
        : Math.min(
            isPaid ? Number.POSITIVE_INFINITY : begun + holdMs,
            ...ends.map(({ invokedAt }) => invokedAt)
          ),
      notBefore: begun,
      notAfter: Math.min(
        isPaid || wasClockSet || !Number.isFinite(taken)
          ? Number.POSITIVE_INFINITY
          : taken + holdMs + lateMs,
        ...(ended.length === 0 ? [] : [Math.min(...ended)])
      )
    }
    for (const seat of row.seats) {
      const place = `${row.performance} ${seat}`
      occupations.set(place, [...(occupations.get(place) ?? []), occupation])
    }
  }
  return occupations
}
