/** Work that a node repeats without a request, such as sweeping. No failure ends it. */
import { Duration, Effect, Metric } from "effect"

const failures = (loop: string) =>
  Metric.withAttributes(
    Metric.counter("boxoffice_background_failures", {
      description: "Rounds of background work that failed and were tried again",
      incremental: true
    }),
    { loop }
  )

const longestWait = Duration.minutes(1)

/**
 * Runs `work`, and again after a while, until the fiber is interrupted.
 *
 * Neither a failure ends the loop nor a defect, such as an exception in a function of the host. The
 * loop logs and counts the round, and doubles the pause before the next one, up to a minute.
 */
export const runInBackground = <E, R>(
  loop: string,
  every: Duration.Input,
  work: Effect.Effect<unknown, E, R>
): Effect.Effect<never, never, R> => {
  const pause = Duration.fromInputUnsafe(every)
  const least = Duration.max(pause, Duration.millis(100))
  return Effect.gen(function* () {
    let failed = 0
    for (;;) {
      const cause = yield* Effect.match(Effect.sandbox(work), {
        onFailure: (cause) => cause,
        onSuccess: () => undefined
      })
      failed = cause === undefined ? 0 : failed + 1
      if (cause === undefined) {
        yield* Effect.sleep(pause)
        continue
      }
      yield* Metric.update(failures(loop), 1)
      // The cause itself: the JSON of an error leaves out what the database said.
      yield* Effect.logWarning(`${loop} failed, and goes on`, cause)
      yield* Effect.sleep(Duration.min(longestWait, Duration.times(least, 2 ** (failed - 1))))
    }
  })
}
