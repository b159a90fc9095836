/** Instants as people and programs write them: RFC 3339, and nothing that is open to a guess. */
import { Effect, Schema, SchemaGetter } from "effect"

const form = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-](\d\d):(\d\d))$/

/** What is wrong with a text as an instant; `undefined` where nothing is. */
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
 * An instant: a `Date` in the engine, RFC 3339 with an offset in JSON (`2030-01-01T19:30:00+09:00`).
 * Read strictly, since a time without an offset means another instant on each machine; written in
 * UTC.
 */
export const Instant = Schema.String.annotate({ format: "date-time" }).pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.checkEffect((text: string) => Effect.succeed(instantProblem(text))),
    encode: SchemaGetter.passthrough()
  }),
  Schema.decodeTo(Schema.Date, {
    decode: SchemaGetter.Date(),
    encode: SchemaGetter.transform((at: Date) =>
      // A store may hold what JSON has no text for, such as `infinity`: that is told, not thrown.
      Number.isNaN(at.getTime()) ? String(at) : at.toISOString()
    )
  })
)

// What RFC 3339 has a text for, and so whatever passes it on; Postgres can hold more.
const earliest = new Date("0001-01-01T00:00:00.000Z")
const latest = new Date("9999-12-31T23:59:59.999Z")

/** An instant that somebody gives: within the years 1 to 9999 of UTC. */
export const GivenInstant = Schema.Date.check(
  Schema.isBetweenDate(
    { minimum: earliest, maximum: latest },
    { message: "Expected an instant of the years 0001 to 9999, in UTC" }
  )
)

/** Milliseconds since 1970 of such an instant, as a cursor has them. */
export const Milliseconds = Schema.Int.check(
  Schema.isBetween({ minimum: earliest.getTime(), maximum: latest.getTime() })
)
