/**
 * A small multi-version database, which behaves as Postgres 15 does in READ COMMITTED. It knows nothing
 * of Box Office, of clocks or of fibers: see `run.ts` for what runs its statements.
 *
 * Durable is what the log had when it was last flushed; each COMMIT flushes it. A crash loses the rest:
 * transactions in progress, and the ids that only they had.
 */
import { AdvisoryLocks } from "./AdvisoryLocks.ts"
import { Sequence } from "./Sequence.ts"
import { Session } from "./Session.ts"
import type { Statement } from "./Statement.ts"
import { formatSnapshot } from "./snapshots.ts"
import type { AnyTable, Table, Version } from "./Table.ts"
import type { Transaction } from "./Transaction.ts"

export interface DatabaseOptions {
  /** The time, in milliseconds since 1970. */
  readonly now: () => number
  /** A number from 0 to 1: how much of the log that was not flushed is durable after a crash. */
  readonly random?: () => number
  readonly onViolation?: (constraint: string) => void
}

/** The first that Postgres gives to a transaction of a user. */
const firstXid = 3

export class Database {
  readonly now: () => number
  readonly onViolation: (constraint: string) => void
  readonly sessions = new Set<Session>()
  readonly advisory = new AdvisoryLocks()
  /** Statements that run or wait. */
  readonly open = new Set<Statement>()
  /** How many transactions have begun. */
  begun = 0
  /** How many transactions have become visible. */
  commits = 0
  /** Whether all sessions can only read. */
  isReadOnly = false
  private readonly random: () => number
  private readonly tables: Array<AnyTable> = []
  private readonly sequences: Array<Sequence> = []
  private readonly inProgress = new Map<number, Transaction>()
  private readonly over = new Map<number, "committed" | "aborted">()
  private readonly dead: Array<{
    readonly table: AnyTable
    readonly version: Version<unknown>
    readonly since: number
  }> = []
  private nextXid = firstXid
  private durableNextXid = firstXid
  private latestOver = firstXid - 1
  /** Each record says what it leaves behind once it is durable. */
  private log: Array<() => void> = []

  constructor({ now, random = () => 0, onViolation = () => {} }: DatabaseOptions) {
    this.now = now
    this.random = random
    this.onViolation = onViolation
  }

  /** Adds tables. What they refer to is among them. */
  add(tables: Iterable<AnyTable>): void {
    for (const table of tables) {
      this.tables.push(table)
      for (const reference of table.rules.references ?? []) {
        reference.to().table.referrers.push({ table, reference })
      }
    }
  }

  sequence(): Sequence {
    const sequence = new Sequence((record) => this.log.push(record))
    this.sequences.push(sequence)
    return sequence
  }

  openSession(): Session {
    const session = new Session(this)
    this.sessions.add(session)
    return session
  }

  assignXid(transaction: Transaction): void {
    const xid = this.nextXid++
    transaction.xid = xid
    this.inProgress.set(xid, transaction)
    this.log.push(() => {
      this.durableNextXid = Math.max(this.durableNextXid, xid + 1)
    })
  }

  /** Which transactions are over, as one of them sees it: `pg_current_snapshot()`. */
  snapshot(own?: Transaction): string {
    return formatSnapshot(Array.from(this.inProgress.keys()), this.latestOver, own?.xid ?? 0)
  }

  /** The status of a transaction id: `pg_xact_status`. */
  statusOf(xid: number): "in progress" | "committed" | "aborted" | "none" {
    if (xid >= this.nextXid) return "none"
    return this.inProgress.has(xid) ? "in progress" : (this.over.get(xid) ?? "none")
  }

  /** The rows that are committed now. */
  committed<Row>(table: Table<Row, string>): ReadonlyArray<Row> {
    const isShown = ({ visibleAt }: Transaction) => visibleAt <= this.commits
    return Array.from(table.versions)
      .filter(({ inserter, deleter }) => isShown(inserter) && !(deleter && isShown(deleter)))
      .map(({ row }) => row)
  }

  /** Makes a transaction durable, with all that the log has before it. */
  write(transaction: Transaction): void {
    transaction.isDurable = true
    this.flush(this.log.length)
  }

  /** Ends a transaction: its changes show or are undone, its locks are free, who waits goes on. */
  end(transaction: Transaction, status: "committed" | "aborted"): void {
    transaction.status = status
    if (status === "committed") transaction.visibleAt = ++this.commits
    else for (const undo of transaction.undo.reverse()) undo()
    for (const { table, version } of status === "committed" ? transaction.replaced : []) {
      this.dead.push({ table, version, since: this.commits })
    }
    for (const lockers of transaction.locked) lockers.remove(transaction)
    for (const after of transaction.atEnd) after()
    if (transaction.xid !== 0) {
      this.inProgress.delete(transaction.xid)
      this.over.set(transaction.xid, status)
      this.latestOver = Math.max(this.latestOver, transaction.xid)
    }
    const waiters = transaction.waiters.size === 0 ? [] : Array.from(transaction.waiters)
    transaction.forget()
    if (this.dead.length > 0) this.vacuum()
    for (const { wake } of waiters) wake?.()
  }

  /** Whether a session waits for itself in the end. */
  isDeadlocked(session: Session): boolean {
    const seen = new Set<Session>()
    let next = session.waitingFor?.on.session
    while (next !== undefined && !seen.has(next)) {
      if (next === session) return true
      seen.add(next)
      next = next.waitingFor?.on.session
    }
    return false
  }

  /** Stops at once, and recovers from what is durable. */
  crash(): void {
    this.flush(Math.floor(this.random() * (this.log.length + 1)))
    this.log = []
    // All at once: none goes on because another one has ended.
    const sessions = Array.from(this.sessions)
    for (const session of sessions) session.isOver = true
    for (const session of sessions) session.clear()
    for (const xid of this.over.keys()) if (xid >= this.durableNextXid) this.over.delete(xid)
    this.nextXid = this.durableNextXid
    this.latestOver = this.nextXid - 1
    for (const sequence of this.sequences) sequence.recover()
    for (const table of this.tables) if (table.rules.unlogged) table.clear()
  }

  private flush(records: number): void {
    for (const record of this.log.splice(0, records)) record()
  }

  /** Drops versions that no statement can see any more. */
  private vacuum(): void {
    let oldest = this.commits
    for (const { at } of this.open) oldest = Math.min(oldest, at)
    let count = 0
    while (count < this.dead.length && this.dead[count]!.since <= oldest) {
      const { table, version } = this.dead[count++]!
      table.drop(version)
    }
    if (count > 0) this.dead.splice(0, count)
  }
}
