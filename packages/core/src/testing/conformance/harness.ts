import type { Effect } from "effect"
import type { BoxOfficeStore } from "../../BoxOfficeStore.ts"

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
