/** What a database error means for a batch, and for its caller. */
import { StoreUnavailable } from "@boxoffice/core"
import { Effect } from "effect"
import { ConnectionError, SqlError } from "effect/sql/SqlError"

/** The server's SQLSTATE; undefined where the connection failed, which has codes of its own. */
export const sqlState = (error: SqlError): string | undefined =>
  error.reason._tag === "ConnectionError"
    ? undefined
    : (error.reason.cause as { readonly code?: string } | undefined)?.code

const constraint = (error: SqlError): string | undefined =>
  (error.reason.cause as { readonly constraint?: string } | undefined)?.constraint

/** Keys of which two nodes may insert the same: the second one sees the first's row next time. */
const sharedKeys = new Set([
  "queue_pkey",
  "queue_token_pkey",
  "queue_token_live_once",
  "wallet_pkey",
  "reservation_pkey",
  "transfer_pkey",
  "command_outcome_pkey"
])

/**
 * Whether running the batch again on fresh rows should help: the server asked for it (40001,
 * 40P01), another node was first, or a prepared statement was made for tables of before a
 * migration (0A000) or is gone (26000).
 */
export const isContention = (error: SqlError): boolean => {
  const state = sqlState(error)
  if (state === "23505") return sharedKeys.has(constraint(error) ?? "")
  return state === "40001" || state === "40P01" || state === "0A000" || state === "26000"
}

/** The key that is there already, by its constraint and its values; undefined of other errors. */
export const duplicateKey = (error: SqlError): string | undefined => {
  if (sqlState(error) !== "23505") return undefined
  const { detail } = error.reason.cause as { readonly detail?: string }
  return detail === undefined ? undefined : `${constraint(error)} ${detail}`
}

/**
 * Whether the session itself stands in the way, so that another one may do better: one that was
 * opened while the server was read-only, as during a failover, stays so.
 */
export const isPoisoned = (error: SqlError): boolean =>
  sqlState(error) === "25006" || isConnectionLost(error)

/** Ends a wait for the server: see {@link deadline}. */
export type WithDeadline = <A, E, R>(
  answer: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | SqlError, R>

/**
 * Ends the wait for a connection that has gone silent, as after a failover that moves an address. What
 * was sent may have been done, or not: that is found out on another connection.
 */
export const deadline =
  (milliseconds: number): WithDeadline =>
  (answer) =>
    Effect.timeoutOrElse(answer, {
      duration: milliseconds,
      orElse: () =>
        Effect.fail(
          new SqlError({
            reason: new ConnectionError({
              cause: new Error(`no answer within ${milliseconds / 1_000} s`),
              message: "The connection has gone silent"
            })
          })
        )
    })

/** Whether the connection went away, so that a statement that was sent may have run, or not. */
export const isConnectionLost = (error: SqlError): boolean =>
  // 57P: the server is being shut down, and closes the connection by itself.
  error.reason._tag === "ConnectionError" || (sqlState(error)?.startsWith("57P") ?? false)

/** No memory or connections left; a lock, statement or transaction timed out; a standby. */
const passing = /^(53|55P03|57014|25006|25P03|25P04)/

export const unavailable = (error: SqlError): StoreUnavailable =>
  new StoreUnavailable({
    retryable:
      isConnectionLost(error) || isContention(error) || passing.test(sqlState(error) ?? ""),
    cause: error,
    // A lock, or a statement behind one, was waited for in vain.
    ...(sqlState(error) === "55P03" ? { isBusy: true } : {})
  })

/** Whether a row with that key is there already. */
export const isDuplicate = (error: SqlError): boolean => sqlState(error) === "23505"

/** Whether what the row refers to is not there. */
export const isOrphan = (error: SqlError): boolean => sqlState(error) === "23503"
