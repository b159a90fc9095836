/**
 * Runs the batches of a batcher, and finds what keeps a batch from its locks.
 *
 *     run ─┬─ done, or failed ─▶ each caller gets its own outcome; a bad command is found by bisection
 *          └─ a row is busy ─▶ which rows are locked?
 *                 ├─ these ─▶ blocked: the others of the batch run at once, without them
 *                 └─ none is shown ─▶ bisect with brief waits; block what the busy command inserts
 *
 * Holds, beside the waiting commands and their blocked rows: when a row was last busy, and when the
 * store was last asked for locks.
 */
import { Effect, Exit } from "effect"
import type { StoreUnavailable } from "../Errors.ts"
import { orNone, type RowLocks, type Waiting, type WaitingCommands } from "./WaitingCommands.ts"

type Entries<C, A> = ReadonlyArray<Waiting<C, A>>

export interface BatchRuns<C, A> {
  /** Runs a batch, until each of its commands has an outcome or waits again. */
  readonly runBatch: (batch: Entries<C, A>) => Effect.Effect<void>
  /** Runs the command that tries for a row whose lock the store did not show. */
  readonly tryAlone: (entry: Waiting<C, A>) => Effect.Effect<void>
  /** Releases the blocked rows that are free, that only change hands, or that are due. */
  readonly release: Effect.Effect<void>
}

/** How often the store is asked for the locks of blocked rows at most, in milliseconds. */
export const askEveryMs = 50
/** For how long after a locked row batches wait briefly for locks, in milliseconds. */
const carefulMs = 5_000
/** Up to how many commands a bisection tries one by one: each half that fails costs a wait. */
const oneByOne = 16
/** How long a batch is bisected at most, in milliseconds, before other commands have their turn. */
const bisectMs = 3_000
/** How often a command tries alone for a row whose lock the store does not show. */
const fruitlessMax = 2

export const makeBatchRuns = <C, A>(
  waiting: WaitingCommands<C, A>,
  run: (
    batch: ReadonlyArray<C>,
    waitsBriefly: boolean
  ) => Effect.Effect<ReadonlyArray<A>, StoreUnavailable>,
  locks: RowLocks<C> | undefined
): BatchRuns<C, A> => {
  const { blocked } = waiting
  let busyAt = Number.NEGATIVE_INFINITY
  let askedAt = Number.NEGATIVE_INFINITY

  const runOnce = (batch: Entries<C, A>, waitsBriefly: boolean) =>
    // Suspended, so that what it throws fails the batch and not the batcher.
    Effect.exit(
      Effect.suspend(() =>
        run(
          batch.map((entry) => entry.command),
          waitsBriefly
        )
      )
    ).pipe(
      // Root span: a batch serves many callers, so it has no single parent.
      Effect.withSpan("Batcher.batch", { root: true, attributes: { size: batch.length } })
    )

  const runBatch = (entries: Entries<C, A>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const batch = waiting.putBackBlocked(entries)
      if (batch.length === 0) return
      const isCareful = performance.now() - busyAt < carefulMs
      const waitsBriefly =
        isCareful && !batch.some((entry) => waiting.needsAny(entry, blocked.contested))
      const exit = yield* runOnce(batch, waitsBriefly)
      if (!isBusy(exit) && !isSlow(exit)) {
        forget(batch)
        return yield* settle(batch, exit)
      }
      if (locks === undefined) return fail(batch, exit)
      busyAt = performance.now()
      const locked = yield* ask(batch)
      if (!batch.some((entry) => waiting.needsAny(entry, locked))) {
        // A store that is slow for another reason gets no more to do.
        return isSlow(exit) ? fail(batch, exit) : yield* bisect(batch)
      }
      for (const [row, holder] of locked) blocked.add(row, holder, waitsBriefly)
      // The batcher runs the other commands at once: commands that come now may need the next
      // locked row.
      yield* runBatch(batch)
    })

  const settle = (
    batch: Entries<C, A>,
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

  const fail = (batch: Entries<C, A>, exit: Exit.Exit<unknown, StoreUnavailable>): void => {
    if (Exit.isSuccess(exit)) return
    for (const entry of batch) entry.resume(Effect.failCause(exit.cause))
  }

  /** Forgets what it remembered of the rows of a batch that was answered: the batch has locked them. */
  const forget = (batch: Entries<C, A>): void => {
    if (blocked.remembersAny) for (const entry of batch) blocked.forget(waiting.rowsOf(entry))
  }

  const lockedRows = (commands: ReadonlyArray<C>) =>
    Effect.map(Effect.exit(Effect.suspend(() => locks!.lockedRows(commands))), (exit) => {
      askedAt = performance.now()
      return Exit.isSuccess(exit) ? exit.value : undefined
    })

  /** The locked rows of commands. If the store cannot answer, no row counts as locked. */
  const ask = (entries: Entries<C, A>) =>
    Effect.map(
      lockedRows(entries.map(({ command }) => command)),
      (locked) => locked ?? new Map<string, string>()
    )

  /** Releases the blocked rows that are free, that only change hands, or that are due. */
  const release: Effect.Effect<void> = Effect.gen(function* () {
    if (performance.now() - askedAt < askEveryMs) return
    const { rows, commands } = waiting.awaited()
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
  const bisect = (batch: Entries<C, A>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const endsAt = performance.now() + bisectMs
      const runPart = (entries: Entries<C, A>): Effect.Effect<void> =>
        Effect.gen(function* () {
          // A command that needs a row of an earlier, blocked command goes back behind it.
          const part = waiting.putBackBlocked(entries)
          if (part.length === 0) return
          if (waiting.isClosed || performance.now() > endsAt) return waiting.putBack(part)
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
      if (waiting.isClosed || waiting.needsAny(entry, blocked)) return waiting.putBack([entry])
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
      if (locked.size > 0) return waiting.putBack([entry])
      entry.fruitless = (entry.fruitless ?? 0) + 1
      // Guard batch-fruitless: with "false" for "entry.fruitless === fruitlessMax", Batcher.test "whose locked row is not shown" fails.
      if (entry.fruitless === fruitlessMax) fail([entry], exit)
      else waiting.putBack([entry])
      // One of the rows that it inserts is another transaction's. If it inserts none, any may be.
      const inserts = orNone(() => locks!.insertsOf(entry.command))
      for (const row of inserts.size > 0 ? inserts : waiting.rowsOf(entry)) {
        blocked.add(row, undefined, false)
      }
    })

  return { runBatch, tryAlone, release }
}

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
