/** The host's own rows, written in the same transaction as the events. */
import type { BoxOfficeEvent } from "@boxoffice/core"
import { handleDropped, withJson } from "@boxoffice/core/store"
import type { Query } from "../../Query.ts"

/** A statement of the host. */
export interface HostStatement {
  /** One statement. It casts each of its parameters: `$1::uuid`, `$2::text[]`. */
  readonly text: string
  readonly params?: ReadonlyArray<string | number | bigint | boolean | Date | null> | undefined
}

/**
 * Turns the events of a batch into statements that are committed together with them, or not at all.
 *
 * A batch has the events of many callers, so write for all of them at once: a statement that takes a
 * JSON array (`json_to_recordset($1::json)`) costs the same as one that takes a single row. The
 * statements are sent in the batch's own round trip.
 *
 * - Write a pure function. The batch may run again on fresh rows and calls the function again; the
 *   statements of the call before were rolled back. The function cannot wait, so it cannot call
 *   anything remote: for that, consume the events.
 * - The engine calls it for every batch that has events, whichever operation they are from. It does
 *   not call it inside a transaction of your own: there you write your rows yourself.
 * - Write to tables of your own, in the same order each time. Only read those of Box Office: the
 *   engine locks them in an order of its own.
 * - Do not control the transaction. The server plans your statements by index, as those of the
 *   batch.
 * - If a statement fails or the function throws, the commands of the batch fail with
 *   `StoreUnavailable` or as a defect. The engine bisects the batch to isolate the command at fault,
 *   and runs the others again.
 *
 * @example
 * ```ts
 * import type { InTransaction } from "@boxoffice/sql-store"
 *
 * const countSales: InTransaction = (events) => {
 *   const sold = events.flatMap((event) =>
 *     event._tag === "ReservationPaid" ? [{ show: event.showId, seats: event.seatIds.length }] : []
 *   )
 *   if (sold.length === 0) return []
 *   const text = `
 *     INSERT INTO sales (show, seats)
 *     SELECT show, sum(seats) FROM json_to_recordset($1::json) AS sold (show text, seats int)
 *     GROUP BY show ORDER BY show
 *     ON CONFLICT (show) DO UPDATE SET seats = sales.seats + excluded.seats`
 *   return [{ text, params: [JSON.stringify(sold)] }]
 * }
 * ```
 */
export type InTransaction = (events: ReadonlyArray<BoxOfficeEvent>) => ReadonlyArray<HostStatement>

// A batch holds its locks while these statements run.
const statementsMax = 100

export const statementsFor = (
  inTransaction: InTransaction,
  events: ReadonlyArray<BoxOfficeEvent>
): ReadonlyArray<Query<void>> => {
  const statements: unknown = inTransaction(events.map(withJson))
  try {
    return checked(statements)
  } catch (error) {
    // Statements that are not sent may be promises. Handle their rejections, so that none is
    // reported as unhandled.
    handleDropped(statements)
    throw error
  }
}

const checked = (statements: unknown): ReadonlyArray<Query<void>> => {
  // Guard host-array: without it, smallGuards.test "gives an array of statements" fails.
  if (!Array.isArray(statements)) {
    throw new TypeError("inTransaction must return an array of statements, and no promise")
  }
  // Guard host-statements: without it, smallGuards.test "and not too many" fails.
  if (statements.length > statementsMax) {
    throw new RangeError(
      `inTransaction returned ${statements.length} statements, and ${statementsMax} is the most: ` +
        "write for all events at once"
    )
  }
  return statements.map((statement: HostStatement | null) => {
    const { text, params = [] } = statement ?? {}
    if (typeof text !== "string" || !Array.isArray(params)) {
      throw new TypeError("inTransaction must return statements of a text and params, no promises")
    }
    const values: ReadonlyArray<unknown> = Array.from(params)
    const wrong = values.findIndex((value) => !isParam(value))
    if (wrong >= 0) {
      throw new TypeError(
        `params[${wrong}] of a statement of inTransaction is no string, number, bigint, boolean, ` +
          "Date or null: a promise cannot be waited for, and an object is written as JSON first"
      )
    }
    // Unprepared: a text that is built for each call would fill the connection's cache of
    // statements.
    return { sql: text, params: values, read: () => {}, unprepared: true }
  })
}

const isParam = (value: unknown): boolean =>
  value === null ||
  value instanceof Date ||
  ["string", "number", "bigint", "boolean"].includes(typeof value)
