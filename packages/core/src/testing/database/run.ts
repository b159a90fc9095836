/** Runs the statements of a session as effects, on Effect's clock. */
import { Clock, Effect, Exit, Option } from "effect"
import {
  DatabaseError,
  deadlocked,
  lockTimedOut,
  statementTimedOut,
  terminated
} from "./DatabaseError.ts"
import type { Session } from "./Session.ts"
import type { Pause, Steps, Wait } from "./Transaction.ts"

/** After how long a statement that waits looks whether it waits for itself, in milliseconds. */
const deadlockTimeoutMs = 1_000

/** Since when a statement waits, and since when for what it waits for now. */
interface Since {
  statement: number | undefined
  wait: number
  what: object | undefined
}

/** Lets other sessions go first at a point; `undefined` lets none. */
export type Pausing = ((point: string) => Effect.Effect<void> | undefined) | undefined

/**
 * Runs statements to their end. They wait where another transaction has what they need, and at each
 * pause as long as `pause` says.
 */
export const run = <A>(
  session: Session,
  steps: Steps<A>,
  pause: Pausing
): Effect.Effect<A, DatabaseError> => Effect.suspend(() => begin(session, steps, pause))

/** Runs statements now, up to the first wait. Gives what follows: an `Exit` if they have ended. */
export const begin = <A>(
  session: Session,
  steps: Steps<A>,
  pause: Pausing
): Effect.Effect<A, DatabaseError> => {
  const since: Since = { statement: undefined, wait: 0, what: undefined }
  const goOn = (error: DatabaseError | undefined): Effect.Effect<A, DatabaseError> => {
    let next = () => (error === undefined ? steps.next() : steps.throw(error))
    for (;;) {
      let step: IteratorResult<Wait | Pause, A>
      try {
        step = next()
      } catch (failure) {
        return failure instanceof DatabaseError ? Exit.fail(failure) : Exit.die(failure)
      }
      if (step.done) return Exit.succeed(step.value)
      if ("on" in step.value) {
        const waited = Effect.tap(
          waitFor(session, step.value, since),
          () => pause?.("after a wait") ?? Effect.void
        )
        return Effect.flatMap(waited, goOn)
      }
      // What follows is another statement.
      since.statement = undefined
      const paused = pause?.(step.value.point)
      if (paused !== undefined) return Effect.flatMap(paused, () => goOn(undefined))
      next = () => steps.next()
    }
  }
  return goOn(undefined)
}

/** Waits. Gives the error that ends the statement, if one does. */
const waitFor = (
  session: Session,
  wait: Wait,
  since: Since
): Effect.Effect<DatabaseError | undefined> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    since.statement ??= now
    if (since.what !== wait.what) since.wait = now
    since.what = wait.what
    // The statement keeps its place among those that wait, however often it looks up.
    let isAwake = false
    let notify = () => {}
    session.waitingFor = wait
    session.wake = () => {
      session.waitingFor = undefined
      isAwake = true
      notify()
    }
    wait.on.waiters.add(session)
    const woken = Effect.callback<void>((resume) => {
      notify = () => resume(Effect.void)
      if (isAwake) notify()
    })
    const ended = yield* untilWoken(session, woken, since)
    if (session.isOver) return terminated()
    return isAwake ? undefined : ended
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        wait.on.waiters.delete(session)
        session.waitingFor = undefined
        session.wake = undefined
      })
    )
  )

const untilWoken = (
  session: Session,
  woken: Effect.Effect<void>,
  since: Since
): Effect.Effect<DatabaseError | undefined> =>
  Effect.gen(function* () {
    const after = (from: number, ms: number) => (ms === 0 ? Number.POSITIVE_INFINITY : from + ms)
    const lockTimeoutAt = after(since.wait, session.lockTimeoutMs)
    const statementTimeoutAt = after(since.statement!, session.statementTimeoutMs)
    let deadlockCheckAt = since.wait + deadlockTimeoutMs
    for (;;) {
      const until = Math.min(lockTimeoutAt, statementTimeoutAt, deadlockCheckAt)
      const left = until - (yield* Clock.currentTimeMillis)
      const end =
        left === Number.POSITIVE_INFINITY
          ? Effect.asSome(woken)
          : Effect.timeoutOption(woken, Math.max(0, left))
      if (Option.isSome(yield* end)) return undefined
      if (until === lockTimeoutAt) return lockTimedOut()
      if (until === statementTimeoutAt) return statementTimedOut()
      if (session.database.isDeadlocked(session)) return deadlocked()
      deadlockCheckAt = Number.POSITIVE_INFINITY
    }
  })
