/** What a node sends to the database in one message, and the answers. */
import type { Session } from "../database/Session.ts"
import type { Statement } from "../database/Statement.ts"
import type { Steps } from "../database/Transaction.ts"

/** One statement. */
export interface Query<A> {
  readonly name: string
  readonly run: (statement: Statement) => Steps<A>
}

/** What a session does for one part of a message. */
interface Part {
  readonly name: string
  readonly run: (session: Session) => Steps<unknown>
}

export class Pipeline {
  readonly parts: Array<Part> = []
  private readonly answers: Array<unknown> = []

  get isEmpty(): boolean {
    return this.parts.length === 0
  }

  /** Adds a statement. The function that it returns gives the answer, once there is one. */
  add<A>({ name, run }: Query<A>): () => A {
    const index = this.parts.length
    this.parts.push({ name, run: (session) => session.run(run) })
    return () => this.answers[index] as A
  }

  /** The same, in a transaction of its own. */
  addAlone<A>(query: Query<A>): () => A {
    const index = this.parts.length
    this.parts.push({
      name: query.name,
      *run(session) {
        session.begin()
        try {
          const answer = yield* session.run(query.run)
          yield* session.commit()
          return answer
        } catch (error) {
          session.rollback()
          throw error
        }
      }
    })
    return () => this.answers[index] as A
  }

  /** Adds what only concerns the session, such as BEGIN. */
  control(name: string, run: (session: Session) => void): void {
    this.parts.push({
      name,
      *run(session) {
        run(session)
      }
    })
  }

  commit(): void {
    this.parts.push({ name: "COMMIT", run: (session) => session.commit() })
  }

  rollback(): void {
    this.control("ROLLBACK", (session) => session.rollback())
  }

  /** What a session does with the message: one part after the other, up to the first that fails. */
  *steps(session: Session): Steps<void> {
    for (const [index, { name, run }] of this.parts.entries()) {
      yield { point: name }
      this.answers[index] = yield* run(session)
    }
  }
}
