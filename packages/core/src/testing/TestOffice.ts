/** An engine for a host's own tests: in memory, with a clock to move and failures to inject. */
import { Clock, Context, type Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type BoxOfficeOptions, layerOf } from "../BoxOffice.ts"
import type { Interval } from "../Interval.ts"
import { type PromisedBoxOffice, promised } from "../Promises.ts"
import { defaultPolicies } from "../policies/settings.ts"
import { type Arrange, arrangingIn } from "./arrange.ts"
import { testStart } from "./builders.ts"
import { Failures, layerFailures } from "./Failures.ts"
import { layerMemory } from "./MemoryStore.ts"

export interface TestOfficeOptions extends Partial<BoxOfficeOptions> {
  /** The time at the start. Default: 2030-01-01, noon UTC. */
  readonly now?: Date | string | undefined
}

/** The clock of a {@link TestOffice}. It stands still until the test moves it. */
export interface MovableClock {
  /** The current time of the engine. */
  readonly now: () => Date
  /**
   * Moves the time forward by `"5 minutes"`, or milliseconds, and runs the timers that become due.
   */
  readonly advance: (by: Interval) => Promise<void>
  /** Sets the time. */
  readonly set: (to: Date | string) => Promise<void>
}

/** The engine as a host uses it, with the tools of a test. */
export interface TestOffice extends PromisedBoxOffice {
  readonly clock: MovableClock
  /** Injects failures of the store. */
  readonly failures: Failures["Service"]
  /** Creates the data that a test starts with. */
  readonly arrange: Arrange
}

/**
 * Makes a complete engine for a test, over an in-memory store of its own and with a clock that the
 * test moves. Needs no particular test runner.
 *
 * @example
 * ```ts
 * import { makeTestOffice } from "@boxoffice/core/testing"
 *
 * const office = await makeTestOffice({ now: "2030-01-01T12:00:00Z" })
 * const { reservationId } = await office.arrange.hold({ userId: "ada", seatIds: ["A1"] })
 * await office.clock.advance("5 minutes")
 * const { status } = await office.reservations.get({ userId: "ada", reservationId })
 * console.log(status) // expired
 * await office.close()
 * ```
 */
export const makeTestOffice = async ({
  now = new Date(testStart),
  ...options
}: TestOfficeOptions = {}): Promise<TestOffice> => {
  const { office, context } = await promised(
    layerOf({
      signingKeys: { test: "a signing key for tests, and nothing else" },
      ...options
    }).pipe(
      Layer.provideMerge(layerFailures),
      Layer.provideMerge(layerMemory),
      Layer.provideMerge(layerClockAt(instantOf("now", now)))
    )
  )
  const run = Effect.runPromiseWith(context)
  const arrange = await run(arrangingIn(options.policies?.currency ?? defaultPolicies.currency))
  const failures = Context.get(context, Failures)
  const close = () => {
    // Else closing would wait for slow commits, by a clock that nobody moves any more.
    failures.clear()
    return office.close()
  }
  return {
    ...office,
    close,
    [Symbol.asyncDispose]: close,
    failures,
    clock: {
      now: () => new Date(Context.get(context, Clock.Clock).currentTimeMillisUnsafe()),
      advance: (by) => run(TestClock.adjust(by)),
      set: (to) => run(TestClock.setTime(instantOf("clock.set", to)))
    },
    arrange: {
      queue: (queue) => run(arrange.queue(queue)),
      show: (show) => run(arrange.show(show)),
      performance: (performance) => run(arrange.performance(performance)),
      admitted: (userId, queueId) => run(arrange.admitted(userId, queueId)),
      charged: (userId, amount) => run(arrange.charged(userId, amount)),
      hold: (hold) => run(arrange.hold(hold))
    }
  }
}

const instantOf = (what: string, given: Date | string | number): number => {
  const instant = new Date(given).getTime()
  if (!Number.isNaN(instant)) return instant
  throw new TypeError(`${what}: expected an instant such as 2030-01-01T20:00:00Z.`)
}

// Turns off the warning of a clock that is not moved: many tests are not about time.
const never: Duration.Input = Number.MAX_SAFE_INTEGER

/** A test clock that stands at an instant before the engine starts. */
const layerClockAt = (instant: number): Layer.Layer<TestClock.TestClock> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const context = yield* Layer.build(TestClock.layer({ warningDelay: never }))
      yield* Effect.provideContext(TestClock.setTime(instant), context)
      return context
    })
  )
