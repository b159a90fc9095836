import { Schema, SchemaGetter } from "effect"
import { Flag } from "effect/cli"

// With its offset: what "noon" means where the command runs is nobody's business.
const text = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/

const Instant = Schema.String.check(
  Schema.makeFilter((written) =>
    text.test(written) && !Number.isNaN(Date.parse(written))
      ? undefined
      : "Expected an instant with its offset, such as 2030-01-01T12:00:00+09:00"
  )
).pipe(Schema.decodeTo(Schema.Date, { decode: SchemaGetter.Date(), encode: SchemaGetter.String() }))

/** When a queue opens. */
export const opensAt = Flag.String("opens-at").pipe(
  Flag.withDescription("Until then it collects people: 2030-01-01T12:00:00+09:00"),
  Flag.withSchema(Instant),
  Flag.optional
)
