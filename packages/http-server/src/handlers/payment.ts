/** API 7: payments. */
import { Payments } from "@boxoffice/core"
import { Effect } from "effect"
import { PaymentApi } from "../api/payment.ts"
import { route } from "../http/route.ts"

export const paymentRoutes = Effect.gen(function* () {
  const payments = yield* Payments

  return [
    route(PaymentApi.endpoints.pay, ({ userId, queueToken, payload, idempotencyKey, onReplay }) =>
      payments.pay({ userId, queueToken, ...payload, idempotencyKey, onReplay })
    )
  ]
})
