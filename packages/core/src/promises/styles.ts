/** All operations, in both styles. */
import type { CatalogResults, PromisedCatalog } from "./catalog.ts"
import type { PaymentResults, PromisedPayments } from "./payments.ts"
import type { PromisedQueue, QueueResults } from "./queue.ts"
import type { PromisedReservations, ReservationResults } from "./reservations.ts"
import type { PromisedWallet, WalletResults } from "./wallet.ts"

/** The operations that throw. */
export interface PromisedOperations {
  /** The waiting room. */
  readonly queue: PromisedQueue
  /** What is on sale. */
  readonly catalog: PromisedCatalog
  /** Holding seats. */
  readonly reservations: PromisedReservations
  /** Users' money. */
  readonly wallet: PromisedWallet
  /** Paying and refunding. */
  readonly payments: PromisedPayments
}

/** The same operations, with their errors as values: a `switch` can exhaust them. */
export interface BoxOfficeResults {
  readonly queue: QueueResults
  readonly catalog: CatalogResults
  readonly reservations: ReservationResults
  readonly wallet: WalletResults
  readonly payments: PaymentResults
}
