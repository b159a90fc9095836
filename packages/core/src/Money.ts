/** Money is a whole number of minor units (cents, won) in one currency. Never a float. */
import { Schema, SchemaGetter } from "effect"

/** An ISO 4217 code: three capital letters, such as `KRW`. */
export const Currency = Schema.String.check(
  Schema.isPattern(/^[A-Z]{3}$/, { expected: "a currency of three capital letters, such as EUR" })
).annotate({
  title: "Currency",
  description: "ISO 4217 code"
})
export type Currency = typeof Currency.Type

// The codes of ISO 4217 that are in use, of list one as published by SIX on 1 January 2026, without
// those of precious metals, testing and "no currency".
const isoCodes = new Set(
  (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN " +
    "BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR " +
    "FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY " +
    "KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU " +
    "MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON " +
    "RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP " +
    "TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XCD XCG XOF XPF " +
    "YER ZAR ZMW ZWG"
  ).split(" ")
)

/** A currency for new money. Stored money may be in a currency that has been withdrawn since. */
export const KnownCurrency = Currency.check(
  Schema.makeFilter(
    (code) => isoCodes.has(code) || `expected a currency of ISO 4217, such as EUR, not ${code}`
  )
)

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

/** The most minor units that JSON carries exactly. */
export const amountMaxInJson = 2n ** 53n - 1n

/**
 * An amount of one currency, as in all results of the engine: `JSON.stringify` writes it as the
 * HTTP API does, `{"amount":110000,"currency":"KRW"}`. It is frozen, and otherwise like an object
 * literal: its `toJSON` is not enumerable.
 */
export const money = (amount: bigint, currency: Currency): Money => {
  // Defining the method takes thirty times as long as an object literal. Seats of one price often
  // follow each other, so the last object is reused.
  if (newest.amount === amount && newest.currency === currency) return newest
  newest = Object.freeze(withJson({ amount, currency }))
  return newest
}

/** @internal A copy that is not frozen, for a policy, which may change its input. */
export const copyMoney = ({ amount, currency }: Money): Money => withJson({ amount, currency })

// JSON has no bigint, and `JSON.stringify` throws for one.
const withJson = (value: Money): Money => Object.defineProperty(value, "toJSON", { value: toJSON })

function toJSON(this: Money): unknown {
  return { amount: bigintInJson(this.amount), currency: this.currency }
}

let newest: Money = Object.freeze({ amount: 0n, currency: "" })

/**
 * @internal A bigint in JSON for people and other programs: a number, or a string if no JSON number is
 * exact.
 */
export const bigintInJson = (value: bigint): number | string =>
  value >= -amountMaxInJson && value <= amountMaxInJson ? Number(value) : value.toString()

/** The most that Postgres' `bigint`, and so a balance, can hold. */
export const maxAmount = 2n ** 63n - 1n
