/**
 * A transaction that the host opened, and that the engine works in for a while.
 *
 * What a command does there is the host's to commit or to roll back. So a command travels alone and
 * at once, is tried once, and reads what the host itself would read; nothing that this node shares
 * is read or filled, and nobody hears of a change before the host's commit.
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
   * Runs an effect once the host has committed, and never where it rolls back. Where nothing tells
   * that it did, the effect is dropped.
   */
  readonly afterCommit: (effect: Effect.Effect<void>) => Effect.Effect<void>
}

/** The host's transaction that an effect runs in; `undefined` where it runs in none. */
export const HostTransaction = Context.Reference<HostTransaction | undefined>(
  "@boxoffice/core/HostTransaction",
  { defaultValue: () => undefined }
)

/**
 * What was handed over as a transaction cannot be worked in. Nothing was done.
 *
 * - `none`: no transaction is open; a pool was given, or a client before its `BEGIN`
 * - `aborted`: a statement failed before, and the server refuses all others until the rollback
 * - `readOnly`: the transaction may not write
 * - `unguarded`: `session_replication_role` is `replica`, so that no rule of the schema is checked
 * - `encoding`: `client_encoding` is not `UTF8`, so that names would be garbled on their way
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
 * Somebody else changed the same rows meanwhile, and the transaction's isolation lets it neither
 * wait nor look again; or they waited for each other. What this command did is undone, and it is
 * not tried again. Remedy: roll back, and run the whole transaction again.
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
 * Runs an effect inside the host's transaction: see the module.
 *
 * A store says by the cause of `StoreUnavailable` that it was the transaction's fault; here that
 * becomes the error itself.
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
 * @internal Throws a `TypeError` where what was given is no transaction: without one, what was meant to be
 * rolled back with the host's rows would be committed by itself.
 */
export const checkTransaction = (given: unknown): void => {
  const { store, afterCommit } = (given ?? {}) as Partial<HostTransaction>
  if (typeof store === "object" && store !== null && typeof afterCommit === "function") return
  throw new TypeError(
    `within: expected a transaction, such as \`transaction\` of Host.transactionOf(client) in @boxoffice/sql-store, not ${kindOf(given)}.`
  )
}

/** @internal */
export const transactionsFault = <E>(error: E): E | HostTransactionError =>
  error instanceof StoreUnavailable &&
  (error.cause instanceof HostTransactionRefused || error.cause instanceof HostTransactionConflict)
    ? error.cause
    : error

/** @internal Runs an effect now or, inside a host's transaction, once that is committed. */
export const afterCommit = (effect: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMap(HostTransaction, (transaction) =>
    transaction === undefined ? effect : transaction.afterCommit(effect)
  )

type Store = BoxOfficeStore["Service"]

/** @internal The store that is asked inside a host's transaction, and elsewhere the one given. */
export const hostAware = (store: Store): Store => {
  const asked = <A, E>(ask: (store: Store) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.withFiber((fiber) => ask(fiber.getRef(HostTransaction)?.store ?? store))
  const inside = Object.keys(store).map((name) => {
    const operation = store[name as keyof Store]
    if (Effect.isEffect(operation)) return [name, asked((store) => store[name as "ping"])]
    // What is no operation, such as how to read what was committed, is the same everywhere.
    if (typeof operation !== "function") return [name, operation]
    type Operation = (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown>
    return [
      name,
      (...args: ReadonlyArray<unknown>) =>
        asked((store) => (store[name as keyof Store] as unknown as Operation)(...args))
    ]
  })
  return Object.fromEntries(inside) as Store
}
