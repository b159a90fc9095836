/**
 * Finds the server's error in the error of a host's driver, since every driver wraps it
 * differently.
 */
import { getSystemErrorMap } from "node:util"
import { HostTransactionConflict, HostTransactionRefused, StoreUnavailable } from "@boxoffice/core"
import { ConnectionError, isSqlError, SqlError, UnknownError } from "effect/sql/SqlError"
import type { ClockReading } from "../batch/load/clock.ts"
import { isCommandsOwnKey, isContention, sqlState, unavailable } from "../sqlFailure.ts"

interface ServerError {
  readonly code: string
  readonly constraint: string | undefined
  /** States the values of a duplicate key. */
  readonly detail: string | undefined
}

// The fields in which drivers and ORMs keep the error that they wrap.
const inner = ["cause", "driverError", "reason", "meta", "driverAdapterError"] as const
const depthMax = 6

const socketCodes = new Set(Array.from(getSystemErrorMap().values(), ([name]) => name))

/**
 * The server's own error, searched from the innermost error out: a wrapping error can have a code
 * of its own.
 */
const serverErrorOf = (error: unknown, depth = 0): ServerError | undefined => {
  if (typeof error !== "object" || error === null || depth > depthMax) return undefined
  const fields = error as Readonly<Record<string, unknown>>
  for (const name of inner) {
    const found = serverErrorOf(fields[name], depth + 1)
    if (found !== undefined) return found
  }
  const code = fields.originalCode ?? fields.code
  if (typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code)) return undefined
  // A code of the socket looks the same (`EPIPE`), but then the statement may have run. A Prisma
  // code looks the same, too; it comes with the client's version.
  if (socketCodes.has(code) || "syscall" in fields || "clientVersion" in fields) return undefined
  const constraint = fields.constraint ?? fields.constraint_name
  const detail = typeof fields.detail === "string" ? fields.detail : undefined
  if (typeof constraint === "string") return { code, constraint, detail }
  const message = `${fields.originalMessage ?? fields.message ?? ""}`
  return { code, constraint: message.match(/"(\w+)"/)?.[1], detail }
}

/**
 * A `TypeError` is normally a mistake of the host. But postgres.js fails with one if the server
 * closed the connection between two statements, and adds the query to the error. Then the statement
 * may have run.
 */
const isOfPostgresJs = (error: object): boolean => "query" in error && "args" in error

/** Converts an error to the form that the store's own driver gives. */
export const sqlErrorOf = (error: unknown): SqlError => {
  if (isSqlError(error)) return error
  const server = serverErrorOf(error)
  const cause = server === undefined ? error : { ...server, error }
  const isMistake = error instanceof TypeError && !isOfPostgresJs(error)
  const Reason = server === undefined && !isMistake ? ConnectionError : UnknownError
  return new SqlError({ reason: new Reason({ cause, message: "The host's driver failed" }) })
}

/** SQLSTATEs of a transaction that the engine cannot work in. */
const refusals: Readonly<Record<string, HostTransactionRefused["reason"]>> = {
  "25P01": "none",
  "25P02": "aborted",
  "25006": "readOnly",
  BX001: "unguarded",
  BX002: "encoding"
}

/**
 * Why the engine cannot work in this session, in the form of a server error; undefined if it can.
 */
export const refusedBy = ({
  replicationRole,
  clientEncoding
}: ClockReading): SqlError | undefined => {
  if (replicationRole === "replica") return refusal("BX001")
  // Postgres shows `UNICODE` if a driver has asked for UTF8 by its old name.
  return /^(UTF8|UNICODE)$/.test(clientEncoding) ? undefined : refusal("BX002")
}

const refusal = (code: string): SqlError => {
  const cause = Object.assign(new Error("a setting of the session"), { code })
  return new SqlError({ reason: new UnknownError({ cause, message: "The session was refused" }) })
}

/** Converts an error inside a host's transaction: see `within` of core. */
export const transactionFault = (error: SqlError): StoreUnavailable => {
  const reason = refusals[sqlState(error) ?? ""]
  if (reason !== undefined) {
    const cause = new HostTransactionRefused({ reason, cause: error })
    return new StoreUnavailable({ retryable: false, cause })
  }
  if (isContention(error)) {
    const cause = new HostTransactionConflict({ cause: error })
    // The engine does not run a command again in a host's transaction. But a caller can see that
    // the row exists.
    return new StoreUnavailable({
      retryable: false,
      cause,
      ...(isCommandsOwnKey(error) ? { isTaken: true } : {})
    })
  }
  return unavailable(error)
}
