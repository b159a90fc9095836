/** Types of payments and refunds. */
import { Schema } from "effect"
import { ReservationId, TransferId } from "../Ids.ts"
import { Instant } from "../Instant.ts"
import { Money } from "../Money.ts"

/** The result of a payment. */
export const Payment = Schema.Struct({
  paymentId: TransferId,
  reservationId: ReservationId,
  amount: Money,
  /** The balance of the wallet after the payment. */
  balance: Money,
  paidAt: Instant
}).annotate({ identifier: "Payment" })
export interface Payment extends Schema.Schema.Type<typeof Payment> {}

/** The result of a refund: the reservation is cancelled, its seats are free again. */
export const Refund = Schema.Struct({
  refundId: TransferId,
  paymentId: TransferId,
  reservationId: ReservationId,
  amount: Money,
  balance: Money,
  refundedAt: Instant
}).annotate({ identifier: "Refund" })
export interface Refund extends Schema.Schema.Type<typeof Refund> {}
