/** A statement with its parameters, and how its rows are read. */
import { type PgConnection, PgTypes } from "@effect/sql-pg"
import { Effect, Result } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { instantOf } from "./instant.ts"

/**
 * A row by position. The store's own driver gives `int8` as bigint and `timestamptz` as Date;
 * through a host's driver a row comes as JSON. {@link bigint}, {@link date} and the like read both
 * forms exactly.
 */
// biome-ignore lint/suspicious/noExplicitAny: a statement and its reader, side by side, agree
export type Row = ReadonlyArray<any>

export interface Query<A> {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
  readonly read: (rows: ReadonlyArray<Row>) => A
  /**
   * Sends the statement unprepared. Transaction control does so: a prepared name that the server no
   * longer has must not delay `BEGIN`.
   */
  readonly unprepared?: true
}

// An array with its type stated: it stays the same if the array is empty, all null, or has only
// small numbers.
const arrayOf = (oid: number) => (values: Iterable<unknown>) =>
  Result.getOrThrow(PgTypes.array(Array.isArray(values) ? values : Array.from(values), oid))

export const texts = arrayOf(PgTypes.OID.text)
export const uuids = arrayOf(PgTypes.OID.uuid)
export const bigints = arrayOf(PgTypes.OID.int8)
export const booleans = arrayOf(PgTypes.OID.bool)
/** From milliseconds since 1970. */
export const instants = arrayOf(PgTypes.OID.timestamptz)

export const bigint = (value: bigint | number): bigint =>
  typeof value === "bigint" ? value : BigInt(value)
export const date = (at: Date | string): Date =>
  typeof at === "string" ? new Date(instantOf(at)) : at
/** In milliseconds since 1970. */
export const instant = (at: Date | string): number =>
  typeof at === "string" ? instantOf(at) : at.getTime()
/** A column that may be null, in milliseconds since 1970. */
export const millis = (at: Date | string | null): number | null =>
  at === null ? null : instant(at)

export const runQuery = <A>(
  connection: PgConnection.PgConnection,
  query: Query<A>
): Effect.Effect<A, SqlError> =>
  Effect.map(connection.queryValues(query.sql, query.params, !query.unprepared), query.read)
