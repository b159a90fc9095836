/**
 * A transaction that the host opened, and that the engine runs commands in.
 *
 * The host decides whether to commit or to roll back. So a command inside it:
 * - runs at once, in a batch of its own, and is not retried;
 * - reads what the host itself would read in the transaction;
 * - neither reads nor fills what the node shares between calls (caches and snapshots);
 * - announces its events only after the host's commit.
 */
import { Context, Effect, Schema } from "effect"
import type { BoxOfficeStore } from "./BoxOfficeStore.ts"
import { StoreUnavailable } from "./Errors.ts"
import { TaggedError } from "./engine/TaggedError.ts"
import { kindOf } from "./options.ts"

export interface HostTransaction {
  /** The store, inside the transaction. */
  readonly store: BoxOfficeStore["Service"]
  /**
   * Runs an effect once the host has committed, and never if it rolls back. If the store cannot
   * learn of the commit, it drops the effect.
   */
  readonly afterCommit: (effect: Effect.Effect<void>) => Effect.Effect<void>
}

/** The host's transaction that an effect runs in; `undefined` if it runs in none. */
export const HostTransaction = Context.Reference<HostTransaction | undefined>(
  "@boxoffice/core/HostTransaction",
  { defaultValue: () => undefined }
)

/**
 * The engine cannot work in the transaction that the host gave. Nothing was done.
 *
 * - `none`: no transaction is open; the host gave a pool, or a client before its `BEGIN`
 * - `aborted`: an earlier statement failed, and the server refuses all others until the rollback
 * - `readOnly`: the transaction may not write
 * - `unguarded`: `session_replication_role` is `replica`, so the database checks no rule of the
 *   schema
 * - `encoding`: `client_encoding` is not `UTF8`, so names would be garbled on the way
 */
export class HostTransactionRefused extends TaggedError<HostTransactionRefused>()(
  "HostTransactionRefused",
  {
    reason: Schema.Literals(["none", "aborted", "readOnly", "unguarded", "encoding"]),
    cause: Schema.Defect()
  }
) {
  readonly code = "host_transaction_refused"
  override get message() {
    return refusals[this.reason]
  }
}

const refusals = {
  none: "No transaction is open: give the client that your BEGIN ran on, not a pool.",
  aborted: "The transaction has failed before: roll it back, and run it again.",
  readOnly: "The transaction is read-only: begin it as READ WRITE.",
  unguarded:
    "session_replication_role is replica, which turns off what guards seats and money: set it to origin.",
  encoding: "client_encoding is not UTF8, the only one that names come through in: set it to UTF8."
}

/**
 * Another transaction changed the same rows, and the isolation level of this one does not allow it
 * to read them again; or the two transactions deadlocked. The command's changes are undone, and the
 * engine does not retry it. Remedy: roll back, and run the whole transaction again.
 */
export class HostTransactionConflict extends TaggedError<HostTransactionConflict>()(
  "HostTransactionConflict",
  { cause: Schema.Defect() }
) {
  readonly code = "host_transaction_conflict"
  override get message() {
    return "Another transaction was first: roll this one back, and run it again."
  }
}

export type HostTransactionError = HostTransactionRefused | HostTransactionConflict

/**
 * Runs an effect inside the host's transaction. Throws a `TypeError` if the argument is no
 * transaction.
 *
 * A store reports a fault of the transaction as the cause of `StoreUnavailable`; this makes that
 * cause the error: `HostTransactionRefused` or `HostTransactionConflict`.
 */
export const within = (transaction: HostTransaction) => {
  checkTransaction(transaction)
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | HostTransactionError, R> =>
    effect.pipe(
      Effect.mapError(transactionsFault),
      Effect.provideService(HostTransaction, transaction)
    )
}

/**
 * @internal Throws a `TypeError` if the argument is no transaction. Without this check, the engine would
 * commit by itself what the host means to commit or roll back together with its own rows.
 */
export const checkTransaction = (given: unknown): void => {
  const { store, afterCommit } = (given ?? {}) as Partial<HostTransaction>
  if (typeof store === "object" && store !== null && typeof afterCommit === "function") return
  throw new TypeError(
    `within: expected a transaction, such as \`transaction\` of Host.transactionOf(client) in @boxoffice/sql-store, not ${kindOf(given)}.`
  )
}

/** @internal The transaction's fault in the cause of `StoreUnavailable`, if there is one. */
export const transactionsFault = <E>(error: E): E | HostTransactionError =>
  error instanceof StoreUnavailable &&
  (error.cause instanceof HostTransactionRefused || error.cause instanceof HostTransactionConflict)
    ? error.cause
    : error

/** @internal Runs an effect now or, inside a host's transaction, after the host's commit. */
export const afterCommit = (effect: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMap(HostTransaction, (transaction) =>
    transaction === undefined ? effect : transaction.afterCommit(effect)
  )

type Store = BoxOfficeStore["Service"]

/**
 * @internal A store whose operations run on the store of the host's transaction if they are inside one,
 * and else on the given store.
 */
export const hostAware = (store: Store): Store => {
  const onCurrent = <A, E>(run: (store: Store) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.withFiber((fiber) => run(fiber.getRef(HostTransaction)?.store ?? store))
  const operations = Object.keys(store).map((name) => {
    const operation = store[name as keyof Store]
    if (Effect.isEffect(operation)) return [name, onCurrent((store) => store[name as "ping"])]
    // The outbox and the deliveries are no operations: they are the same inside and outside.
    if (typeof operation !== "function") return [name, operation]
    type Operation = (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown>
    return [
      name,
      (...args: ReadonlyArray<unknown>) =>
        onCurrent((store) => (store[name as keyof Store] as unknown as Operation)(...args))
    ]
  })
  return Object.fromEntries(operations) as Store
}
