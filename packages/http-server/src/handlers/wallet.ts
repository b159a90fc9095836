/** APIs 5 and 6: the prepaid balance. */
import { Wallet } from "@boxoffice/core"
import { Effect, Schema } from "effect"
import { WalletApi } from "../api/wallet.ts"
import { cursorOf, toCursor } from "../cursor.ts"
import { route } from "../route.ts"

const { charge, balance, entries } = WalletApi.endpoints
const entryCursor = cursorOf(Schema.Int)

export const walletRoutes = Effect.gen(function* () {
  const wallet = yield* Wallet

  return [
    route(charge, ({ userId, queueToken, payload: amount, idempotencyKey, onReplay }) =>
      wallet.charge({ userId, queueToken, amount, idempotencyKey, onReplay })
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
