/**
 * Group commit. While one batch is in flight the next one gathers; an idle batcher takes a command
 * at once. Nothing waits in order to gather.
 *
 *     submit ─▶ [ waiting, bounded ] ─▶ batch ─▶ run ─▶ each caller gets its own outcome
 *                        ▲                        │ a row is locked for long
 *                        └────── row is free ── [ parked ]
 *
 * A command that needs a row which another transaction holds for long is parked: the batcher runs
 * the rest of the batch again at once, takes no other command that needs such a row, and looks a few
 * times a second whether the row is free, or held by yet another transaction: then it is only busy,
 * and the command stands in line for it in the database. A parked command holds no lock, so only
 * those that need the row wait for it. For some seconds after that the batcher looks before it runs a
 * batch, so that the next locked row delays nobody's neighbours. A batcher that is too far behind
 * refuses the oldest commands: see `waitMs`.
 *
 * A command of a host's transaction cannot share a batch with those of others: it runs alone.
 */
import { Effect, Exit, type Scope, Semaphore } from "effect"
import { Overloaded, type StoreUnavailable } from "../Errors.ts"
import { HostTransaction } from "../HostTransaction.ts"
import { fnv1a } from "./fnv.ts"
import { realPause } from "./realPause.ts"

export interface Batcher<C, A> {
  /**
   * Waits for the command's outcome. Interrupting the caller before a batch has taken the command
   * drops it; after that the command takes its course without the caller.
   */
  readonly submit: (command: C) => Effect.Effect<A, Overloaded | StoreUnavailable>
}

/** Which rows commands lock, by the keys of `lockKey`. */
export interface RowLocks<C> {
  readonly rowsOf: (command: C) => ReadonlySet<string>
  /**
   * The rows of the commands that other transactions have locked now, each with a name of the
   * transaction that holds it. Waits for none of them.
   */
  readonly lockedRows: (
    commands: ReadonlyArray<C>
  ) => Effect.Effect<ReadonlyMap<string, string>, StoreUnavailable>
}

export interface BatcherOptions<C, A> {
  /** Runs a batch; the outcomes come in the order of the commands. */
  readonly run: (batch: ReadonlyArray<C>) => Effect.Effect<ReadonlyArray<A>, StoreUnavailable>
  /** How many commands may wait before new ones are refused with `Overloaded`. */
  readonly capacity: number
  /** The most commands in one batch. */
  readonly batchSize: number
  /** Left out if `run` locks no rows. */
  readonly locks?: RowLocks<C> | undefined
  /** The longest that a command waits to be taken, in milliseconds, before it is refused. */
  readonly waitMs?: number | undefined
}

interface Waiting<C, A> {
  readonly command: C
  /** Real time, and not Effect's clock: a test that stops its clock must not stop this. */
  readonly since: number
  readonly resume: (outcome: Effect.Effect<A, Overloaded | StoreUnavailable>) => void
  /** The rows that it locks, once that has been asked. */
  rows?: ReadonlySet<string>
  /** Whether it was parked, and stands in line for its rows now. */
  standsInLine?: boolean
}

const waitMsDefault = 10_000
/** How long a command is parked at most, in milliseconds, beyond `waitMs`. */
const parkedMs = 20_000
/** How often a batcher looks whether the rows of parked commands are free: from, to, by chance. */
const lookEveryMs = [50, 250] as const
/** For how long after a locked row a batcher looks before it runs a batch, in milliseconds. */
const carefulMs = 5_000
/** How long a row is held by one transaction before a careful batcher parks its commands. */
const heldForMs = 100
/** How many batches whose busy row cannot be found are isolated, and how many groups at once. */
const isolationsMax = 16
const groupsAtOnce = 4

const overloaded = Effect.suspend(() => Effect.fail(new Overloaded({ retryAfterSeconds: 1 })))

/** Opens a batcher. Closing the scope lets the batch in flight end and refuses what still waits. */
export const makeBatcher = <C, A>(
  options: BatcherOptions<C, A>
): Effect.Effect<Batcher<C, A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { locks, waitMs = waitMsDefault } = options
    // In order of submission. A set, so that a command is dropped from wherever it stands.
    let waiting = new Set<Waiting<C, A>>()
    /** The parked commands, and the rows that each waits for, with their holders at the last look. */
    const parked = new Map<Waiting<C, A>, ReadonlyMap<string, string>>()
    /** When a row was last found to be locked for long. */
    let busyAt = Number.NEGATIVE_INFINITY
    const groupPermits = yield* Semaphore.make(groupsAtOnce)
    /** Rows of commands that failed because a row was busy that cannot be found, and until when. */
    const suspectRows = new Map<string, number>()
    /** Rows of the commands that are isolated now, and how many of these need each. */
    const isolatedRows = new Map<string, number>()
    /** All rows that parked commands wait for. */
    let lockedRows = new Set<string>()
    let running = false
    let closed = false
    /** What goes on beside the batch in flight: isolations, and the look at parked commands. */
    let isolations = 0
    let looking = false
    let whenIdle: (() => void) | undefined
    let shedding: NodeJS.Timeout | undefined
    const fork = Effect.runForkWith(yield* Effect.context<never>())

    const needsAny = (
      entry: Waiting<C, A>,
      rows: { readonly size: number; has(row: string): boolean }
    ) => {
      if (locks === undefined || rows.size === 0) return false
      entry.rows ??= locks.rowsOf(entry.command)
      for (const row of entry.rows) if (rows.has(row)) return true
      return false
    }

    /** The rows of a command that are locked, with their holders. */
    const heldRows = (entry: Waiting<C, A>, locked: ReadonlyMap<string, string>) => {
      entry.rows ??= locks!.rowsOf(entry.command)
      const held = new Map<string, string>()
      for (const row of entry.rows) if (locked.has(row)) held.set(row, locked.get(row)!)
      return held
    }

    /** A store that cannot say which rows are locked says of none. */
    const lookAt = (entries: ReadonlyArray<Waiting<C, A>>) =>
      Effect.map(Effect.exit(locks!.lockedRows(entries.map(({ command }) => command))), (found) =>
        Exit.isSuccess(found) ? found.value : new Map<string, string>()
      )

    const take = (): Array<Waiting<C, A>> => {
      shed()
      const batch: Array<Waiting<C, A>> = []
      for (const entry of waiting) {
        if (batch.length === options.batchSize) break
        // Behind the parked or isolated commands that need the same row, and in their order.
        if (needsAny(entry, lockedRows) || needsAny(entry, isolatedRows)) continue
        batch.push(entry)
        waiting.delete(entry)
      }
      return batch
    }

    const refuse = (entries: Iterable<Waiting<C, A>>): void => {
      for (const entry of entries) entry.resume(overloaded)
    }

    /** Whether even a command that waits for a locked row has waited too long. */
    const isOverdue = ({ since }: Waiting<C, A>): boolean =>
      performance.now() - since > waitMs + parkedMs

    /** Refuses commands that have waited too long, so that those it takes are answered in time. */
    const shed = () => {
      const before = performance.now() - waitMs
      for (const entry of waiting) {
        if (entry.since > before) break
        // A command whose rows were asked for may have waited for one of them: it has longer.
        if (entry.rows !== undefined && !isOverdue(entry)) continue
        waiting.delete(entry)
        entry.resume(overloaded)
      }
      if (waiting.size > 0) return
      clearInterval(shedding)
      shedding = undefined
    }

    const runOnce = (batch: ReadonlyArray<Waiting<C, A>>) =>
      Effect.exit(options.run(batch.map((entry) => entry.command))).pipe(
        // Root span: a batch serves many callers, so it has no single parent.
        Effect.withSpan("Batcher.batch", { root: true, attributes: { size: batch.length } })
      )

    const runBatch = (batch: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
      Effect.flatMap(runOnce(batch), (exit) =>
        isBusy(exit) ? runBusy(batch) : settle(batch, exit)
      )

    const settle = (
      batch: ReadonlyArray<Waiting<C, A>>,
      exit: Exit.Exit<ReadonlyArray<A>, StoreUnavailable>
    ): Effect.Effect<void> => {
      if (Exit.isSuccess(exit)) {
        for (let i = 0; i < batch.length; i++) batch[i]!.resume(Effect.succeed(exit.value[i]!))
        return Effect.void
      }
      // If one command makes a batch fail, the batch is bisected to isolate it, so the others are
      // not affected. A retryable failure is that of the store, and so of every command.
      if (batch.length > 1 && !isRetryable(exit)) return inHalves(batch, runBatch)
      fail(batch, exit)
      return Effect.void
    }

    const fail = (
      batch: ReadonlyArray<Waiting<C, A>>,
      { cause }: Exit.Failure<unknown, StoreUnavailable>
    ) => {
      for (const entry of batch) entry.resume(Effect.failCause(cause))
    }

    /** A row of the batch is locked for long: parks the commands that need it, and runs the rest. */
    const runBusy = (batch: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
      Effect.gen(function* () {
        const locked = locks === undefined ? new Map<string, string>() : yield* lookAt(batch)
        const rest = park(batch, locked)
        // The lock has ended meanwhile, or it is on a row that another transaction has yet to commit.
        if (rest.length === batch.length) return isolate(batch)
        if (rest.length > 0) yield* runBatch(rest)
      })

    /** Parks the commands that need a locked row, and gives the others. */
    const park = (
      batch: ReadonlyArray<Waiting<C, A>>,
      locked: ReadonlyMap<string, string>
    ): ReadonlyArray<Waiting<C, A>> => {
      if (locked.size === 0) return batch
      const rest = batch.filter((entry) => {
        const held = heldRows(entry, locked)
        if (held.size > 0) parked.set(entry, held)
        return held.size === 0
      })
      if (rest.length === batch.length) return batch
      busyAt = performance.now()
      noteLocked()
      if (closed) refuseParked()
      else startToLook()
      return rest
    }

    /**
     * Shortly after a locked row: parks the commands of a batch that need another one before the batch
     * waits for it. A row that changes its holder within a moment is only busy.
     */
    const runCarefully = (batch: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
      Effect.gen(function* () {
        const toLookAt = batch.filter((entry) => !entry.standsInLine)
        if (toLookAt.length === 0) return yield* runBatch(batch)
        const first = yield* lookAt(toLookAt)
        if (first.size === 0) return yield* runBatch(batch)
        const inLine = batch.filter((entry) => entry.standsInLine || !needsAny(entry, first))
        if (inLine.length > 0) yield* runBatch(inLine)
        const others = batch.filter((entry) => !inLine.includes(entry))
        yield* realPause(heldForMs)
        const second = yield* lookAt(others)
        const held = new Map(
          Array.from(second).filter(([row, holder]) => first.get(row) === holder)
        )
        const rest = park(others, held)
        if (rest.length > 0) yield* runBatch(rest)
      })

    const noteLocked = () => {
      lockedRows = new Set(Array.from(parked.values()).flatMap((held) => Array.from(held.keys())))
    }

    const refuseParked = () => {
      refuse(parked.keys())
      parked.clear()
    }

    const startToLook = () => {
      if (looking || parked.size === 0) return
      looking = true
      const ended = Effect.sync(() => {
        looking = false
        start()
        endIfIdle()
      })
      fork(Effect.ensuring(lookAtParked, ended))
    }

    /** While there are parked commands: takes them back once their rows are free, first in line. */
    const lookAtParked: Effect.Effect<void> = Effect.gen(function* () {
      while (parked.size > 0 && !closed) {
        yield* realPause(lookEveryMs[0] + Math.random() * (lookEveryMs[1] - lookEveryMs[0]))
        for (const entry of parked.keys()) {
          if (!isOverdue(entry)) continue
          parked.delete(entry)
          entry.resume(overloaded)
        }
        const asked = Array.from(parked.keys())
        const locked = yield* Effect.exit(locks!.lockedRows(asked.map(({ command }) => command)))
        // A store that is away says nothing about its locks: the next look may.
        if (Exit.isFailure(locked)) continue
        const free: Array<Waiting<C, A>> = []
        for (const entry of asked) {
          const before = parked.get(entry)
          if (before === undefined) continue
          const held = heldRows(entry, locked.value)
          // Held by another transaction than before: the rows are only busy, and never free for long.
          const isOnlyBusy = Array.from(held).every(([row, holder]) => before.get(row) !== holder)
          if (isOnlyBusy) free.push(entry)
          else parked.set(entry, held)
        }
        for (const entry of free) {
          entry.standsInLine = true
          parked.delete(entry)
        }
        waiting = new Set([...free, ...waiting])
        noteLocked()
        start()
      }
      noteLocked()
    })

    /**
     * Isolates commands whose busy row cannot be found, such as one that another transaction has
     * inserted and not committed: runs those that share their first row together, beside the batches
     * of the others, and then each by itself. A command that still finds it busy fails. Later commands
     * that need a row of theirs wait behind them. For some seconds the next commands that need the
     * failed ones' own rows are isolated at once.
     */
    const isolate = (batch: ReadonlyArray<Waiting<C, A>>): void => {
      if (closed || isolations === isolationsMax) return refuse(batch)
      isolations++
      const failed: Array<Waiting<C, A>> = []
      const runGroup = (group: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
        Effect.gen(function* () {
          if (closed || isOverdue(group[0]!)) return refuse(group)
          const exit = yield* Semaphore.withPermit(groupPermits, runOnce(group))
          if (!isBusy(exit)) return yield* settle(group, exit)
          if (group.length > 1) {
            return yield* Effect.forEach(group, (one) => runGroup([one]), { discard: true })
          }
          failed.push(...group)
          if (Exit.isFailure(exit)) fail(group, exit)
        })
      const free = (group: ReadonlyArray<Waiting<C, A>>) =>
        Effect.sync(() => {
          countIsolated(group, -1)
          start()
        })
      const ended = Effect.sync(() => {
        suspect(failed, batch)
        isolations--
        endIfIdle()
      })
      const groups = groupsOf(batch)
      countIsolated(batch, 1)
      const runAll = Effect.forEach(
        groups,
        (group) => Effect.ensuring(runGroup(group), free(group)),
        { concurrency: "unbounded", discard: true }
      )
      fork(Effect.ensuring(runAll, ended))
    }

    const countIsolated = (entries: ReadonlyArray<Waiting<C, A>>, by: 1 | -1): void => {
      for (const { rows = [] } of entries) {
        for (const row of rows) {
          const count = (isolatedRows.get(row) ?? 0) + by
          if (count > 0) isolatedRows.set(row, count)
          else isolatedRows.delete(row)
        }
      }
    }

    /** The rows that failed commands need, and no command beside them that was answered. */
    const suspect = (
      failed: ReadonlyArray<Waiting<C, A>>,
      batch: ReadonlyArray<Waiting<C, A>>
    ): void => {
      const until = performance.now() + carefulMs
      for (const { rows = [] } of failed) for (const row of rows) suspectRows.set(row, until)
      if (failed.length === 0) return
      for (const entry of batch) {
        if (failed.includes(entry)) continue
        for (const row of entry.rows ?? []) suspectRows.delete(row)
      }
    }

    const groupsOf = (batch: ReadonlyArray<Waiting<C, A>>) => {
      const groups = new Map<unknown, Array<Waiting<C, A>>>()
      for (const entry of batch) {
        if (locks !== undefined) entry.rows ??= locks.rowsOf(entry.command)
        const [first = entry] = entry.rows ?? []
        groups.set(first, [...(groups.get(first) ?? []), entry])
      }
      return Array.from(groups.values())
    }

    /** Isolates the commands of a batch that need a suspect row, and gives the others. */
    const withoutSuspects = (batch: ReadonlyArray<Waiting<C, A>>): ReadonlyArray<Waiting<C, A>> => {
      const now = performance.now()
      for (const [row, until] of suspectRows) if (until < now) suspectRows.delete(row)
      const suspects = batch.filter((entry) => needsAny(entry, suspectRows))
      if (suspects.length === 0) return batch
      isolate(suspects)
      return batch.filter((entry) => !suspects.includes(entry))
    }

    const start = () => {
      if (running || closed || waiting.size === 0) return
      running = true
      fork(loop)
    }

    const loop: Effect.Effect<void> = Effect.gen(function* () {
      // Commands that were submitted in the same turn as the first travel with it.
      yield* Effect.yieldNow
      while (waiting.size > 0) {
        const taken = take()
        if (taken.length === 0) break
        const batch = withoutSuspects(taken)
        if (batch.length === 0) continue
        const isCareful = parked.size > 0 || performance.now() - busyAt < carefulMs
        yield* isCareful && locks !== undefined ? runCarefully(batch) : runBatch(batch)
      }
      running = false
      endIfIdle()
    })

    const endIfIdle = () => {
      if (!running && !looking && isolations === 0) whenIdle?.()
    }

    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        closed = true
        refuse(waiting)
        waiting.clear()
        refuseParked()
        clearInterval(shedding)
        whenIdle = () => resume(Effect.void)
        endIfIdle()
      })
    )

    const enqueue = (command: C): Effect.Effect<A, Overloaded | StoreUnavailable> =>
      Effect.callback((resume) => {
        if (closed || waiting.size + parked.size >= options.capacity) return resume(overloaded)
        const entry: Waiting<C, A> = { command, since: performance.now(), resume }
        waiting.add(entry)
        shedding ??= setInterval(shed, Math.max(100, waitMs / 4))
        start()
        return Effect.sync(() => {
          waiting.delete(entry)
          parked.delete(entry)
        })
      })
    const alone = (command: C): Effect.Effect<A, Overloaded | StoreUnavailable> =>
      closed ? overloaded : Effect.map(options.run([command]), ([outcome]) => outcome!)

    return {
      submit: (command) =>
        Effect.withFiber((fiber) =>
          fiber.getRef(HostTransaction) === undefined ? enqueue(command) : alone(command)
        )
    }
  })

const inHalves = <E>(
  batch: ReadonlyArray<E>,
  run: (half: ReadonlyArray<E>) => Effect.Effect<void>
): Effect.Effect<void> => {
  const half = batch.length >> 1
  return Effect.andThen(run(batch.slice(0, half)), run(batch.slice(half)))
}

const isBusy = (exit: Exit.Exit<unknown, StoreUnavailable>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.isBusy === true)

const isRetryable = (exit: Exit.Exit<unknown, StoreUnavailable>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.retryable)

/**
 * Several batchers side by side. Commands of one key share a batcher and so keep their order, except
 * that one which waits for a locked row is passed by those that need none of its rows. Unrelated
 * commands mostly do not wait for each other.
 */
export const makeBatchers = <C, A>(
  options: BatcherOptions<C, A> & {
    readonly batchers: number
    readonly keyOf: (command: C) => string
  }
): Effect.Effect<Batcher<C, A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const batchers = yield* Effect.all(
      Array.from({ length: options.batchers }, () => makeBatcher(options))
    )
    return {
      submit: (command) =>
        batchers[fnv1a(options.keyOf(command)) % batchers.length]!.submit(command)
    }
  })
