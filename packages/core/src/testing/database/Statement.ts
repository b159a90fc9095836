/**
 * One statement in READ COMMITTED. It sees what was visible when it began, and the earlier changes of
 * its own transaction. Where it waits for a row, it goes on with the newest version of that row, if
 * the row still meets its condition then.
 */
import type { Database } from "./Database.ts"
import { readOnly, refused } from "./DatabaseError.ts"
import type { LockMode } from "./rowLocks.ts"
import type { Sequence } from "./Sequence.ts"
import { type AnyTable, type Change, type Reference, type Table, Version } from "./Table.ts"
import type { Steps, Transaction } from "./Transaction.ts"

export interface LockOptions<Row> {
  readonly skipLocked?: boolean
  /** The condition of the statement, for a row that has changed during the wait. */
  readonly recheck?: (row: Row) => boolean
}

/** What to do where the key of an index is taken: nothing, or update the row that has it. */
export interface OnConflict<Row> {
  readonly index: string
  /** The row as it shall be; `undefined` leaves it locked and unchanged. */
  readonly update?: (existing: Row) => Row | undefined
}

export class Statement {
  readonly database: Database
  readonly transaction: Transaction
  /** The last commit that it sees. */
  readonly at: number
  private readonly events: Array<() => Steps<void>> = []

  constructor(database: Database, transaction: Transaction) {
    this.database = database
    this.transaction = transaction
    this.at = database.commits
  }

  /** The time now: it goes on during a statement. */
  now(): number {
    return this.database.now()
  }

  /** The next value of a sequence. Only where that writes to the log does it take an xid. */
  next(sequence: Sequence): bigint {
    this.mayWrite()
    if (sequence.needsRecord) this.writing()
    return sequence.next()
  }

  /** The id of the transaction, which gets one if it has none. */
  xid(): number {
    this.writing()
    return this.transaction.xid
  }

  sees(version: Version<unknown>): boolean {
    return this.isIn(version.inserter) && !(version.deleter && this.isIn(version.deleter))
  }

  private isIn(transaction: Transaction): boolean {
    return transaction === this.transaction || transaction.visibleAt <= this.at
  }

  /** All visible rows of a table. */
  scan<Row>(table: Table<Row, string>): Array<Version<Row>> {
    const found: Array<Version<Row>> = []
    for (const version of table.versions) if (this.sees(version)) found.push(version)
    return found
  }

  /** The visible rows that an index has for a key. */
  find<Row, Name extends string>(
    table: Table<Row, Name>,
    index: Name,
    key: string
  ): Array<Version<Row>> {
    const found: Array<Version<Row>> = []
    for (const version of table.entries(index, key)) if (this.sees(version)) found.push(version)
    return found
  }

  /** The visible row of a unique key. */
  get<Row, Name extends string>(
    table: Table<Row, Name>,
    index: Name,
    key: string
  ): Version<Row> | undefined {
    for (const version of table.entries(index, key)) if (this.sees(version)) return version
    return undefined
  }

  /**
   * Locks a visible row until the transaction ends. Gives its newest version; `undefined` if the row
   * is gone, does not meet the condition any more, or is locked and was to be skipped.
   */
  *lock<Row>(
    visible: Version<Row>,
    mode: LockMode,
    { skipLocked = false, recheck = () => true }: LockOptions<Row> = {}
  ): Steps<Version<Row> | undefined> {
    this.mayWrite()
    const { lockers } = visible
    for (;;) {
      const blocker = lockers.blocker(this.transaction, mode)
      if (blocker === undefined) break
      if (skipLocked) return undefined
      yield { on: blocker, what: blocker }
    }
    let version = visible
    while (version.deleter !== undefined) {
      // An update in progress that leaves the key alone does not stand in the way of KEY SHARE.
      if (!version.deleter.isOver && version.deleter !== this.transaction) break
      if (version.next === undefined) return undefined
      version = version.next
    }
    this.writing()
    lockers.add(this.transaction, mode)
    return version === visible || recheck(version.row) ? version : undefined
  }

  /** Inserts a row. `undefined` if the key is taken and `onConflict` changed nothing. */
  *insert<Row>(
    table: Table<Row, string>,
    row: Row,
    onConflict?: OnConflict<Row>
  ): Steps<Version<Row> | undefined> {
    this.mayWrite()
    const change = { old: undefined, row }
    yield* this.before(table, change)
    for (;;) {
      const taken = onConflict && (yield* this.taken(table, onConflict.index, row))
      if (taken !== undefined) {
        if (onConflict!.update === undefined) return undefined
        const locked = yield* this.lockTaken(taken)
        if (locked === undefined) continue
        const next = onConflict!.update(locked.row)
        return next && (yield* this.update(table, locked, () => next))
      }
      this.writing()
      const version = new Version(row, this.transaction)
      if (yield* this.addToIndexes(table, version, undefined, onConflict?.index)) {
        this.queue(table, version, change)
        return version
      }
    }
  }

  /** Locks the row that has a key; `undefined` if it has another version meanwhile. */
  private *lockTaken<Row>(taken: Version<Row>): Steps<Version<Row> | undefined> {
    const locked = yield* this.lock(taken, "NO KEY UPDATE")
    return locked === taken ? taken : undefined
  }

  /** Updates a visible row. `undefined` if it is gone, or does not meet the condition any more. */
  *update<Row>(
    table: Table<Row, string>,
    visible: Version<Row>,
    change: (row: Row) => Row,
    recheck?: (row: Row) => boolean
  ): Steps<Version<Row> | undefined> {
    const isKeyChange = (of: Row) => {
      const next = change(of)
      return table.indexes.some(({ isKey, key }) => isKey && key(of) !== key(next))
    }
    // Postgres checks the row before it waits, and the newest version after it. A trigger before the
    // update needs the row locked, and comes before the checks.
    if (table.rules.before === undefined) this.check(table, change(visible.row))
    const mode = isKeyChange(visible.row) ? "UPDATE" : "NO KEY UPDATE"
    const old = yield* this.lock(visible, mode, recheck && { recheck })
    if (old === undefined) return undefined
    const row = change(old.row)
    const changed = { old: old.row, row }
    yield* this.before(table, changed)
    const version = new Version(row, this.transaction, old.lockers)
    this.replace(table, old, version)
    yield* this.addToIndexes(table, version, old)
    this.queue(table, version, changed)
    return version
  }

  /** Deletes a visible row. `undefined` if it is gone, or does not meet the condition any more. */
  *remove<Row>(
    table: Table<Row, string>,
    visible: Version<Row>,
    recheck?: (row: Row) => boolean
  ): Steps<Version<Row> | undefined> {
    const old = yield* this.lock(visible, "UPDATE", recheck && { recheck })
    if (old === undefined) return undefined
    const change = { old: old.row, row: undefined }
    yield* this.before(table, change)
    this.replace(table, old, undefined)
    this.queue(table, old, change)
    return old
  }

  /** What follows a statement: the checks of references, and the triggers behind it. */
  *finish(): Steps<void> {
    for (const event of this.events) yield* event()
  }

  /** A statement of a trigger, which sees what was committed meanwhile. */
  inner(): Statement {
    return new Statement(this.database, this.transaction)
  }

  private mayWrite(): void {
    if (this.transaction.session.isReadOnly) throw readOnly()
  }

  /** Gives the transaction its id, at its first lock of a row or its first write. */
  private writing(): void {
    if (this.transaction.xid !== 0) return
    this.mayWrite()
    this.database.assignXid(this.transaction)
  }

  private refuse(constraint: string, code: string, detail?: string): never {
    throw refused(constraint, code, detail)
  }

  private *before<Row>(table: Table<Row, string>, change: Change<Row>): Steps<void> {
    for (const { when, run } of table.rules.before ?? []) {
      if (when(change)) yield* run(this.inner(), change)
    }
    if (change.row !== undefined) this.check(table, change.row)
  }

  private check<Row>(table: Table<Row, string>, row: Row): void {
    for (const [name, holds] of table.checks) if (!holds(row)) this.refuse(name, "23514")
  }

  private replace<Row>(table: AnyTable, old: Version<Row>, next: Version<Row> | undefined): void {
    const { undo, replaced } = this.transaction
    old.deleter = this.transaction
    old.next = next
    undo.push(() => {
      old.deleter = undefined
      old.next = undefined
    })
    replaced.push({ table, version: old })
  }

  /** A live row with the same key in a unique index. Waits for transactions that may decide it. */
  private *taken<Row>(
    table: AnyTable,
    index: string,
    row: Row,
    own?: Version<Row>
  ): Steps<Version<Row> | undefined> {
    const { key, entries } = table.index(index)
    const of = key(row)
    if (of === undefined) return undefined
    for (;;) {
      let blocker: Transaction | undefined
      for (const version of entries.get(of) ?? []) {
        if (version === own) continue
        const { inserter, deleter } = version
        const isOther = (transaction: Transaction) =>
          transaction !== this.transaction && !transaction.isOver
        if (isOther(inserter)) blocker = inserter
        else if (deleter === undefined) return version
        else if (isOther(deleter)) blocker = deleter
        if (blocker !== undefined) break
      }
      if (blocker === undefined) return undefined
      yield { on: blocker, what: blocker }
    }
  }

  /** False if the key of `arbiter` was taken meanwhile: then nothing is inserted. */
  private *addToIndexes<Row>(
    table: AnyTable,
    version: Version<Row>,
    old: Version<Row> | undefined,
    arbiter?: string
  ): Steps<boolean> {
    table.versions.add(version)
    const drop = () => table.drop(version)
    this.transaction.undo.push(drop)
    for (const index of table.indexes) {
      const key = index.key(version.row)
      if (index.isUnique && (old === undefined || index.key(old.row) !== key)) {
        const taken = yield* this.taken(table, index.name, version.row, version)
        if (taken !== undefined) {
          if (index.name !== arbiter) this.refuse(index.name, "23505", `${key}`)
          drop()
          return false
        }
      }
      table.addTo(index, version)
    }
    return true
  }

  /** Notes what is to be checked behind the statement, or at COMMIT. */
  private queue<Row>(table: Table<Row, string>, version: Version<Row>, change: Change<Row>): void {
    const { old, row } = change
    if (row !== undefined) {
      for (const reference of table.rules.references ?? []) {
        const key = reference.key(row)
        if (key === undefined || (old !== undefined && reference.key(old) === key)) continue
        const check = () => this.checkReference(reference, key)
        if (reference.deferred) {
          this.transaction.deferred.push(() => (version.deleter ? none() : check()))
        } else this.events.push(check)
      }
    } else {
      for (const referrer of table.referrers) {
        this.events.push(() => this.checkUnreferenced(referrer, old))
      }
    }
    for (const { when, run } of table.rules.after ?? []) {
      if (when(change)) this.events.push(() => run(this.inner(), change))
    }
  }

  /** Locks what a row refers to, so that it stays. */
  private *checkReference<Row>(
    { name, to }: Pick<Reference<Row>, "name" | "to">,
    key: string
  ): Steps<void> {
    const { table, index } = to()
    const statement = this.inner()
    const found = statement.get(table, index, key)
    const { key: keyOf } = table.index(index)
    const isSame = (row: unknown) => keyOf(row) === key
    const locked = found && (yield* statement.lock(found, "KEY SHARE", { recheck: isSame }))
    if (locked === undefined) this.refuse(name, "23503")
  }

  private *checkUnreferenced(
    { table, reference }: { readonly table: AnyTable; readonly reference: Reference<unknown> },
    old: unknown
  ): Steps<void> {
    const key = reference.to().table.index(reference.to().index).key(old)
    if (key === undefined || reference.by === undefined) return
    const statement = this.inner()
    for (const found of statement.find(table, reference.by, key)) {
      // Another transaction may be deleting it.
      if (yield* statement.lock(found, "KEY SHARE")) this.refuse(reference.name, "23503")
    }
  }
}

function* none(): Steps<void> {}
