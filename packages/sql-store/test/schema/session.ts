/** One session of a role: statements in transactions that are always rolled back. */
import { PgClient } from "@effect/sql-pg"
import { Effect, ManagedRuntime, Redacted } from "effect"
import { Invariants } from "../../src/index.ts"

/** What the server answered with an error. */
export interface Refusal {
  /** The SQLSTATE. */
  readonly code: string
  /** The rule by its name, where the error is of one. */
  readonly constraint: string | undefined
  readonly column: string | undefined
  readonly message: string
}

export const noPrivilege = "42501"
export const checkViolation = "23514"
export const notNullViolation = "23502"
/** What an identity column answers to any UPDATE. */
export const identityIsGenerated = "428C9"

export type Row = Readonly<Record<string, unknown>>

export interface Session {
  readonly query: <A extends object = Row>(
    statement: string,
    params?: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<A>>
  /** The meanings of the invariants that what the session sees violates. */
  readonly violated: () => Promise<ReadonlyArray<string>>
  readonly close: () => Promise<void>
}

export const openSession = (url: string): Session => {
  const runtime = ManagedRuntime.make(
    PgClient.layer({ url: Redacted.make(url), maxConnections: 1, prepare: false })
  )
  const query: Session["query"] = <A extends object = Row>(
    statement: string,
    params: ReadonlyArray<unknown> = []
  ) =>
    runtime.runPromise(Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe<A>(statement, params)))
  return {
    query,
    violated: async () => {
      const checks = await runtime.runPromise(Invariants.check())
      return checks.filter(({ violations }) => violations > 0).map(({ meaning }) => meaning)
    },
    close: () => runtime.dispose()
  }
}

export interface Attempt {
  /** Undefined if the server took the statement and found every rule kept at its end. */
  readonly refusal: Refusal | undefined
  /** One for each row that it changed, where the statement returns them. */
  readonly rows: ReadonlyArray<Row>
}

/**
 * Runs one statement in a transaction, and the deferred rules behind it. `look` looks at what the
 * statement has left, unless it was refused. Nothing is kept.
 */
export const attempt = async (
  { query }: Session,
  statement: string,
  params: ReadonlyArray<unknown> = [],
  look: () => Promise<void> = async () => {}
): Promise<Attempt> => {
  await query("BEGIN")
  try {
    const answer = await run(query, statement, params)
    if (!("code" in answer)) await look()
    return "code" in answer ? { refusal: answer, rows: [] } : { refusal: undefined, ...answer }
  } finally {
    await query("ROLLBACK")
  }
}

const run = async (
  query: Session["query"],
  statement: string,
  params: ReadonlyArray<unknown>
): Promise<Refusal | { readonly rows: ReadonlyArray<Row> }> => {
  try {
    const rows = await query(statement, params)
    await query("SET CONSTRAINTS ALL IMMEDIATE")
    return { rows }
  } catch (error) {
    return refusalOf(error)
  }
}

/**
 * A statement that Postgres does not understand is a mistake of the test, and refused by no rule: it
 * throws, as does what is no answer of the server.
 */
const refusalOf = (error: unknown): Refusal => {
  const cause = (error as { reason?: { cause?: Partial<Refusal> } }).reason?.cause
  if (cause?.code === undefined || misunderstood(cause.code)) throw error
  const { code, constraint, column, message = "" } = cause
  return { code, constraint, column, message }
}

const misunderstood = (code: string): boolean =>
  code.startsWith("42") && code !== noPrivilege && code !== identityIsGenerated
