import { Instant } from "@boxoffice/core/schema"
import { Clock, Console, Effect, Option } from "effect"
import { Flag } from "effect/cli"

/** The instant at which a queue opens. */
export const opensAt = Flag.String("opens-at").pipe(
  Flag.withDescription(
    "When it opens; until then users join, but are not admitted: 2030-01-01T12:00:00+09:00"
  ),
  Flag.withSchema(Instant),
  Flag.optional
)

/**
 * Warns of an opening that has passed: the queue accepts one, since a set-up may run late, but a
 * mistyped year would open a sale at once.
 */
export const warnIfPast = (opensAt: Option.Option<Date>): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Option.isSome(opensAt) && opensAt.value.getTime() <= now
      ? Console.error(
          `Warning: ${opensAt.value.toISOString()} is in the past, so the queue opens at once.`
        )
      : Effect.void
  )
