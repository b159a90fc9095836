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
import { catalogTests } from "./conformance/catalog.ts"
import { clearingTests } from "./conformance/clearing.ts"
import { eventTests } from "./conformance/events.ts"
import { fairnessTests } from "./conformance/fairness.ts"
import type { ConformanceHarness, ConformanceTest } from "./conformance/harness.ts"
import { moneyTests } from "./conformance/money.ts"
import { queueTests } from "./conformance/queue.ts"
import { reservationTests } from "./conformance/reservation.ts"
import { stormTests } from "./conformance/storm.ts"

export type { ConformanceHarness, ConformanceTest }

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
