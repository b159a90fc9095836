/** Instants as text: RFC 3339 with an offset. Ambiguous forms are refused. */
import { Effect, Schema, SchemaGetter } from "effect"

const form = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-](\d\d):(\d\d))$/

/** The problem with a text as an instant; `undefined` if there is none. */
const instantProblem = (text: string): string | undefined => {
  const parts = form.exec(text)
  if (parts === null) {
    return "expected an instant with its offset, such as 2030-01-01T19:30:00+09:00"
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ...offset] = parts
    .slice(1)
    .map((part) => Number(part ?? 0))
  const days = new Date(Date.UTC(2_000 + (year % 400), month, 0)).getUTCDate()
  const exists = month >= 1 && month <= 12 && day >= 1 && day <= days
  const isTime = hour <= 23 && minute <= 59 && second <= 59
  const isOffset = (offset[0] ?? 0) <= 23 && (offset[1] ?? 0) <= 59
  if (!exists || !isTime || !isOffset) return "expected a date and a time that exist"
  return year === 0 ? "expected a year from 0001 to 9999" : undefined
}

/**
 * An instant: a `Date` in the engine, RFC 3339 with an offset in JSON
 * (`2030-01-01T19:30:00+09:00`). Decoding is strict, since a time without an offset means another
 * instant on each machine. Encoding writes UTC.
 */
export const Instant = Schema.String.annotate({ format: "date-time" }).pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.checkEffect((text: string) => Effect.succeed(instantProblem(text))),
    encode: SchemaGetter.passthrough()
  }),
  Schema.decodeTo(Schema.Date, {
    decode: SchemaGetter.Date(),
    encode: SchemaGetter.transform((at: Date) =>
      // A store may have an instant without a text form, such as `infinity`. Encoding must not
      // throw.
      Number.isNaN(at.getTime()) ? String(at) : at.toISOString()
    )
  })
)

// The range of RFC 3339, so that every instant has a text. Postgres could store a wider one.
const earliest = new Date("0001-01-01T00:00:00.000Z")
const latest = new Date("9999-12-31T23:59:59.999Z")

/** An instant in the input of a call: within the years 1 to 9999 of UTC. */
export const GivenInstant = Schema.Date.check(
  Schema.isBetweenDate(
    { minimum: earliest, maximum: latest },
    { message: "Expected an instant of the years 0001 to 9999, in UTC" }
  )
)

/** Milliseconds since 1970 of such an instant, as used in a cursor. */
export const Milliseconds = Schema.Int.check(
  Schema.isBetween({ minimum: earliest.getTime(), maximum: latest.getTime() })
)
