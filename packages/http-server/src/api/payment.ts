/** Payments: API 7. */
import { Payment } from "@boxoffice/core/schema"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import {
  bodyFaults,
  created,
  faults,
  gate,
  idempotency,
  Name,
  queueToken,
  requiredIdempotencyKey
} from "./common.ts"
import { Identity } from "./identity.ts"
import { errors } from "./problem.ts"

/** The reservation to pay for. */
export const NewPayment = Schema.Struct({ reservationId: Name }).annotate({
  identifier: "NewPayment"
})

export const PaymentApi = HttpApiGroup.make("payments")
  .add(
    HttpApiEndpoint.post("pay", "/v1/payments", {
      headers: { ...queueToken, ...requiredIdempotencyKey },
      payload: NewPayment,
      success: Payment.pipe(created),
      error: [
        ...errors("IdempotencyKeyRequired"),
        ...gate,
        ...errors(
          "ReservationNotFound",
          "ReservationNotPayable",
          "HoldExpired",
          "InsufficientBalance",
          "CurrencyMismatch"
        ),
        ...idempotency,
        ...bodyFaults,
        ...faults
      ]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Pay for a reservation",
        description:
          "Confirms the reservation, debits the wallet, and completes the queue token, which frees its " +
          "admission, in one transaction."
      })
    )
  )
  .middleware(Identity)
  .annotateMerge(
    OpenApi.annotations({ title: "Payments", description: "Payments for reservations" })
  )
