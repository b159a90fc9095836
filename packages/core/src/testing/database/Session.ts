/** A session of the server, as one connection has it: at most one transaction at a time. */
import type { Database } from "./Database.ts"
import { DatabaseError, terminated, transactionFailed } from "./DatabaseError.ts"
import { Statement } from "./Statement.ts"
import { type Steps, Transaction, type Wait } from "./Transaction.ts"

export class Session {
  readonly database: Database
  /** Whether it has ended: its client has lost the connection. */
  isOver = false
  transaction: Transaction | undefined
  /** In milliseconds; 0 for none. They end with the transaction. */
  lockTimeoutMs = 0
  statementTimeoutMs = 0
  /** What its statement waits for. */
  waitingFor: Wait | undefined
  /** Called when the wait has ended, or the session. */
  wake: (() => void) | undefined
  /** Whether a statement has failed, so that only the end of the transaction can follow. */
  isFailed = false
  private readonly wasOpenedReadOnly: boolean

  constructor(database: Database) {
    this.database = database
    this.wasOpenedReadOnly = database.isReadOnly
  }

  /** A session that was opened while the server was read-only stays so. */
  get isReadOnly(): boolean {
    return this.wasOpenedReadOnly || this.database.isReadOnly
  }

  begin(): void {
    this.check()
    this.transaction = new Transaction(this, ++this.database.begun, this.database.now())
  }

  /** Runs one statement. Its failure ends the transaction, locks included. */
  *run<A>(body: (statement: Statement) => Steps<A>): Steps<A> {
    this.check()
    if (this.isFailed || this.transaction === undefined) throw transactionFailed()
    const statement = new Statement(this.database, this.transaction)
    this.database.open.add(statement)
    try {
      const answer = yield* body(statement)
      yield* statement.finish()
      return answer
    } catch (error) {
      this.fail(error)
      throw error
    } finally {
      this.database.open.delete(statement)
    }
  }

  /**
   * Commits: checks what is deferred, makes the transaction durable, then shows it to others. What was
   * to follow the commit is lost if the session ends in between, but not the commit.
   */
  *commit(): Steps<void> {
    this.check()
    const { transaction } = this
    if (transaction === undefined || this.isFailed) return this.rollback()
    try {
      for (const check of transaction.deferred) yield* check()
    } catch (error) {
      this.fail(error)
      throw error
    }
    if (transaction.xid !== 0) {
      yield { point: "before COMMIT is written" }
      this.check()
      this.database.write(transaction)
      yield { point: "before COMMIT shows" }
      this.check()
    }
    this.forget()
    this.database.end(transaction, "committed")
    if (transaction.xid !== 0) {
      yield { point: "before COMMIT is acknowledged" }
      this.check()
    }
  }

  rollback(): void {
    const { transaction } = this
    this.forget()
    if (transaction !== undefined) this.database.end(transaction, "aborted")
  }

  /** Ends the session, and its transaction with it. */
  end(): void {
    if (this.isOver) return
    this.isOver = true
    this.clear()
  }

  /** What the end of a session leaves to do. */
  clear(): void {
    this.database.sessions.delete(this)
    const { transaction } = this
    this.forget()
    if (transaction !== undefined) {
      this.database.end(transaction, transaction.isDurable ? "committed" : "aborted")
    }
    this.wake?.()
  }

  private check(): void {
    if (this.isOver) throw terminated()
  }

  private fail(error: unknown): void {
    const { constraint } = error instanceof DatabaseError ? error : {}
    if (constraint !== undefined) this.database.onViolation(constraint)
    const wasOver = this.isOver
    this.rollback()
    this.isFailed = !wasOver
  }

  private forget(): void {
    this.transaction = undefined
    this.isFailed = false
    this.lockTimeoutMs = 0
    this.statementTimeoutMs = 0
  }
}
