/** The prepaid balance: APIs 5 and 6. */
import { Balance, Charge, Currency, WalletEntry } from "@boxoffice/core/schema"
import { Schema, SchemaGetter } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import {
  bodyFaults,
  created,
  faults,
  gate,
  idempotency,
  page,
  pageOf,
  queueToken,
  requiredIdempotencyKey,
  tokenOfCharge
} from "./common.ts"
import { Identity } from "./identity.ts"
import { errors } from "./problem.ts"

/** The amount to charge, above zero. */
export const NewCharge = Schema.Struct({
  amount: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
    .annotate({ description: "Minor units, such as won or cents" })
    .pipe(
      Schema.decodeTo(Schema.BigInt, {
        decode: SchemaGetter.transform((amount: number) => BigInt(amount)),
        encode: SchemaGetter.transform((amount: bigint) => Number(amount))
      })
    ),
  currency: Currency
}).annotate({ identifier: "NewCharge" })

export const WalletApi = HttpApiGroup.make("wallet")
  .add(
    HttpApiEndpoint.post("charge", "/v1/wallet/charges", {
      headers: { ...tokenOfCharge, ...requiredIdempotencyKey },
      payload: NewCharge,
      success: Charge.pipe(created),
      error: [
        ...errors("IdempotencyKeyRequired", "ChargeNotAllowed"),
        ...gate,
        ...errors("LimitExceeded", "CurrencyMismatch"),
        ...idempotency,
        ...bodyFaults,
        ...faults
      ]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Charge the wallet",
        description:
          "The operator configures which callers may charge: each user for themselves, or only the " +
          "operator's own services, which send the admin token or the service token and name the user " +
          "as X-User-Id."
      })
    ),
    HttpApiEndpoint.get("balance", "/v1/wallet", {
      headers: queueToken,
      success: Balance,
      error: [...gate, ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get the balance",
        description: "A user who never charged has 0."
      })
    ),
    HttpApiEndpoint.get("entries", "/v1/wallet/entries", {
      query: page,
      success: pageOf(WalletEntry),
      error: faults
    }).annotateMerge(OpenApi.annotations({ summary: "List the wallet's entries, newest first" }))
  )
  .middleware(Identity)
  .annotateMerge(OpenApi.annotations({ title: "Wallet", description: "The prepaid balance" }))
