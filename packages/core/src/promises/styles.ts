/** All operations, in both styles. */
import type { HostTransactionError } from "../HostTransaction.ts"
import type { CatalogResults, PromisedCatalog } from "./catalog.ts"
import type { Outcome } from "./outcome.ts"
import type { PaymentResults, PromisedPayments } from "./payments.ts"
import type { PromisedQueue, QueueResults } from "./queue.ts"
import type { PromisedReservations, ReservationResults } from "./reservations.ts"
import type { PromisedWallet, WalletResults } from "./wallet.ts"

/** The operations that reject with their errors. */
export interface PromisedOperations {
  /** Queues and queue tokens. */
  readonly queue: PromisedQueue
  /** Shows, performances and seats. */
  readonly catalog: PromisedCatalog
  /** Holds and reservations. */
  readonly reservations: PromisedReservations
  /** Users' prepaid balances. */
  readonly wallet: PromisedWallet
  /** Payments and refunds. */
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

/** The operations with the errors that the host's transaction adds. */
type Within<Operations> = {
  readonly [Name in keyof Operations]: Operations[Name] extends (
    ...args: infer Args
  ) => Promise<Outcome<infer A, infer E>>
    ? (...args: Args) => Promise<Outcome<A, E | HostTransactionError>>
    : Operations[Name]
}

/** The operations inside a host's transaction, in both styles. */
export interface OperationsWithin extends PromisedOperations {
  readonly results: {
    readonly [Name in keyof BoxOfficeResults]: Within<BoxOfficeResults[Name]>
  }
}
