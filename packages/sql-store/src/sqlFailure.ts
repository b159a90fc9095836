/** What a database error means for a batch and for its caller. */
import { StoreUnavailable } from "@boxoffice/core"
import { isContentionState, isKeyOfCommand, isPassingState, waitOf } from "@boxoffice/core/store"
import { Effect } from "effect"
import { ConnectionError, SqlError } from "effect/sql/SqlError"

/** The server's SQLSTATE; undefined where the connection failed, which has codes of its own. */
export const sqlState = (error: SqlError): string | undefined =>
  error.reason._tag === "ConnectionError"
    ? undefined
    : (error.reason.cause as { readonly code?: string } | undefined)?.code

const constraint = (error: SqlError): string | undefined =>
  (error.reason.cause as { readonly constraint?: string } | undefined)?.constraint

/** Whether the row that a command inserts exists already. */
export const isCommandsOwnKey = (error: SqlError): boolean =>
  sqlState(error) === "23505" && isKeyOfCommand(constraint(error) ?? "")

/** Whether running the batch again on fresh rows can help. */
export const isContention = (error: SqlError): boolean =>
  isContentionState(sqlState(error), constraint(error))

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
    // Guard answer-deadline: with "Effect.timeoutOrElse(answer, { duration: Infinity" for "Effect…milliseconds", outage.test "go silent" fails.
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

export const unavailable = (error: SqlError): StoreUnavailable =>
  new StoreUnavailable({
    retryable:
      isConnectionLost(error) || isContention(error) || isPassingState(sqlState(error) ?? ""),
    cause: error,
    ...waitOf(sqlState(error))
  })
