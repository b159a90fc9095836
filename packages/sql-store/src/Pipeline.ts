import type { PgConnection } from "@effect/sql-pg"
import { Cause, Effect, Exit } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Query, Row } from "./Query.ts"

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
