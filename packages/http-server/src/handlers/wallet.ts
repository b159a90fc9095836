/** APIs 5 and 6: the prepaid wallet. */
import { Wallet } from "@boxoffice/core"
import { Effect, Schema } from "effect"
import { WalletApi } from "../api/wallet.ts"
import { allowCharge, type ChargesOption } from "../http/charges.ts"
import { pagesOf } from "../http/pageCursor.ts"
import { route } from "../http/route.ts"

const { charge, balance, entries } = WalletApi.endpoints
const entryPages = pagesOf(Schema.Int)

export const walletRoutes = Effect.fnUntraced(function* (charges: ChargesOption) {
  const wallet = yield* Wallet

  return [
    route(
      charge,
      ({ userId, queueToken, payload: amount, idempotencyKey, onReplay, headers, isService }) =>
        Effect.andThen(
          allowCharge(charges, { userId, ...amount, headers }, isService),
          wallet.charge({
            userId,
            queueToken,
            amount,
            idempotencyKey,
            onReplay,
            byOperator: isService
          })
        ),
      { forServices: charges === "operator" }
    ),

    route(balance, ({ userId, queueToken }) => wallet.balance({ userId, queueToken })),

    route(entries, ({ userId, query }) =>
      entryPages(query, (page) => wallet.entries({ userId, ...page }))
    )
  ]
})
