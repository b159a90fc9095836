/** Rows that differ from a stored one in a few columns, and the statements that write them. */
import { type Table, writable } from "./catalogue.ts"
import type { Row, Session } from "./session.ts"

/** New values of some columns, as JSON has them. */
export type Change = Readonly<Record<string, unknown>>

const few = [0, -1, 1, 2, 9, 99, 100, 101]
const numbers = [...few, 1_000_000]
const absentUuid = "00000000-0000-4000-8000-00000000dead"

/** Values at the edges of a type's domain, and a few between. */
const valuesOf: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  smallint: few,
  integer: numbers,
  bigint: [...numbers, "9007199254740993"],
  boolean: [true, false],
  uuid: [absentUuid],
  text: ["", "won", "KRW", "USD", "absent", "revenue:x"],
  "timestamp with time zone": ["2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"],
  jsonb: [[], [{}]],
  json: [[], [{}]],
  bit: ["1".repeat(4_096)],
  xid8: ["3"],
  pg_snapshot: ["3:3:"]
}

/** The texts in the CHECKs of a table: the names of its states, of kinds and accounts. */
const literalsOf = (table: Table): ReadonlyArray<string> =>
  table.checks.flatMap(({ expression }) =>
    Array.from(expression.matchAll(/'([^']*)'::text/g), ([, literal]) => literal!)
  )

/** The values that a column is given, NULL included where it may be. */
export const domainOf = (table: Table, name: string): ReadonlyArray<unknown> => {
  const { type, required } = table.columns.find((column) => column.name === name)!
  const values = valuesOf[type]
  if (values === undefined) throw new Error(`${table.name}.${name}: no values of type ${type}`)
  const literals = type === "text" ? literalsOf(table) : []
  return [...new Set([...values, ...literals]), ...(required ? [] : [null])]
}

/** All changes of one of these columns, and behind them all of two. */
export function* changesOf(table: Table, columns: ReadonlyArray<string>): Generator<Change> {
  const domains = columns.map((name) => [name, domainOf(table, name)] as const)
  for (const [name, values] of domains) for (const value of values) yield { [name]: value }
  for (const [i, [first, firsts]] of domains.entries()) {
    for (const [second, seconds] of domains.slice(i + 1)) {
      for (const value of firsts) {
        for (const other of seconds) yield { [first]: value, [second]: other }
      }
    }
  }
}

/** Where the stored rows are. */
export const locationsOf = async ({ query }: Session, table: Table): Promise<Array<string>> => {
  const rows = await query<{ at: string }>(
    `SELECT ctid::text AS at FROM ${table.name} ORDER BY ctid`
  )
  return rows.map(({ at }) => at)
}

export interface Write {
  readonly statement: string
  readonly params: ReadonlyArray<unknown>
}

/** Changes the row at a location. */
export const updateOf = (table: Table, at: string, change: Change): Write => ({
  statement: `
    UPDATE ${table.name} t SET ${Object.keys(change)
      .map((name) => `${name} = (jsonb_populate_record(t, $1::text::jsonb)).${name}`)
      .join(", ")}
    WHERE ctid = $2::text::tid RETURNING 1 AS row`,
  params: [JSON.stringify(change), at]
})

/** Adds a row that is like the one at a location. */
export const insertOf = (table: Table, at: string, change: Change): Write => {
  const columns = writable(table).join(", ")
  return {
    statement: `
      INSERT INTO ${table.name} (${columns}) OVERRIDING SYSTEM VALUE
      SELECT ${columns} FROM jsonb_populate_record(
        (SELECT t FROM ${table.name} t WHERE ctid = $2::text::tid), $1::text::jsonb)
      RETURNING 1 AS row`,
    params: [JSON.stringify(change), at]
  }
}

export const deleteOf = (table: Table, at: string): Write => ({
  statement: `DELETE FROM ${table.name} WHERE ctid = $1::text::tid RETURNING 1 AS row`,
  params: [at]
})

/** The write by its verb. */
export const writeOf = { INSERT: insertOf, UPDATE: updateOf } as const

/**
 * Of these changes of a row those that break one rule and keep all others: what an expression says
 * of a row, Postgres itself evaluates.
 */
export const breaking = async (
  { query }: Session,
  table: Table,
  at: string,
  rule: string,
  changes: ReadonlyArray<Change>
): Promise<ReadonlyArray<Change>> => {
  const others = table.checks.filter(({ name }) => name !== rule)
  const broken = table.checks.find(({ name }) => name === rule)!
  const rows = await query<{ place: bigint }>(
    `SELECT place FROM unnest($1::text[]::jsonb[]) WITH ORDINALITY AS changes (change, place),
       LATERAL (SELECT * FROM jsonb_populate_record(
         (SELECT t FROM ${table.name} t WHERE ctid = $2::text::tid), change)) changed
     WHERE ${[
       `(${broken.expression}) IS FALSE`,
       ...others.map(({ expression }) => `(${expression}) IS NOT FALSE`),
       ...table.columns.filter(({ required }) => required).map(({ name }) => `${name} IS NOT NULL`)
     ].join(" AND ")} ORDER BY place LIMIT 5`,
    [changes.map((change) => JSON.stringify(change)), at]
  )
  return rows.map(({ place }) => changes[Number(place) - 1]!)
}

/** Whether a predicate holds for the row at a location. */
export const holdsFor = async (
  { query }: Session,
  table: Table,
  at: string,
  predicate: string
): Promise<boolean> => {
  const rows = await query<Row>(
    `SELECT 1 FROM ${table.name} WHERE ctid = $1::text::tid AND (${predicate})`,
    [at]
  )
  return rows.length > 0
}
