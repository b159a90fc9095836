/**
 * Given, when, then, for deciders: rows and past events in, new events or a refusal out. Needs no
 * database, no clock and no particular test runner.
 */
import { deepStrictEqual, fail, strictEqual } from "node:assert/strict"
import { inspect } from "node:util"
import { Result } from "effect"
import type { BoxOfficeEvent } from "../Events.ts"
import { evolveAll } from "../engine/evolve.ts"
import { type LoadedRows, Rows } from "../engine/Rows.ts"

/** The rows that a test starts from: see `queueRow`, `seatRow` and the others. */
export type GivenRows = Omit<LoadedRows, "now">

/** What a decider answers: events, one, or none; or a `Result` of these or a refusal. */
export type Decision<Event, Refusal> = Decided<Event> | Result.Result<Decided<Event>, Refusal>
type Decided<Event> = Event | ReadonlyArray<Event> | undefined

export interface Given {
  /** The instant at which the decision is made. */
  readonly at: (instant: Date | number | string) => {
    /** Runs the decider, twice: it must answer the same and leave the rows alone. */
    readonly when: <Event extends BoxOfficeEvent, Refusal = never>(
      decide: (rows: Rows) => Decision<Event, Refusal>
    ) => Outcome<Event, Refusal>
  }
}

export interface Outcome<Event, Refusal> {
  /** Exactly these events, in this order. Gives the rows once the events have taken effect. */
  readonly thenEvents: (...events: ReadonlyArray<Event>) => Rows
  /** No event and no refusal: nothing changes. */
  readonly thenNothing: () => void
  /** This refusal: of the same class, with the same fields. */
  readonly thenRefused: (refusal: Refusal) => void
}

/**
 * Begins a scenario with stored rows, and with events that have happened to them since.
 *
 * Counts are the host's business, not an event's: say in a queue's row how many are active, and in
 * `seatCounts` how many seats a user has.
 *
 * @example
 * ```ts
 * import { defaultPolicies, SeatUnavailable, UserId } from "@boxoffice/core"
 * import { decideHold, given, performanceRow, seatRow, testId } from "@boxoffice/core/testing"
 *
 * const seat = seatRow({ status: "sold" })
 * const hold = {
 *   reservationId: testId(1),
 *   userId: UserId.make("ada"),
 *   performanceId: seat.performanceId,
 *   seatIds: [seat.seatId]
 * }
 *
 * given({ performances: [performanceRow()], seats: [seat] })
 *   .at("2030-01-01T12:00:00Z")
 *   .when((rows) => decideHold(rows, hold, defaultPolicies))
 *   .thenRefused(new SeatUnavailable({ conflicts: [{ seatId: seat.seatId, reason: "sold" }] }))
 * ```
 */
export const given = (rows: GivenRows, ...past: ReadonlyArray<BoxOfficeEvent>): Given => ({
  at: (instant) => {
    const now = typeof instant === "number" ? instant : new Date(instant).getTime()
    const load = () => {
      const loaded = new Rows({ ...rows, now })
      evolveAll(loaded, past)
      return loaded
    }
    return {
      when: (decide) => {
        const seen = load()
        const decision = decide(seen)
        deepStrictEqual(seen.changes(), load().changes(), "The decider changed the rows.")
        deepStrictEqual(decide(load()), decision, "The decider answered differently again.")
        return outcomeOf(decision, load)
      }
    }
  }
})

const outcomeOf = <Event extends BoxOfficeEvent, Refusal>(
  decision: Decision<Event, Refusal>,
  load: () => Rows
): Outcome<Event, Refusal> => {
  const result = Result.isResult(decision) ? decision : Result.succeed(decision)
  const eventsOf = (): ReadonlyArray<Event> => {
    if (Result.isFailure(result)) return fail(`Refused: ${inspect(result.failure)}`)
    const decided = result.success
    if (decided === undefined) return []
    return isMany(decided) ? decided : [decided]
  }
  return {
    thenEvents: (...events) => {
      deepStrictEqual(eventsOf(), events)
      const rows = load()
      evolveAll(rows, events)
      return rows
    },
    thenNothing: () => deepStrictEqual(eventsOf(), []),
    thenRefused: (refusal) => {
      if (Result.isSuccess(result)) fail(`Not refused: ${inspect(result.success)}`)
      const { failure } = result
      // Where an error was made, which its stack tells, is no part of what it says.
      strictEqual(Object.getPrototypeOf(failure), Object.getPrototypeOf(refusal), inspect(failure))
      deepStrictEqual({ ...failure }, { ...refusal })
    }
  }
}

const isMany = <A>(decided: A | ReadonlyArray<A>): decided is ReadonlyArray<A> =>
  Array.isArray(decided)
