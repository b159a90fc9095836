/** A transaction: what became of it, what it has locked, and how to undo it. */
import type { Lockers } from "./rowLocks.ts"
import type { Session } from "./Session.ts"
import type { AnyTable, Version } from "./Table.ts"

export class Transaction {
  readonly session: Session
  /** 0 until the transaction first locks or writes a row. */
  xid = 0
  status: "in progress" | "committed" | "aborted" = "in progress"
  /** Its place in the order in which transactions became visible. */
  visibleAt = Number.POSITIVE_INFINITY
  /** Its number among all that the database has begun. */
  readonly number: number
  readonly startedAt: number
  /** Whether its COMMIT is in the log: then it shows to others soon, whatever happens. */
  isDurable = false
  /** The rows that it has locked. */
  readonly locked = new Set<Lockers>()
  /** What undoes its changes, in the order of the changes. */
  readonly undo: Array<() => void> = []
  /** The versions that are dead once it has committed. */
  readonly replaced: Array<{ readonly table: AnyTable; readonly version: Version<unknown> }> = []
  /** Checks that wait for COMMIT. */
  readonly deferred: Array<() => Steps<void>> = []
  /** Sessions that wait for its end, in the order in which they began to. */
  readonly waiters = new Set<Session>()
  /** Runs at its end, however it ends. */
  readonly atEnd: Array<() => void> = []

  constructor(session: Session, number: number, startedAt: number) {
    this.session = session
    this.number = number
    this.startedAt = startedAt
  }

  /** Drops what it no longer needs at its end, since the versions of rows refer to it. */
  forget(): void {
    this.undo.length = 0
    this.replaced.length = 0
    this.deferred.length = 0
    this.atEnd.length = 0
    if (this.locked.size > 0) this.locked.clear()
    if (this.waiters.size > 0) this.waiters.clear()
  }

  get isOver(): boolean {
    return this.status !== "in progress"
  }
}

/** What a statement gives while it waits: for the end of a transaction. */
export interface Wait {
  readonly on: Transaction
  /** What it waits for. While that stays the same, it is one wait, with one time limit. */
  readonly what: object
}

/** A point at which another session may go first. */
export interface Pause {
  readonly point: string
}

/**
 * What a session does, up to its answer. A generator, so that the kernel has no clock and no fibers:
 * what runs it decides when it goes on.
 */
export type Steps<A> = Generator<Wait | Pause, A, undefined>
