/**
 * Group commit. While one batch is in flight the next one gathers; an idle batcher takes a command
 * at once. Nothing waits in order to gather.
 *
 *     submit ─▶ [ waiting, in order, bounded ] ─▶ batch ─▶ run ─▶ each caller gets its own outcome
 *                          ▲                                │
 *                          └───── a row is locked for long ─┘
 *
 * If another transaction keeps a row of a batch locked, the batcher asks which rows are locked, and
 * blocks them: it runs the commands that need none of them at once, and the others go back to where
 * they were in the order, without a lock. Later commands that need a blocked row stay behind them. A few
 * times a second it asks again. A blocked row is released when it is free, or when another
 * transaction holds it than before: then it is only busy, and its commands stand in line for it in
 * the database. For some seconds after a locked row batches wait for locks only briefly, so that the
 * next locked row delays other commands only briefly.
 *
 * If no locked row is found (another transaction has inserted a key and not committed), the batch is
 * bisected, with brief waits, to find the commands that need it. The rows that these insert are
 * blocked for a while, and then one command tries again, alone; one that fails twice is refused.
 *
 * A batcher that is too far behind refuses the oldest commands: see `waitMs`. A command of a host's
 * transaction cannot share a batch with those of others: it runs alone.
 */
import { Effect, Exit, type Scope } from "effect"
import { Overloaded, type StoreUnavailable } from "../Errors.ts"
import { HostTransaction } from "../HostTransaction.ts"
import { BlockedRows } from "./BlockedRows.ts"
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

export interface BatcherOptions<C, A> {
  /**
   * Runs a batch; the outcomes come in the order of the commands. With `waitsBriefly` it waits only a
   * moment for locks.
   */
  readonly run: (
    batch: ReadonlyArray<C>,
    waitsBriefly: boolean
  ) => Effect.Effect<ReadonlyArray<A>, StoreUnavailable>
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

const waitMsDefault = 10_000
/** How much longer a command waits that needs a blocked row, in milliseconds. */
const extraWaitMs = 20_000
/** How often a batcher asks for the locks of blocked rows: at random between these, in milliseconds. */
const askEveryMs = [50, 250] as const
/** For how long after a locked row batches wait briefly for locks, in milliseconds. */
const carefulMs = 5_000
/** Up to how many commands a bisection tries one by one: each half that fails costs a wait. */
const oneByOne = 16
/** How long a batch is bisected at most, in milliseconds, before other commands have their turn. */
const bisectMs = 3_000
/** How often a command tries alone for a row whose lock the store does not show. */
const fruitlessMax = 2
/** How many commands try alone, each for one such row, before others have their turn. */
const trialsMax = 4

const overloaded = Effect.suspend(() => Effect.fail(new Overloaded({ retryAfterSeconds: 1 })))

/** Opens a batcher. Closing the scope lets the batch in flight end and refuses what still waits. */
export const makeBatcher = <C, A>(
  options: BatcherOptions<C, A>
): Effect.Effect<Batcher<C, A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { locks, waitMs = waitMsDefault } = options
    // In order of submission. A set, so that an interrupted command is dropped in constant time.
    let waiting = new Set<Waiting<C, A>>()
    let submitted = 0
    const blocked = new BlockedRows()
    let busyAt = Number.NEGATIVE_INFINITY
    let askedAt = Number.NEGATIVE_INFINITY
    let running = false
    let closed = false
    let whenIdle: (() => void) | undefined
    /** Ends the pause of a batcher whose waiting commands all need blocked rows. */
    let wake: (() => void) | undefined
    let shedding: NodeJS.Timeout | undefined
    const fork = Effect.runForkWith(yield* Effect.context<never>())

    const rowsOf = (entry: Waiting<C, A>): ReadonlySet<string> => {
      entry.rows ??= orNone(() => locks?.rowsOf(entry.command))
      return entry.rows
    }

    const needsAny = (
      entry: Waiting<C, A>,
      rows: { readonly size: number; has(row: string): boolean }
    ): boolean => {
      if (rows.size === 0) return false
      for (const row of rowsOf(entry)) if (rows.has(row)) return true
      return false
    }

    /** The next commands, in their order, but for those that need a row that is blocked or on trial. */
    const take = (): Array<Waiting<C, A>> => {
      shed()
      const batch: Array<Waiting<C, A>> = []
      for (const entry of waiting) {
        // Guard batch-size: without it, Batcher.test "takes at most batchSize" fails.
        if (batch.length === options.batchSize) break
        // Guard batch-behind-blocked: without " || needsAny(…onTrial)", Batcher.test "tries alone for a row" fails.
        if (needsAny(entry, blocked) || needsAny(entry, blocked.onTrial)) {
          entry.hasWaitedForRow = true
          continue
        }
        batch.push(entry)
        waiting.delete(entry)
      }
      return batch
    }

    /** The first command for each of a few rows on trial. */
    const takeTrials = (): ReadonlyArray<Waiting<C, A>> => {
      if (blocked.onTrial.size === 0) return []
      const trials: Array<Waiting<C, A>> = []
      const seen = new Set<string>()
      for (const entry of waiting) {
        if (trials.length === trialsMax) return trials
        const rows = Array.from(rowsOf(entry)).filter((row) => blocked.onTrial.has(row))
        const isFirst = rows.length > 0 && !rows.some((row) => seen.has(row))
        for (const row of rows) seen.add(row)
        if (!isFirst || needsAny(entry, blocked)) continue
        trials.push(entry)
        waiting.delete(entry)
      }
      // No command waits for the others any more.
      blocked.forget(Array.from(blocked.onTrial).filter((row) => !seen.has(row)))
      return trials
    }

    /** Puts commands back where they were in the order. */
    const putBack = (batch: ReadonlyArray<Waiting<C, A>>): void => {
      if (closed) return refuse(batch)
      const entries = batch.filter((entry) => !entry.isGone)
      if (entries.length === 0) return
      for (const entry of entries) entry.hasWaitedForRow = true
      waiting = new Set([...entries, ...waiting].sort((a, b) => a.number - b.number))
    }

    /** Puts back the commands that need blocked rows, and returns the others. */
    const putBackBlocked = (
      entries: ReadonlyArray<Waiting<C, A>>
    ): ReadonlyArray<Waiting<C, A>> => {
      if (blocked.size === 0) return entries
      putBack(entries.filter((entry) => needsAny(entry, blocked)))
      return entries.filter((entry) => !needsAny(entry, blocked))
    }

    const refuse = (entries: Iterable<Waiting<C, A>>): void => {
      for (const entry of entries) entry.resume(overloaded)
    }

    /** Refuses commands that have waited too long, so that those it takes are answered in time. */
    const shed = () => {
      const now = performance.now()
      for (const entry of waiting) {
        // Guard batch-wait: without it, Batcher.test "gathers while one batch" fails.
        if (now - entry.since < waitMs) break
        if (entry.hasWaitedForRow && now - entry.since < waitMs + extraWaitMs) continue
        waiting.delete(entry)
        entry.resume(overloaded)
      }
      if (waiting.size > 0) return
      clearInterval(shedding)
      shedding = undefined
    }

    const runOnce = (batch: ReadonlyArray<Waiting<C, A>>, waitsBriefly: boolean) =>
      // Suspended, so that what it throws fails the batch and not the batcher.
      Effect.exit(
        Effect.suspend(() =>
          options.run(
            batch.map((entry) => entry.command),
            waitsBriefly
          )
        )
      ).pipe(
        // Root span: a batch serves many callers, so it has no single parent.
        Effect.withSpan("Batcher.batch", { root: true, attributes: { size: batch.length } })
      )

    const runBatch = (entries: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
      Effect.gen(function* () {
        const batch = putBackBlocked(entries)
        if (batch.length === 0) return
        const isCareful = performance.now() - busyAt < carefulMs
        const waitsBriefly = isCareful && !batch.some((entry) => needsAny(entry, blocked.contested))
        const exit = yield* runOnce(batch, waitsBriefly)
        if (!isBusy(exit) && !isSlow(exit)) {
          forget(batch)
          return yield* settle(batch, exit)
        }
        if (locks === undefined) return fail(batch, exit)
        busyAt = performance.now()
        const locked = yield* ask(batch)
        if (!batch.some((entry) => needsAny(entry, locked))) {
          // A store that is slow for another reason gets no more to do.
          return isSlow(exit) ? fail(batch, exit) : yield* bisect(batch)
        }
        for (const [row, holder] of locked) blocked.add(row, holder, waitsBriefly)
        // The batcher runs the other commands at once: commands that come now may need the next
        // locked row.
        yield* runBatch(batch)
      })

    const settle = (
      batch: ReadonlyArray<Waiting<C, A>>,
      exit: Exit.Exit<ReadonlyArray<A>, StoreUnavailable>
    ): Effect.Effect<void> => {
      if (Exit.isSuccess(exit)) {
        for (let i = 0; i < batch.length; i++) batch[i]!.resume(Effect.succeed(exit.value[i]!))
        return Effect.void
      }
      // If one command makes a batch fail, the batch is bisected to isolate it, so the others are
      // not affected. A retryable failure would meet each half as well.
      // Guard batch-bad-command: without it, Batcher.test "tells a bad command" fails.
      if (batch.length > 1 && !isRetryable(exit)) return inHalves(batch, runBatch)
      fail(batch, exit)
      return Effect.void
    }

    const fail = (
      batch: ReadonlyArray<Waiting<C, A>>,
      exit: Exit.Exit<unknown, StoreUnavailable>
    ): void => {
      if (Exit.isSuccess(exit)) return
      for (const entry of batch) entry.resume(Effect.failCause(exit.cause))
    }

    /** Forgets what it remembered of the rows of a batch that was answered: the batch has locked them. */
    const forget = (batch: ReadonlyArray<Waiting<C, A>>): void => {
      if (blocked.remembersAny) for (const entry of batch) blocked.forget(rowsOf(entry))
    }

    const lockedRows = (commands: ReadonlyArray<C>) =>
      Effect.map(Effect.exit(Effect.suspend(() => locks!.lockedRows(commands))), (exit) => {
        askedAt = performance.now()
        return Exit.isSuccess(exit) ? exit.value : undefined
      })

    /** The locked rows of commands. If the store cannot answer, no row counts as locked. */
    const ask = (entries: ReadonlyArray<Waiting<C, A>>) =>
      Effect.map(
        lockedRows(entries.map(({ command }) => command)),
        (locked) => locked ?? new Map<string, string>()
      )

    /** The blocked rows that commands wait for, and as few of these as it takes to ask for each row. */
    const awaited = () => {
      const rows = new Set<string>()
      const commands: Array<C> = []
      for (const entry of waiting) {
        if (rows.size === blocked.size) break
        const before = rows.size
        for (const row of rowsOf(entry)) if (blocked.has(row)) rows.add(row)
        if (rows.size > before) commands.push(entry.command)
      }
      return { rows, commands }
    }

    /** Releases the blocked rows that are free, that only change hands, or that are due. */
    const release: Effect.Effect<void> = Effect.gen(function* () {
      const { rows, commands } = awaited()
      blocked.keepOnly(rows)
      if (rows.size === 0) return
      // A store that is away says nothing about its locks. The next question may be answered.
      const locked = yield* lockedRows(commands)
      if (locked !== undefined) blocked.release(locked)
    })

    /**
     * Finds the commands of a batch whose busy row the store does not show. One of the rows that such
     * a command inserts is another transaction's, so it blocks these.
     */
    const bisect = (batch: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
      Effect.gen(function* () {
        const endsAt = performance.now() + bisectMs
        const runPart = (entries: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
          Effect.gen(function* () {
            // A command that needs a row of an earlier, blocked command goes back behind it.
            const part = putBackBlocked(entries)
            if (part.length === 0) return
            if (closed || performance.now() > endsAt) return putBack(part)
            const exit = yield* runOnce(part, true)
            if (!isBusy(exit)) return yield* settle(part, exit)
            if (part.length > oneByOne) return yield* inHalves(part, runPart)
            if (part.length > 1) {
              return yield* Effect.forEach(part, (one) => runPart([one]), { discard: true })
            }
            yield* blockInserts(part[0]!, exit)
          })
        yield* runPart(batch)
        busyAt = performance.now()
      })

    /** Runs the command that tries for a row whose lock the store did not show. */
    const tryAlone = (entry: Waiting<C, A>): Effect.Effect<void> =>
      Effect.gen(function* () {
        if (closed || needsAny(entry, blocked)) return putBack([entry])
        const exit = yield* runOnce([entry], true)
        if (isBusy(exit)) return yield* blockInserts(entry, exit)
        forget([entry])
        yield* settle([entry], exit)
      })

    /** Puts back a command that alone met a busy row, or refuses it when that has happened before. */
    const blockInserts = (
      entry: Waiting<C, A>,
      exit: Exit.Exit<ReadonlyArray<A>, StoreUnavailable>
    ): Effect.Effect<void> =>
      Effect.map(ask([entry]), (locked) => {
        // If the store shows a lock now, an insert was not the cause.
        for (const [row, holder] of locked) blocked.add(row, holder, true)
        if (locked.size > 0) return putBack([entry])
        entry.fruitless = (entry.fruitless ?? 0) + 1
        // Guard batch-fruitless: with "false" for "entry.fruitless === fruitlessMax", Batcher.test "whose locked row is not shown" fails.
        if (entry.fruitless === fruitlessMax) fail([entry], exit)
        else putBack([entry])
        // One of the rows that it inserts is another transaction's. If it inserts none, any may be.
        const inserts = orNone(() => locks!.insertsOf(entry.command))
        for (const row of inserts.size > 0 ? inserts : rowsOf(entry)) {
          blocked.add(row, undefined, false)
        }
      })

    const pauseUntilWoken = Effect.suspend(() => {
      const woken = Effect.callback<void>((resume) => {
        wake = () => resume(Effect.void)
      })
      return Effect.raceFirst(woken, realPause(randomBetween(askEveryMs)))
    })

    const start = () => {
      if (running || closed || waiting.size === 0) return
      running = true
      fork(Effect.ensuring(loop, stop))
    }
    const stop = Effect.sync(() => {
      running = false
      whenIdle?.()
    })

    const loop: Effect.Effect<void> = Effect.gen(function* () {
      // Commands that were submitted in the same turn as the first travel with it.
      yield* Effect.yieldNow
      while (waiting.size > 0) {
        if (blocked.size > 0 && performance.now() - askedAt >= askEveryMs[0]) yield* release
        const batch = take()
        if (batch.length > 0) yield* runBatch(batch)
        const trials = takeTrials()
        yield* Effect.forEach(trials, tryAlone, { discard: true })
        if (batch.length + trials.length === 0 && waiting.size > 0) yield* pauseUntilWoken
      }
      // No command waits for the rows that are still blocked.
      blocked.clear()
      running = false
    })

    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        closed = true
        refuse(waiting)
        waiting.clear()
        clearInterval(shedding)
        wake?.()
        if (!running) return resume(Effect.void)
        whenIdle = () => resume(Effect.void)
      })
    )

    const enqueue = (command: C): Effect.Effect<A, Overloaded | StoreUnavailable> =>
      Effect.callback((resume) => {
        // Guard batch-capacity: without " || waiting.size >= options.capacity", Batcher.test "capacity commands wait" fails.
        if (closed || waiting.size >= options.capacity) return resume(overloaded)
        const since = performance.now()
        const entry: Waiting<C, A> = { command, number: submitted++, since, resume }
        // Commands of one locked row must not take the capacity from all others.
        // Guard batch-capacity-left: without it, Batcher.test "keeps places for others" fails.
        if (waiting.size >= options.capacity / 2 && needsAny(entry, blocked)) {
          return resume(overloaded)
        }
        waiting.add(entry)
        shedding ??= setInterval(shed, Math.max(100, waitMs / 4))
        start()
        if (!needsAny(entry, blocked)) wake?.()
        return Effect.sync(() => {
          entry.isGone = true
          waiting.delete(entry)
        })
      })
    const alone = (command: C): Effect.Effect<A, Overloaded | StoreUnavailable> =>
      closed ? overloaded : Effect.map(options.run([command], false), ([outcome]) => outcome!)

    return {
      submit: (command) =>
        Effect.withFiber((fiber) =>
          fiber.getRef(HostTransaction) === undefined ? enqueue(command) : alone(command)
        )
    }
  })

/** What a function gives, or no rows if it throws: then the batch of the command fails. */
const orNone = (rows: () => ReadonlySet<string> | undefined): ReadonlySet<string> => {
  try {
    return rows() ?? noRows
  } catch {
    return noRows
  }
}
const noRows: ReadonlySet<string> = new Set()

const randomBetween = ([low, high]: readonly [number, number]): number =>
  low + Math.random() * (high - low)

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

const isSlow = (exit: Exit.Exit<unknown, StoreUnavailable>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.isSlow === true)

const isRetryable = (exit: Exit.Exit<unknown, StoreUnavailable>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.retryable)

/**
 * Several batchers side by side. Commands of one key share a batcher and so keep their order, except
 * that one which waits for a locked row is passed by those that do not need that row. Unrelated
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
