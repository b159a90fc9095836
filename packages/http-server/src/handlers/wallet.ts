/** APIs 5 and 6: the prepaid wallet. */
import { Wallet } from "@boxoffice/core"
import { Effect, Schema } from "effect"
import { WalletApi } from "../api/wallet.ts"
import { allowCharge, type ChargesOption } from "../http/charges.ts"
import { cursorOf, toCursor } from "../http/pageCursor.ts"
import { route } from "../http/route.ts"

const { charge, balance, entries } = WalletApi.endpoints
const entryCursor = cursorOf(Schema.Int)

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
      Effect.gen(function* () {
        const after = yield* entryCursor(query.cursor)
        const { items, next } = yield* wallet.entries({ userId, limit: query.limit, after })
        return { items, nextCursor: toCursor(next) }
      })
    )
  ]
})
