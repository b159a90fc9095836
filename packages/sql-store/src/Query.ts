/** A statement with its parameters, and how its rows are read; and several sent as one flight. */
import { type PgConnection, PgTypes } from "@effect/sql-pg"
import { Cause, Effect, Exit, Result } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { instantOf } from "./instant.ts"

/**
 * A row by position. The driver gives `int8` as bigint and `timestamptz` as Date; a host's driver
 * gives the row as JSON, and so what is exact is read by {@link bigint}, {@link date} and the like.
 */
// biome-ignore lint/suspicious/noExplicitAny: a statement and its reader, side by side, agree
export type Row = ReadonlyArray<any>

export interface Query<A> {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
  readonly read: (rows: ReadonlyArray<Row>) => A
  /** Transaction control goes unprepared: a name that the server forgot must not delay `BEGIN`. */
  readonly unprepared?: true
}

// A typed array has one type whatever it holds: empty, all null, small numbers or large.
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

/**
 * Statements that leave in one write and are answered in order: one round trip for all of them.
 *
 * `add` gives the way to the answer, for after `run`. A statement that fails in a transaction
 * makes the server refuse the ones behind it, `COMMIT` included, so the first failure is the one
 * that counts. The connection must be multiplexed, and nobody else's meanwhile.
 */
export class Pipeline {
  private readonly queries: Array<Query<unknown>> = []
  private readonly answers: Array<ReadonlyArray<Row>> = []

  add<A>(query: Query<A>): () => A {
    const index = this.queries.push(query) - 1
    return () => query.read(this.answers[index]!)
  }

  get isEmpty(): boolean {
    return this.queries.length === 0
  }

  /** One statement after the other, each answered before the next one leaves. */
  runEach<E>(
    run: (query: Query<unknown>) => Effect.Effect<ReadonlyArray<Row>, E>
  ): Effect.Effect<void, E> {
    const each = this.queries.map((query, index) =>
      Effect.map(run(query), (rows) => {
        this.answers[index] = rows
      })
    )
    return Effect.all(each, { discard: true })
  }

  /** Fails with what the first failing statement failed with. */
  run(connection: PgConnection.PgConnection): Effect.Effect<void, SqlError> {
    return Effect.callback((resume) => {
      const cancels: Array<() => void> = []
      let sent = false
      let answered = 0
      let failure: Cause.Cause<SqlError> | undefined
      const finish = () => resume(failure === undefined ? Effect.void : Effect.failCause(failure))
      const receive = (index: number, exit: Exit.Exit<ReadonlyArray<Row>, SqlError>) => {
        if (!sent) {
          // No answer is that fast: the statement did not leave.
          failure = Exit.isFailure(exit) ? exit.cause : outOfOrder
          return
        }
        // The locks' safety rests on the order of the statements: it is never taken on trust.
        if (index !== answered++) failure ??= outOfOrder
        if (Exit.isSuccess(exit)) this.answers[index] = exit.value
        else failure ??= exit.cause
        if (answered === cancels.length) finish()
      }
      for (const [index, query] of this.queries.entries()) {
        // A fiber of its own runs at once until it waits for its answer: by then the statement is
        // queued behind the one before.
        const statement = connection.queryValues(query.sql, query.params, !query.unprepared)
        const cancel = Effect.runCallback(statement, { onExit: (exit) => receive(index, exit) })
        // Nothing may follow a statement that did not leave, the COMMIT least of all.
        if (failure !== undefined) break
        cancels.push(cancel)
      }
      sent = true
      if (cancels.length === 0) return finish()
      return Effect.sync(() => {
        for (const cancel of cancels) cancel()
      })
    })
  }
}

const outOfOrder = Cause.die(new Error("statements ran out of order"))
