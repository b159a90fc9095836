/**
 * What every store must do, whichever it is. A list of named tests that need no test runner:
 *
 * ```ts
 * import { conformanceTests } from "@boxoffice/core/testing"
 *
 * for (const { name, run } of conformanceTests) it(name, () => Effect.runPromise(run(harness)))
 * ```
 *
 * The tests work on names of their own, so that they can share one store and run in any order.
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

/** A store to test, and a hand on its clock. */
export interface ConformanceHarness {
  readonly store: BoxOfficeStore["Service"]
  /**
   * Lets time pass for everything stored so far: moves the store's clock forward or, where that is
   * the database's own, everything stored into the past.
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
