/**
 * Statements and answers in a form that every driver takes as it is.
 *
 * Parameters go as text and are cast by the server, since drivers differ in how they guess and
 * write a type, arrays most of all. Arrays go as JSON, since how Postgres reads an array's own text
 * depends on a setting of the session (`array_nulls`). Rows come back as one column of text, a JSON
 * array each, since a host may have its own parsers of `int8` or `timestamptz`, or rename columns.
 */
import { PgTypes } from "@effect/sql-pg"
import { bigints, booleans, instants, type Query, type Row, texts, uuids } from "../Query.ts"
import { instantText } from "./instant.ts"

export interface Statement {
  readonly text: string
  readonly params: ReadonlyArray<string | null>
  /** Whether rows are to be read from what the driver answers. */
  readonly answers: boolean
}

export const statementOf = ({ sql, params }: Query<unknown>): Statement => {
  const writes = /\b(INSERT INTO|DELETE FROM|UPDATE \S+( \w+)? SET)\b/.test(sql)
  const answers = /^\s*(SELECT|WITH)\b/.test(sql) && !writes
  const returns = !answers && !/^\s*WITH\b/.test(sql) && /\bRETURNING\b/.test(sql)
  const typed = sql.replaceAll(/\$(\d+)(?:::(\w+)\[\])?(?=(::)?)/g, (name, n, element, cast) => {
    const param = params[Number(n) - 1]
    if (PgTypes.isParameter(param)) return arrayOf(`$${n}`, element ?? elementOf(param.oid))
    // An array that is not there at all.
    if (element !== undefined && param === null) return `$${n}::text::${element}[]`
    if (cast !== undefined) return `${name}::text`
    throw new Error("a parameter that is no array must be cast in its statement")
  })
  const text = returns ? `WITH answer AS (${typed}) ${rowsOf("answer")}` : typed
  return {
    text: answers ? rowsOf(`(${typed})`) : text,
    params: params.map(textOf),
    answers: answers || returns
  }
}

// By position: names can occur twice. A query that locks rows stays as it is below this one, so
// that it locks them all, in its own order.
const rowsOf = (source: string) =>
  `SELECT to_json(ARRAY(SELECT value FROM json_each(row_to_json(answer))))::text AS answer
    FROM ${source}${source === "answer" ? "" : " AS answer"}`

const arrayTypes = new Map(
  Object.entries({ text: texts, uuid: uuids, int8: bigints, bool: booleans, timestamptz: instants })
    // An array of nothing still has its type.
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
