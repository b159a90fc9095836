/**
 * Runs sessions of the database in memory one step at a time, without a clock: a statement goes on as
 * soon as what it waits for has ended, in the order in which the waits began. A statement that would
 * wait for itself fails at once.
 */
import type { Database } from "../packages/core/src/testing/database/Database.ts"
import {
  DatabaseError,
  deadlocked,
  terminated
} from "../packages/core/src/testing/database/DatabaseError.ts"
import type { Session } from "../packages/core/src/testing/database/Session.ts"
import type { Statement } from "../packages/core/src/testing/database/Statement.ts"
import type { Steps } from "../packages/core/src/testing/database/Transaction.ts"

/** What became of a step so far. */
export type Step<A> =
  | { readonly answer: A }
  | { readonly error: string; readonly constraint?: string | undefined }
  | "waits"

/** A step under way; `now` changes when the wait ends. */
export interface Running<A> {
  readonly now: () => Step<A>
}

export class SteppedSession {
  readonly session: Session
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
    this.session = database.openSession()
  }

  begin(): void {
    this.session.begin()
  }

  /** Runs a statement; in a transaction of its own if none is open. */
  statement<A>(body: (statement: Statement) => Steps<A>): Running<A> {
    const { session } = this
    if (session.transaction !== undefined || session.isFailed) return this.run(session.run(body))
    function* alone(): Steps<A> {
      session.begin()
      try {
        const answer = yield* session.run(body)
        yield* session.commit()
        return answer
      } catch (error) {
        session.rollback()
        throw error
      }
    }
    return this.run(alone())
  }

  commit(): Running<void> {
    return this.run(this.session.commit())
  }

  rollback(): void {
    this.session.rollback()
  }

  private run<A>(steps: Steps<A>): Running<A> {
    let step: Step<A> = "waits"
    const goOn = (error?: DatabaseError): void => {
      let failure = error
      try {
        for (;;) {
          const { done, value } = failure === undefined ? steps.next() : steps.throw(failure)
          failure = undefined
          if (done) {
            step = { answer: value }
            return
          }
          if (!("on" in value)) continue
          this.session.waitingFor = value
          if (!this.database.isDeadlocked(this.session)) {
            this.session.wake = () => {
              this.session.waitingFor = undefined
              this.session.wake = undefined
              goOn(this.session.isOver ? terminated() : undefined)
            }
            value.on.waiters.add(this.session)
            return
          }
          this.session.waitingFor = undefined
          failure = deadlocked()
        }
      } catch (thrown) {
        if (!(thrown instanceof DatabaseError)) throw thrown
        step = { error: thrown.code, constraint: thrown.constraint }
      }
    }
    goOn()
    return { now: () => step }
  }
}
