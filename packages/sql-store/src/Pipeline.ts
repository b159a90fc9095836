import type { PgConnection } from "@effect/sql-pg"
import { Cause, Effect, Exit } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Query, Row } from "./Query.ts"

/**
 * Statements that the store sends in one write; the server answers them in order. All of them cost
 * one round trip.
 *
 * `add` returns a function that gives the answer, once `run` has ended. If a statement fails in a
 * transaction, the server refuses all statements behind it, `COMMIT` included, so the first failure
 * is the one that counts. The connection must be multiplexed, and lent to no other caller
 * meanwhile.
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

  /** Runs one statement after the other, each after the answer to the one before. */
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

  /** Fails with the error of the first failing statement. */
  run(connection: PgConnection.PgConnection): Effect.Effect<void, SqlError> {
    return Effect.callback((resume) => {
      const cancels: Array<() => void> = []
      let sent = false
      let answered = 0
      let failure: Cause.Cause<SqlError> | undefined
      const finish = () => resume(failure === undefined ? Effect.void : Effect.failCause(failure))
      const receive = (index: number, exit: Exit.Exit<ReadonlyArray<Row>, SqlError>) => {
        if (!sent) {
          // No answer can arrive before all statements are sent: this statement was not sent.
          failure = Exit.isFailure(exit) ? exit.cause : outOfOrder
          return
        }
        // The safety of the locks depends on the order of the statements, so the pipeline checks
        // it.
        if (index !== answered++) failure ??= outOfOrder
        if (Exit.isSuccess(exit)) this.answers[index] = exit.value
        else failure ??= exit.cause
        if (answered === cancels.length) finish()
      }
      for (const [index, query] of this.queries.entries()) {
        // The fiber starts at once and runs until it waits for its answer. By then its statement is
        // queued behind the one before.
        const statement = connection.queryValues(query.sql, query.params, !query.unprepared)
        const cancel = Effect.runCallback(statement, { onExit: (exit) => receive(index, exit) })
        // No statement may follow one that was not sent, least of all the COMMIT.
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
