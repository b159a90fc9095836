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
  "show_pkey",
  "performance_pkey",
  "seat_pkey",
  "queue_token_pkey",
  "queue_token_live_once",
  "wallet_pkey",
  "reservation_pkey",
  "reservation_payment_once",
  "transfer_pkey",
  "command_outcome_pkey"
])

/** Those that a command adds under its own id. */
const keysOfCommands = new Set([
  "queue_token_pkey",
  "reservation_pkey",
  "reservation_payment_once",
  "transfer_pkey"
])

/** Whether what a command would add is there already. */
export const isCommandsOwnKey = (error: SqlError): boolean =>
  sqlState(error) === "23505" && keysOfCommands.has(constraint(error) ?? "")

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

/**
 * The way to the server, or the machine under it, has failed; no memory or connections left; a lock,
 * statement or transaction timed out; a standby. Whatever else a server says, it says again: data
 * that it cannot hold (22), a rule of the schema (23), a right or a table that is not there (42).
 */
const passing = /^(08|53|58|55P03|57014|25006|25P03|25P04)/

export const unavailable = (error: SqlError): StoreUnavailable =>
  new StoreUnavailable({
    retryable:
      isConnectionLost(error) || isContention(error) || passing.test(sqlState(error) ?? ""),
    cause: error,
    // A lock, or a statement behind one, was waited for in vain.
    ...(sqlState(error) === "55P03" ? { isBusy: true } : {})
  })
