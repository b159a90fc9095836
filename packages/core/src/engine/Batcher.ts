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
import { Effect, type Scope } from "effect"
import type { Overloaded, StoreUnavailable } from "../Errors.ts"
import { HostTransaction } from "../HostTransaction.ts"
import { askEveryMs, makeBatchRuns } from "./batchRuns.ts"
import { fnv1a } from "./fnv.ts"
import { realPause } from "./realPause.ts"
import { overloaded, WaitingCommands, type WaitingOptions } from "./WaitingCommands.ts"

export interface Batcher<C, A> {
  /**
   * Waits for the command's outcome. Interrupting the caller before a batch has taken the command
   * drops it; after that the command takes its course without the caller.
   */
  readonly submit: (command: C) => Effect.Effect<A, Overloaded | StoreUnavailable>
}

export interface BatcherOptions<C, A> extends WaitingOptions<C> {
  /**
   * Runs a batch; the outcomes come in the order of the commands. With `waitsBriefly` it waits only a
   * moment for locks.
   */
  readonly run: (
    batch: ReadonlyArray<C>,
    waitsBriefly: boolean
  ) => Effect.Effect<ReadonlyArray<A>, StoreUnavailable>
  /** The most commands in one batch. */
  readonly batchSize: number
}

/** How long a batcher pauses whose commands all need blocked rows: at most so much longer, at random. */
const pauseSpreadMs = 200

/** Opens a batcher. Closing the scope lets the batch in flight end and refuses what still waits. */
export const makeBatcher = <C, A>(
  options: BatcherOptions<C, A>
): Effect.Effect<Batcher<C, A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting = new WaitingCommands<C, A>(options)
    const { blocked } = waiting
    const { runBatch, tryAlone, release } = makeBatchRuns(waiting, options.run, options.locks)
    let running = false
    let whenIdle: (() => void) | undefined
    /** Ends the pause of a batcher whose waiting commands all need blocked rows. */
    let wake: (() => void) | undefined
    const fork = Effect.runForkWith(yield* Effect.context<never>())

    const loop: Effect.Effect<void> = Effect.gen(function* () {
      // Commands that were submitted in the same turn as the first travel with it.
      yield* Effect.yieldNow
      while (waiting.size > 0) {
        if (blocked.size > 0) yield* release
        const batch = waiting.take(options.batchSize)
        if (batch.length > 0) yield* runBatch(batch)
        const trials = waiting.takeTrials()
        yield* Effect.forEach(trials, tryAlone, { discard: true })
        if (batch.length + trials.length === 0 && waiting.size > 0) yield* pauseUntilWoken
      }
      // No command waits for the rows that are still blocked.
      blocked.clear()
      running = false
    })
    const pauseUntilWoken = Effect.suspend(() => {
      const woken = Effect.callback<void>((resume) => {
        wake = () => resume(Effect.void)
      })
      return Effect.raceFirst(woken, realPause(askEveryMs + Math.random() * pauseSpreadMs))
    })
    const start = () => {
      if (running || waiting.isClosed || waiting.size === 0) return
      running = true
      fork(Effect.ensuring(loop, stop))
    }
    const stop = Effect.sync(() => {
      running = false
      whenIdle?.()
    })

    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        waiting.close()
        wake?.()
        if (!running) return resume(Effect.void)
        whenIdle = () => resume(Effect.void)
      })
    )

    const enqueue = (command: C): Effect.Effect<A, Overloaded | StoreUnavailable> =>
      Effect.callback((resume) => {
        const entry = waiting.add(command, resume)
        if (entry === undefined) return resume(overloaded)
        start()
        if (!waiting.needsAny(entry, blocked)) wake?.()
        return Effect.sync(() => waiting.drop(entry))
      })
    const alone = (command: C): Effect.Effect<A, Overloaded | StoreUnavailable> =>
      waiting.isClosed
        ? overloaded
        : Effect.map(options.run([command], false), ([outcome]) => outcome!)

    return {
      submit: (command) =>
        Effect.withFiber((fiber) =>
          fiber.getRef(HostTransaction) === undefined ? enqueue(command) : alone(command)
        )
    }
  })

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
