/**
 * The conformance suite: what every store must do. A list of named tests that need no particular
 * test runner:
 *
 * ```ts
 * import { conformanceTests } from "@boxoffice/core/testing"
 *
 * for (const { name, run } of conformanceTests) it(name, () => Effect.runPromise(run(harness)))
 * ```
 *
 * Each test uses ids of its own, so the tests can share one store and run in any order.
 */
import type { Effect } from "effect"
import type { BoxOfficeStore } from "../BoxOfficeStore.ts"
import { catalogTests } from "./conformance/catalog.ts"
import { clearingTests } from "./conformance/clearing.ts"
import { eventTests } from "./conformance/events.ts"
import { fairnessTests } from "./conformance/fairness.ts"
import { moneyTests } from "./conformance/money.ts"
import { queueTests } from "./conformance/queue.ts"
import { reservationTests } from "./conformance/reservation.ts"
import { stormTests } from "./conformance/storm.ts"

/** A store to test, and a way to move its clock. */
export interface ConformanceHarness {
  readonly store: BoxOfficeStore["Service"]
  /**
   * Lets time pass for all stored rows: moves the store's clock forward or, if that is the
   * database's own clock, moves all stored instants into the past.
   */
  readonly passTime: (milliseconds: number) => Effect.Effect<void, unknown>
}

export interface ConformanceTest {
  readonly name: string
  readonly run: (harness: ConformanceHarness) => Effect.Effect<void, unknown>
}

export const conformanceTests: ReadonlyArray<ConformanceTest> = [
  ...catalogTests,
  ...queueTests,
  ...fairnessTests,
  ...reservationTests,
  ...moneyTests,
  ...eventTests,
  ...clearingTests,
  ...stormTests
]
