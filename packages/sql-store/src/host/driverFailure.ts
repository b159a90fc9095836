/** What went wrong in a host's driver, as every driver hides it somewhere else. */
import { getSystemErrorMap } from "node:util"
import { HostTransactionConflict, HostTransactionRefused, StoreUnavailable } from "@boxoffice/core"
import { ConnectionError, isSqlError, SqlError, UnknownError } from "effect/sql/SqlError"
import type { ClockReading } from "../batch/load/clock.ts"
import { isCommandsOwnKey, isContention, sqlState, unavailable } from "../sqlFailure.ts"

interface ServerError {
  readonly code: string
  readonly constraint: string | undefined
  /** Names the values of a key that is there already. */
  readonly detail: string | undefined
}

// Where drivers and ORMs keep the error that they wrap.
const inner = ["cause", "driverError", "reason", "meta", "driverAdapterError"] as const
const depthMax = 6

const socketCodes = new Set(Array.from(getSystemErrorMap().values(), ([name]) => name))

/** The server's own error, from the innermost out: what wraps it can have a code of its own. */
const serverErrorOf = (error: unknown, depth = 0): ServerError | undefined => {
  if (typeof error !== "object" || error === null || depth > depthMax) return undefined
  const fields = error as Readonly<Record<string, unknown>>
  for (const name of inner) {
    const found = serverErrorOf(fields[name], depth + 1)
    if (found !== undefined) return found
  }
  const code = fields.originalCode ?? fields.code
  if (typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code)) return undefined
  // What the socket says looks the same (`EPIPE`): the statement may have run. So does a Prisma code,
  // which comes with the client's version.
  if (socketCodes.has(code) || "syscall" in fields || "clientVersion" in fields) return undefined
  const constraint = fields.constraint ?? fields.constraint_name
  const detail = typeof fields.detail === "string" ? fields.detail : undefined
  if (typeof constraint === "string") return { code, constraint, detail }
  const message = `${fields.originalMessage ?? fields.message ?? ""}`
  return { code, constraint: message.match(/"(\w+)"/)?.[1], detail }
}

/**
 * A `TypeError` is a mistake in what the host gave, as a rule. But postgres.js fails with one where a
 * server said goodbye between two statements, and adds the query to it: whether that ran is not known.
 */
const isOfPostgresJs = (error: object): boolean => "query" in error && "args" in error

/** As the store's own driver would have told it. */
export const sqlErrorOf = (error: unknown): SqlError => {
  if (isSqlError(error)) return error
  const server = serverErrorOf(error)
  const cause = server === undefined ? error : { ...server, error }
  const isMistake = error instanceof TypeError && !isOfPostgresJs(error)
  const Reason = server === undefined && !isMistake ? ConnectionError : UnknownError
  return new SqlError({ reason: new Reason({ cause, message: "The host's driver failed" }) })
}

/** What is true of a transaction that cannot be worked in. */
const refusals: Readonly<Record<string, HostTransactionRefused["reason"]>> = {
  "25P01": "none",
  "25P02": "aborted",
  "25006": "readOnly",
  BX001: "unguarded",
  BX002: "encoding"
}

/** Why a session cannot be worked in, as if the server had said it. */
export const refusedBy = ({
  replicationRole,
  clientEncoding
}: ClockReading): SqlError | undefined => {
  if (replicationRole === "replica") return refusal("BX001")
  // Postgres shows the second where a driver has asked for UTF8 by its old name.
  return /^(UTF8|UNICODE)$/.test(clientEncoding) ? undefined : refusal("BX002")
}

const refusal = (code: string): SqlError => {
  const cause = Object.assign(new Error("a setting of the session"), { code })
  return new SqlError({ reason: new UnknownError({ cause, message: "The session was refused" }) })
}

/** How a failure inside a host's transaction is told: see `within` of core. */
export const transactionFault = (error: SqlError): StoreUnavailable => {
  const reason = refusals[sqlState(error) ?? ""]
  if (reason !== undefined) {
    const cause = new HostTransactionRefused({ reason, cause: error })
    return new StoreUnavailable({ retryable: false, cause })
  }
  if (isContention(error)) {
    const cause = new HostTransactionConflict({ cause: error })
    // Nothing is run again in a host's transaction; but who asks can see what is there.
    return new StoreUnavailable({
      retryable: false,
      cause,
      ...(isCommandsOwnKey(error) ? { isTaken: true } : {})
    })
  }
  return unavailable(error)
}
