/** For tests: the engine over an in-memory store, and its pure rules without the engine. @module */

export { decideGate, decideSessionExtension } from "./gate/decide.ts"
export { decidePay, decideRefund } from "./payment/decide.ts"
export {
  decideAdmissions,
  decideClosing,
  decideExpiries,
  decideJoin,
  decideLeave,
  decideOpening
} from "./queue/decide.ts"
export { decideConfigure, decideMode } from "./queue/operate.ts"
export { decideExpiry, decideHold, decideRelease } from "./reservation/decide.ts"
export {
  type AdmittedUser,
  type Arrange,
  type ArrangedPerformance,
  arranging,
  type HoldToArrange,
  type PerformanceToArrange,
  type QueueToArrange,
  type ShowToArrange
} from "./testing/arrange.ts"
export {
  performanceRow,
  queueRow,
  type RowFields,
  reservationRow,
  seatRow,
  seatsOf,
  testId,
  testStart,
  tokenRow,
  toSeat,
  walletRow,
  won
} from "./testing/builders.ts"
export {
  type ConformanceHarness,
  type ConformanceTest,
  conformanceTests
} from "./testing/conformance.ts"
export { exampleEvents } from "./testing/exampleEvents.ts"
export { Failures, layerFailures } from "./testing/Failures.ts"
export { layerMemory } from "./testing/MemoryStore.ts"
export {
  type Decision,
  type Given,
  type GivenRows,
  given,
  type Outcome
} from "./testing/scenario.ts"
export {
  type MovableClock,
  makeTestOffice,
  type TestOffice,
  type TestOfficeOptions
} from "./testing/TestOffice.ts"
export { decideCharge } from "./wallet/decide.ts"
