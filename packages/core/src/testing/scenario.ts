/**
 * Given/when/then tests for deciders: rows and past events in, new events or a refusal out. They
 * need no database, no clock and no particular test runner.
 */
import { deepStrictEqual, fail, strictEqual } from "node:assert/strict"
import { inspect } from "node:util"
import { Result } from "effect"
import type { BoxOfficeEvent } from "../Events.ts"
import { evolveAll } from "../engine/evolve.ts"
import { type LoadedRows, Rows } from "../engine/Rows.ts"

/** The rows that a test starts with: see `queueRow`, `seatRow` and the others. */
export type GivenRows = Omit<LoadedRows, "now">

/**
 * The return value of a decider: events, one event, or none; or a `Result` of these or a refusal.
 */
export type Decision<Event, Refusal> = Decided<Event> | Result.Result<Decided<Event>, Refusal>
type Decided<Event> = Event | ReadonlyArray<Event> | undefined

export interface Given {
  /** Sets the instant of the decision. */
  readonly at: (instant: Date | number | string) => {
    /** Runs the decider twice: it must return the same both times, and must not change the rows. */
    readonly when: <Event extends BoxOfficeEvent, Refusal = never>(
      decide: (rows: Rows) => Decision<Event, Refusal>
    ) => Outcome<Event, Refusal>
  }
}

export interface Outcome<Event, Refusal> {
  /** Asserts exactly these events, in this order. Returns the rows after the events. */
  readonly thenEvents: (...events: ReadonlyArray<Event>) => Rows
  /** Asserts no event and no refusal. */
  readonly thenNothing: () => void
  /** Asserts a refusal of the same class with the same fields. */
  readonly thenRefused: (refusal: Refusal) => void
}

/**
 * Begins a scenario with stored rows, and with events that happened after they were stored.
 *
 * Events do not set counts: give the number of active tokens in the queue's row, and the number of
 * a user's seats in `seatCounts`.
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
        const loaded = load()
        const decision = decide(loaded)
        deepStrictEqual(loaded.changes(), load().changes(), "The decider changed the rows.")
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
      // Compares class and fields only: the stack differs, since it says where the error was made.
      strictEqual(Object.getPrototypeOf(failure), Object.getPrototypeOf(refusal), inspect(failure))
      deepStrictEqual({ ...failure }, { ...refusal })
    }
  }
}

const isMany = <A>(decided: A | ReadonlyArray<A>): decided is ReadonlyArray<A> =>
  Array.isArray(decided)
