/** Money is a whole number of minor units (cents, won) in one currency. Never a float. */
import { Schema, SchemaGetter } from "effect"

/** An ISO 4217 code: three capital letters, such as `KRW`. */
export const Currency = Schema.String.check(Schema.isPattern(/^[A-Z]{3}$/)).annotate({
  title: "Currency",
  description: "ISO 4217 code"
})
export type Currency = typeof Currency.Type

/**
 * Minor units. A `bigint` in the engine, an integer within ±(2^53−1) in JSON.
 */
export const Amount = Schema.Int.annotate({ description: "Minor units" }).pipe(
  Schema.decodeTo(Schema.BigInt, {
    decode: SchemaGetter.transform((n: number) => BigInt(n)),
    encode: SchemaGetter.transform((n: bigint) => Number(n))
  })
)

/** An amount of one currency: `{ amount: 110000n, currency: "KRW" }`. */
export const Money = Schema.Struct({ amount: Amount, currency: Currency }).annotate({
  identifier: "Money"
})
export interface Money {
  readonly amount: bigint
  readonly currency: Currency
}

/** The most that Postgres' `bigint`, and so a balance, can hold. */
export const maxAmount = 2n ** 63n - 1n
