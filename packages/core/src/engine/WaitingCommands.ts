/**
 * The commands that wait for a batch, in the order of submission, and the rows that are blocked.
 *
 *     add ─▶ waiting ─▶ taken by a batch ─▶ answered
 *              ▲ │            │
 *              │ └ too long: refused   └ needs a locked row: put back where it was
 *
 * Holds: each command until a batch takes it, its caller is interrupted, or it has waited for
 * `waitMs`; at most `capacity` commands, half of which may need a blocked row. A timer refuses those
 * that have waited too long while a batch is under way.
 */
import { Effect } from "effect"
import { Overloaded, type StoreUnavailable } from "../Errors.ts"
import { BlockedRows } from "./BlockedRows.ts"

/** Which rows commands lock, by the keys of `lockKey`. */
export interface RowLocks<C> {
  readonly rowsOf: (command: C) => ReadonlySet<string>
  /** Those of its rows that a command may insert. */
  readonly insertsOf: (command: C) => ReadonlySet<string>
  /**
   * The rows of the commands that other transactions have locked now, each with a name of the
   * transaction that holds it. Waits for none of them.
   */
  readonly lockedRows: (
    commands: ReadonlyArray<C>
  ) => Effect.Effect<ReadonlyMap<string, string>, StoreUnavailable>
}

/** A command that waits, or is in the batch under way. */
export interface Waiting<C, A> {
  readonly command: C
  /** Counts the commands in the order of submission. */
  readonly number: number
  /** Real time, and not Effect's clock: a test that stops its clock must not stop this. */
  readonly since: number
  readonly resume: (outcome: Effect.Effect<A, Overloaded | StoreUnavailable>) => void
  /** The rows that it locks, once that has been asked. */
  rows?: ReadonlySet<string>
  /** Whether it has waited for a locked row: then it may wait for longer. */
  hasWaitedForRow?: boolean
  /** How often it alone found a row busy that the store does not show. */
  fruitless?: number
  /** Whether its caller was interrupted: then it is not put back. */
  isGone?: boolean
}

export interface WaitingOptions<C> {
  /** How many commands may wait before new ones are refused with `Overloaded`. */
  readonly capacity: number
  /** Left out if batches lock no rows. */
  readonly locks?: RowLocks<C> | undefined
  /** The longest that a command waits to be taken, in milliseconds, before it is refused. */
  readonly waitMs?: number | undefined
}

const waitMsDefault = 10_000
/** How much longer a command waits that needs a blocked row, in milliseconds. */
const extraWaitMs = 20_000
/** How many commands try alone, each for one row on trial, before others have their turn. */
const trialsMax = 4

export const overloaded = Effect.suspend(() =>
  Effect.fail(new Overloaded({ retryAfterSeconds: 1 }))
)

export class WaitingCommands<C, A> {
  readonly blocked = new BlockedRows()
  /** Whether it takes no more commands. */
  isClosed = false
  // In order of submission. A set, so that an interrupted command is dropped in constant time.
  private entries = new Set<Waiting<C, A>>()
  private submitted = 0
  private shedding: NodeJS.Timeout | undefined
  private readonly options: WaitingOptions<C>
  private readonly waitMs: number

  constructor(options: WaitingOptions<C>) {
    this.options = options
    this.waitMs = options.waitMs ?? waitMsDefault
  }

  get size(): number {
    return this.entries.size
  }

  /** Adds a command to the end of the order; `undefined` if there is no capacity for it. */
  add(command: C, resume: Waiting<C, A>["resume"]): Waiting<C, A> | undefined {
    const { capacity } = this.options
    // Guard batch-capacity: without " || this.size >= capacity", Batcher.test "capacity commands wait" fails.
    if (this.isClosed || this.size >= capacity) return undefined
    const since = performance.now()
    const entry: Waiting<C, A> = { command, number: this.submitted++, since, resume }
    // Commands of one locked row must not take the capacity from all others.
    // Guard batch-capacity-left: without it, Batcher.test "keeps places for others" fails.
    if (this.size >= capacity / 2 && this.needsLocked(entry)) return undefined
    this.entries.add(entry)
    this.shedding ??= setInterval(() => this.shed(), Math.max(100, this.waitMs / 4))
    return entry
  }

  /** Drops a command whose caller was interrupted. */
  drop(entry: Waiting<C, A>): void {
    entry.isGone = true
    this.entries.delete(entry)
  }

  /** Refuses all commands, those that are put back later as well. */
  close(): void {
    this.isClosed = true
    refuse(this.entries)
    this.entries.clear()
    clearInterval(this.shedding)
  }

  /** The next commands, in their order, but for those that need a row that is blocked or on trial. */
  take(batchSize: number): Array<Waiting<C, A>> {
    this.shed()
    const batch: Array<Waiting<C, A>> = []
    for (const entry of this.entries) {
      // Guard batch-size: without it, Batcher.test "takes at most batchSize" fails.
      if (batch.length === batchSize) break
      if (this.needsLocked(entry)) {
        entry.hasWaitedForRow = true
        continue
      }
      batch.push(entry)
      this.entries.delete(entry)
    }
    return batch
  }

  /** The first command for each of a few rows on trial. */
  takeTrials(): ReadonlyArray<Waiting<C, A>> {
    const { blocked } = this
    if (blocked.onTrial.size === 0) return []
    const trials: Array<Waiting<C, A>> = []
    const seen = new Set<string>()
    for (const entry of this.entries) {
      if (trials.length === trialsMax) return trials
      const rows = Array.from(this.rowsOf(entry)).filter((row) => blocked.onTrial.has(row))
      const isFirst = rows.length > 0 && !rows.some((row) => seen.has(row))
      for (const row of rows) seen.add(row)
      if (!isFirst || this.needsAny(entry, blocked)) continue
      trials.push(entry)
      this.entries.delete(entry)
    }
    // No command waits for the others any more.
    blocked.forget(Array.from(blocked.onTrial).filter((row) => !seen.has(row)))
    return trials
  }

  /** Puts commands back where they were in the order. */
  putBack(batch: ReadonlyArray<Waiting<C, A>>): void {
    if (this.isClosed) return refuse(batch)
    const entries = batch.filter((entry) => !entry.isGone)
    if (entries.length === 0) return
    for (const entry of entries) entry.hasWaitedForRow = true
    this.entries = new Set([...entries, ...this.entries].sort((a, b) => a.number - b.number))
    this.boundLocked()
  }

  /** Refuses the youngest commands of locked rows beyond half of the capacity: they came before the lock was found. */
  private boundLocked(): void {
    const half = this.options.capacity / 2
    if (this.size <= half) return
    let locked = 0
    for (const entry of this.entries) {
      if (!this.needsLocked(entry) || ++locked <= half) continue
      this.entries.delete(entry)
      entry.resume(overloaded)
    }
  }

  /** Whether a command needs a row that is blocked, or one that another command has to try first. */
  private needsLocked(entry: Waiting<C, A>): boolean {
    // Guard batch-behind-blocked: without " || this.needsAny(…onTrial)", Batcher.test "tries alone for a row" fails.
    return this.needsAny(entry, this.blocked) || this.needsAny(entry, this.blocked.onTrial)
  }

  /** Puts back the commands that need blocked rows, and returns the others. */
  putBackBlocked(entries: ReadonlyArray<Waiting<C, A>>): ReadonlyArray<Waiting<C, A>> {
    if (this.blocked.size === 0) return entries
    this.putBack(entries.filter((entry) => this.needsAny(entry, this.blocked)))
    return entries.filter((entry) => !this.needsAny(entry, this.blocked))
  }

  /** The blocked rows that commands wait for, and as few of these as it takes to ask for each row. */
  awaited(): { readonly rows: ReadonlySet<string>; readonly commands: ReadonlyArray<C> } {
    const { blocked } = this
    const rows = new Set<string>()
    const commands: Array<C> = []
    for (const entry of this.entries) {
      if (rows.size === blocked.size) break
      const before = rows.size
      for (const row of this.rowsOf(entry)) if (blocked.has(row)) rows.add(row)
      if (rows.size > before) commands.push(entry.command)
    }
    return { rows, commands }
  }

  rowsOf(entry: Waiting<C, A>): ReadonlySet<string> {
    entry.rows ??= orNone(() => this.options.locks?.rowsOf(entry.command))
    return entry.rows
  }

  needsAny(
    entry: Waiting<C, A>,
    rows: { readonly size: number; has(row: string): boolean }
  ): boolean {
    if (rows.size === 0) return false
    for (const row of this.rowsOf(entry)) if (rows.has(row)) return true
    return false
  }

  /** Refuses commands that have waited too long, so that those it takes are answered in time. */
  private shed(): void {
    const now = performance.now()
    for (const entry of this.entries) {
      // Guard batch-wait: without it, Batcher.test "gathers while one batch" fails.
      if (now - entry.since < this.waitMs) break
      if (entry.hasWaitedForRow && now - entry.since < this.waitMs + extraWaitMs) continue
      this.entries.delete(entry)
      entry.resume(overloaded)
    }
    if (this.size > 0) return
    clearInterval(this.shedding)
    this.shedding = undefined
  }
}

const refuse = <C, A>(entries: Iterable<Waiting<C, A>>): void => {
  for (const entry of entries) entry.resume(overloaded)
}

/** What a function gives, or no rows if it throws: then the batch of the command fails. */
export const orNone = (rows: () => ReadonlySet<string> | undefined): ReadonlySet<string> => {
  try {
    return rows() ?? noRows
  } catch {
    return noRows
  }
}
const noRows: ReadonlySet<string> = new Set()
