/** Rows that differ from a stored one in a few columns, and the statements that write them. */
import { type Rule, type Table, writable } from "./catalogue.ts"
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

/** Where the stored rows are for which a predicate holds. */
export const locationsOf = async (
  { query }: Session,
  table: Table,
  predicate = "true"
): Promise<Array<string>> => {
  const rows = await query<{ at: string }>(
    `SELECT ctid::text AS at FROM ${table.name} WHERE ${predicate} ORDER BY ctid`
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

/** Of these changes of a row those after which a predicate holds: Postgres itself evaluates it. */
const selected = async (
  { query }: Session,
  table: Table,
  at: string,
  changes: ReadonlyArray<Change>,
  predicate: string
): Promise<ReadonlyArray<Change>> => {
  const rows = await query<{ place: bigint }>(
    `SELECT min(place) AS place FROM unnest($1::text[]::jsonb[]) WITH ORDINALITY AS c (change, place),
       LATERAL (SELECT * FROM jsonb_populate_record(
         (SELECT t FROM ${table.name} t WHERE ctid = $2::text::tid), change)) changed
     WHERE ${predicate} GROUP BY to_jsonb(changed) ORDER BY 1`,
    [changes.map((change) => JSON.stringify(change)), at]
  )
  return rows.map(({ place }) => changes[Number(place) - 1]!)
}

const keepsChecks = (table: Table, besides?: string): ReadonlyArray<string> => [
  ...table.checks
    .filter(({ name }) => name !== besides)
    .map(({ expression }) => `(${expression}) IS NOT FALSE`),
  ...table.columns.filter(({ required }) => required).map(({ name }) => `${name} IS NOT NULL`)
]

/** Of these changes a few that break one CHECK and keep all others. */
export const breaking = async (
  session: Session,
  table: Table,
  at: string,
  rule: Rule,
  changes: ReadonlyArray<Change>
): Promise<ReadonlyArray<Change>> => {
  const broken = [`(${rule.expression}) IS FALSE`, ...keepsChecks(table, rule.name)]
  return (await selected(session, table, at, changes, broken.join(" AND "))).slice(0, 5)
}

/** Of these changes those that keep every CHECK, one for each row that they lead to. */
export const valid = (
  session: Session,
  table: Table,
  at: string,
  changes: ReadonlyArray<Change>
): Promise<ReadonlyArray<Change>> =>
  selected(session, table, at, changes, ["true", ...keepsChecks(table)].join(" AND "))

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
