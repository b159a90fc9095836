/**
 * Group commit. While one batch is in flight the next one gathers; an idle lane takes a command at
 * once. There is no timer.
 *
 *     submit ─▶ [ waiting, bounded ] ─▶ batch ─▶ run ─▶ each caller gets its own outcome
 *
 * Where somebody else holds a row for long, only those who need that row wait for it. Where the lane
 * is too far behind, it refuses rather than let everyone wait: see `waitMs`.
 *
 * A command of a host's transaction cannot share a batch with those of others: it runs alone.
 */
import { Effect, Exit, type Scope, Semaphore } from "effect"
import { Overloaded, type StoreUnavailable } from "../Errors.ts"
import { HostTransaction } from "../HostTransaction.ts"

export interface Batcher<C, A> {
  /**
   * Waits for the command's outcome. Interrupting the caller before a batch has taken the command
   * drops it; after that the command takes its course and nobody hears of it.
   */
  readonly submit: (command: C) => Effect.Effect<A, Overloaded | StoreUnavailable>
}

export interface BatcherOptions<C, A> {
  /** Runs a batch; the outcomes come in the order of the commands. */
  readonly run: (batch: ReadonlyArray<C>) => Effect.Effect<ReadonlyArray<A>, StoreUnavailable>
  /** How many commands may wait before new ones are refused with `Overloaded`. */
  readonly capacity: number
  /** The most commands in one batch. */
  readonly batchSize: number
  /** Commands of one key need the same rows, where `rowKeyOf` does not say otherwise. */
  readonly keyOf?: ((command: C) => string) | undefined
  /**
   * Which commands need the same rows, where those of one lane key need others as well: so the users of
   * a queue, whose own places may be locked one by one. Without a key a command stands for itself.
   */
  readonly rowKeyOf?: ((command: C) => string | undefined) | undefined
  /** The longest that a command waits to be taken, in milliseconds, before it is refused. */
  readonly waitMs?: number | undefined
}

interface Waiting<C, A> {
  readonly command: C
  /** By the machine's own clock: how far a lane is behind has nothing to do with a test's time. */
  readonly since: number
  readonly resume: (outcome: Effect.Effect<A, Overloaded | StoreUnavailable>) => void
}

const waitMsDefault = 10_000
/** How often a command that finds its row busy is tried, each time for as long as the store waits. */
const busyTries = 10
/** The longest that a busy row is looked for once a command was taken, in milliseconds. */
const busyMs = 20_000
/** How many transactions of a lane look for busy rows at once, beside the one that goes on. */
const busyAtOnce = 3
/** How many batches may be looked through at once; the commands of more are refused for now. */
const asideMax = 4
/** Into how many parts a batch is divided to look for a busy row: each may wait as long as the store does. */
const partsOfBusy = 8

const overloaded = Effect.suspend(() => Effect.fail(new Overloaded({ retryAfterSeconds: 1 })))

/** Opens a lane. Closing the scope lets the batch in flight end and refuses what still waits. */
export const makeBatcher = <C, A>(
  options: BatcherOptions<C, A>
): Effect.Effect<Batcher<C, A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    // In order of submission. A set, so that a command is dropped from wherever it stands.
    const waiting = new Set<Waiting<C, A>>()
    let running = false
    let closed = false
    // Batches that look for a busy row, beside the one in flight.
    let aside = 0
    let whenIdle: (() => void) | undefined
    const waitMs = options.waitMs ?? waitMsDefault
    const asideAtOnce = yield* Semaphore.make(busyAtOnce)
    // Of these keys there are commands aside: the next ones wait behind them, in their order, and keep
    // no other batch waiting for the same row.
    const busyKeys = new Set<unknown>()
    const rowKeyOf = options.rowKeyOf ?? options.keyOf
    const keyOf = (entry: Waiting<C, A>): unknown => rowKeyOf?.(entry.command) ?? entry
    let shedding: NodeJS.Timeout | undefined
    const context = yield* Effect.context<never>()
    const fork = Effect.runForkWith(context)

    const take = (): Array<Waiting<C, A>> => {
      shed()
      const batch: Array<Waiting<C, A>> = []
      for (const entry of waiting) {
        if (batch.length === options.batchSize) break
        if (busyKeys.has(keyOf(entry))) continue
        batch.push(entry)
        waiting.delete(entry)
      }
      return batch
    }

    /** Refuses those who have waited too long, so that whoever is taken is answered in time. */
    const shed = () => {
      const before = performance.now() - waitMs
      for (const entry of waiting) {
        if (entry.since > before) break
        waiting.delete(entry)
        entry.resume(overloaded)
      }
      if (waiting.size > 0) return
      clearInterval(shedding)
      shedding = undefined
    }

    /**
     * Somebody else holds a row of a batch, and no other command of it has to wait for that: looks
     * for the busy ones in parts, while the lane goes on with the next batch. Commands of one key need
     * the same row, so that they stay together: however many there are, they keep nobody else back.
     */
    const runAside = (batch: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
      Effect.forEach(partsOf(batch), (part) => runPart(part, 1), {
        concurrency: "unbounded",
        discard: true
      })

    const runPart = (part: ReadonlyArray<Waiting<C, A>>, tries: number): Effect.Effect<void> =>
      Semaphore.withPermit(
        asideAtOnce,
        Effect.suspend(() =>
          isOver(part) ? Effect.succeed(undefined) : Effect.exit(runOnce(part))
        )
      ).pipe(
        Effect.flatMap((exit) => {
          if (exit === undefined) return refuse(part)
          if (!isBusy(exit)) return settleAll(part, exit)
          if (partsOf(part).length > 1) return runAside(part)
          return tries < busyTries ? runPart(part, tries + 1) : settleAll(part, exit)
        })
      )

    /** By their keys, into so many parts at the most; those of one key are one part. */
    const partsOf = (batch: ReadonlyArray<Waiting<C, A>>) => {
      const byKey = new Map<unknown, Array<Waiting<C, A>>>()
      for (const entry of batch) {
        const key = keyOf(entry)
        byKey.set(key, [...(byKey.get(key) ?? []), entry])
      }
      const groups = Array.from(byKey.values())
      const size = Math.ceil(groups.length / partsOfBusy)
      return Array.from({ length: Math.ceil(groups.length / size) }, (_, i) =>
        groups.slice(i * size, (i + 1) * size).flat()
      )
    }

    /** Whether the first of them has been looked for long enough, or the lane closes. */
    const isOver = ([first]: ReadonlyArray<Waiting<C, A>>): boolean =>
      closed || performance.now() - first!.since > waitMs + busyMs

    /** Nothing of them was done. */
    const refuse = (batch: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
      Effect.sync(() => {
        for (const entry of batch) entry.resume(overloaded)
      })

    const runOnce = (batch: ReadonlyArray<Waiting<C, A>>) =>
      options.run(batch.map((entry) => entry.command)).pipe(
        // A batch is nobody's child: it is for all of its callers.
        Effect.withSpan("Batcher.batch", { root: true, attributes: { size: batch.length } })
      )

    const settleAll = (
      batch: ReadonlyArray<Waiting<C, A>>,
      exit: Exit.Exit<ReadonlyArray<A>, StoreUnavailable>
    ): Effect.Effect<void> => {
      if (Exit.isSuccess(exit)) {
        for (let i = 0; i < batch.length; i++) batch[i]!.resume(Effect.succeed(exit.value[i]!))
        return Effect.void
      }
      // One bad command must not fail its neighbours: look for it in halves. A store that is
      // away stays away, so a retryable failure is everyone's.
      if (batch.length > 1 && !isRetryable(exit)) {
        const half = batch.length >> 1
        return Effect.andThen(runBatch(batch.slice(0, half)), runBatch(batch.slice(half)))
      }
      const failure = Effect.failCause(exit.cause)
      for (const entry of batch) entry.resume(failure)
      return Effect.void
    }

    const runBatch = (batch: ReadonlyArray<Waiting<C, A>>): Effect.Effect<void> =>
      Effect.flatMap(Effect.exit(runOnce(batch)), (exit) => {
        if (!isBusy(exit)) return settleAll(batch, exit)
        if (aside === asideMax) return refuse(batch)
        aside++
        const done = Effect.sync(() => {
          aside--
          if (aside === 0 && !running) whenIdle?.()
        })
        return Effect.sync(() => void fork(Effect.andThen(runAside(holdingBack(batch)), done)))
      })

    /** Holds back the next commands of each key until the last one of the batch is answered. */
    const holdingBack = (batch: ReadonlyArray<Waiting<C, A>>): ReadonlyArray<Waiting<C, A>> => {
      const left = new Map<unknown, number>()
      for (const entry of batch) {
        const key = keyOf(entry)
        left.set(key, (left.get(key) ?? 0) + 1)
        busyKeys.add(key)
      }
      return batch.map((entry) => {
        const key = keyOf(entry)
        return {
          ...entry,
          resume: (outcome) => {
            entry.resume(outcome)
            left.set(key, left.get(key)! - 1)
            if (left.get(key)! > 0) return
            busyKeys.delete(key)
            start()
          }
        }
      })
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
        const batch = take()
        if (batch.length === 0) break
        yield* runBatch(batch)
      }
      running = false
      if (aside === 0) whenIdle?.()
    })

    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        closed = true
        for (const entry of waiting) entry.resume(overloaded)
        waiting.clear()
        clearInterval(shedding)
        if (!running && aside === 0) return resume(Effect.void)
        whenIdle = () => resume(Effect.void)
      })
    )

    const enqueue = (command: C): Effect.Effect<A, Overloaded | StoreUnavailable> =>
      Effect.callback((resume) => {
        if (closed || waiting.size >= options.capacity) return resume(overloaded)
        const entry: Waiting<C, A> = { command, since: performance.now(), resume }
        waiting.add(entry)
        shedding ??= setInterval(shed, Math.max(100, waitMs / 4))
        start()
        return Effect.sync(() => waiting.delete(entry))
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

const isBusy = (exit: Exit.Exit<unknown, StoreUnavailable>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.isBusy === true)

const isRetryable = (exit: Exit.Exit<unknown, StoreUnavailable>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.retryable)

/**
 * Several lanes side by side. Commands of one key always share a lane and so keep their order;
 * unrelated ones mostly do not wait for each other.
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
        batchers[hashOf(options.keyOf(command)) % batchers.length]!.submit(command)
    }
  })

/** FNV-1a: spreads keys over lanes. */
const hashOf = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}
