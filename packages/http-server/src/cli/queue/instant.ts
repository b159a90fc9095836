import { Instant } from "@boxoffice/core/schema"
import { Flag } from "effect/cli"

/** The instant at which a queue opens. */
export const opensAt = Flag.String("opens-at").pipe(
  Flag.withDescription(
    "When it opens; until then users join, but are not admitted: 2030-01-01T12:00:00+09:00"
  ),
  Flag.withSchema(Instant),
  Flag.optional
)
