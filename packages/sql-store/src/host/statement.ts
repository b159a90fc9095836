/**
 * Statements and answers in a form that every driver handles unchanged.
 *
 * Parameters are sent as text and the server casts them, since drivers differ in how they guess and
 * write a type, arrays most of all. Arrays are sent as JSON, since how Postgres reads an array's
 * own text depends on a setting of the session (`array_nulls`). Rows come back as one column of
 * text, a JSON array each, since a host may have its own parsers of `int8` or `timestamptz`, or
 * rename columns.
 */
import { PgTypes } from "@effect/sql-pg"
import { instantText } from "../instant.ts"
import { bigints, booleans, instants, type Query, type Row, texts, uuids } from "../Query.ts"

export interface Statement {
  readonly text: string
  readonly params: ReadonlyArray<string | null>
  /** Whether the driver's answer holds rows to read. */
  readonly answers: boolean
}

export const statementOf = ({ sql, params }: Query<unknown>): Statement => {
  const typed = sql.replaceAll(/\$(\d+)(?:::(\w+)\[\])?(?=(::)?)/g, (name, n, element, cast) => {
    const param = params[Number(n) - 1]
    if (PgTypes.isParameter(param)) return arrayOf(`$${n}`, element ?? elementOf(param.oid))
    // A null in place of an array.
    if (element !== undefined && param === null) return `$${n}::text::${element}[]`
    if (cast !== undefined) return `${name}::text`
    throw new Error("a parameter that is no array must be cast in its statement")
  })
  return { ...answering(typed), params: params.map(textOf) }
}

/** The statement with its rows as one column of text, if it returns rows. */
const answering = (sql: string): Omit<Statement, "params"> => {
  const { head, last } = partsOf(sql)
  const reads = /^[(\s]*SELECT\b/.test(last)
  if (!reads && !/\bRETURNING\b/.test(last)) return { text: sql, answers: false }
  // A statement that only reads stays in one piece: see rowsOf. A `WITH` that writes must stand at
  // the top level.
  if (reads && !writes.test(head)) return { text: rowsOf(`(${sql})`), answers: true }
  const before = head === "" ? "WITH" : `${head},`
  return { text: `${before} answer AS (${last}) ${rowsOf("answer")}`, answers: true }
}

const writes = /\b(INSERT INTO|DELETE FROM|UPDATE)\b/

/** Splits a statement into its `WITH …`, if any, and its main part. */
const partsOf = (sql: string): { readonly head: string; readonly last: string } => {
  const trimmed = sql.trim()
  if (!/^WITH\b/.test(trimmed)) return { head: "", last: trimmed }
  let depth = 0
  // String literals and comments may contain parentheses and keywords.
  for (const found of trimmed.matchAll(/'[^']*'|--.*|[()]|\b(?:SELECT|INSERT|UPDATE|DELETE)\b/g)) {
    const [token] = found
    if (token === "(") depth++
    else if (token === ")") depth--
    else if (depth === 0 && /^[SIUD]/.test(token)) {
      return { head: trimmed.slice(0, found.index).trimEnd(), last: trimmed.slice(found.index) }
    }
  }
  throw new Error("a statement that begins with WITH has to do something")
}

// By position, since names can occur twice. A query that locks rows stays unchanged below this one,
// so that it locks all of them in its own order.
const rowsOf = (source: string) =>
  `SELECT to_json(ARRAY(SELECT value FROM json_each(row_to_json(answer))))::text AS answer
    FROM ${source}${source === "answer" ? "" : " AS answer"}`

const arrayTypes = new Map(
  Object.entries({ text: texts, uuid: uuids, int8: bigints, bool: booleans, timestamptz: instants })
    // An empty array still has its type.
    .map(([name, arrayOf]) => [arrayOf([]).oid, name])
)

const elementOf = (oid: number): string => {
  const element = arrayTypes.get(oid)
  if (element === undefined) throw new Error(`an array of the type ${oid} has no name here`)
  return element
}

const arrayOf = (param: string, element: string): string =>
  `ARRAY(SELECT value::${element} FROM json_array_elements_text(${param}::text::json)
      WITH ORDINALITY AS element (value, place) ORDER BY place)`

const textOf = (param: unknown): string | null => {
  if (param === null) return null
  if (!PgTypes.isParameter(param)) return scalarText(param)
  const isInstant = arrayTypes.get(param.oid) === "timestamptz"
  const elements = (param.value as ReadonlyArray<unknown>).map((value) => {
    if (value === null) return null
    return isInstant ? instantText(value as number | Date) : scalarText(value)
  })
  return JSON.stringify(elements)
}

const scalarText = (value: unknown): string =>
  value instanceof Date ? instantText(value) : `${value}`

/**
 * The rows in a driver's answer: an array of them, or `{ rows }`. A row is an object or an array
 * with the one column.
 */
export const answerOf = (answer: unknown): ReadonlyArray<Row> => {
  const rows = Array.isArray(answer) ? answer : (answer as { readonly rows?: unknown })?.rows
  if (!Array.isArray(rows)) throw new TypeError("the query must answer with rows, or with { rows }")
  return rows.map((row: object) => {
    const [text] = Object.values(row)
    if (typeof text !== "string") throw new TypeError("a column of type text must be a string")
    return JSON.parse(text, exactly)
  })
}

/** An integer that a number cannot hold becomes a bigint: its digits are what the server sent. */
const exactly = ((_key: string, value: unknown, context: { readonly source?: string }): unknown =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source ?? "")
    ? BigInt(context.source!)
    : value) as (key: string, value: unknown) => unknown
