/** What a database error means for a batch and for its caller. */
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

/**
 * Keys that two nodes may insert at once: on the next attempt, the second node sees the first one's
 * row.
 */
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

/** Keys that a command inserts under its own id. */
const keysOfCommands = new Set([
  "queue_token_pkey",
  "reservation_pkey",
  "reservation_payment_once",
  "transfer_pkey"
])

/** Whether the row that a command inserts exists already. */
export const isCommandsOwnKey = (error: SqlError): boolean =>
  sqlState(error) === "23505" && keysOfCommands.has(constraint(error) ?? "")

/**
 * Whether running the batch again on fresh rows can help: the server asked for it (40001, 40P01),
 * another node was first, or a prepared statement is older than a migration (0A000) or gone
 * (26000).
 */
export const isContention = (error: SqlError): boolean => {
  const state = sqlState(error)
  if (state === "23505") return sharedKeys.has(constraint(error) ?? "")
  return state === "40001" || state === "40P01" || state === "0A000" || state === "26000"
}

/** The duplicate key, by its constraint and its values; undefined for other errors. */
export const duplicateKey = (error: SqlError): string | undefined => {
  if (sqlState(error) !== "23505") return undefined
  const { detail } = error.reason.cause as { readonly detail?: string }
  return detail === undefined ? undefined : `${constraint(error)} ${detail}`
}

/**
 * Whether the session itself is the problem, so that another one may work: a session opened while
 * the server was read-only, as during a failover, stays read-only.
 */
export const isPoisoned = (error: SqlError): boolean =>
  sqlState(error) === "25006" || isConnectionLost(error)

/** Puts a time limit on a wait for the server: see {@link deadline}. */
export type WithDeadline = <A, E, R>(
  answer: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | SqlError, R>

/**
 * Ends the wait for a connection that has gone silent, as after a failover that moves an address.
 * Its statements may have run; the store finds that out on another connection.
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

/** Whether the connection was lost, so that a statement that was sent may have run. */
export const isConnectionLost = (error: SqlError): boolean =>
  // 57P: the server shuts down and closes the connection itself.
  error.reason._tag === "ConnectionError" || (sqlState(error)?.startsWith("57P") ?? false)

/**
 * SQLSTATEs of failures that may pass: the network or the machine has failed; memory or connections
 * have run out; a lock, statement or transaction timed out; the server is a standby. Any other
 * error would come again: data that the server cannot store (22), a rule of the schema (23), a
 * missing right or table (42).
 */
const passing = /^(08|53|58|55P03|57014|25006|25P03|25P04)/

export const unavailable = (error: SqlError): StoreUnavailable =>
  new StoreUnavailable({
    retryable:
      isConnectionLost(error) || isContention(error) || passing.test(sqlState(error) ?? ""),
    cause: error,
    // The wait for one lock timed out, or a statement, which may have waited for several.
    ...(sqlState(error) === "55P03" ? { isBusy: true } : {}),
    ...(sqlState(error) === "57014" ? { isSlow: true } : {})
  })
