import { Instant } from "@boxoffice/core/schema"
import { Flag } from "effect/cli"

/** When a queue opens. */
export const opensAt = Flag.String("opens-at").pipe(
  Flag.withDescription("Until then it collects people: 2030-01-01T12:00:00+09:00"),
  Flag.withSchema(Instant),
  Flag.optional
)
