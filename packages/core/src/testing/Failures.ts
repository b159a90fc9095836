/** Makes a store fail on request, in the ways in which a real one does. For tests. */
import { Clock, Context, Duration, Effect, Layer } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"
import { Overloaded, StoreUnavailable } from "../Errors.ts"
import type { Interval } from "../Interval.ts"

/**
 * What can be made to go wrong. A commit is what a command does in the end: join, status, leave,
 * hold, release, charge, pay, refund. What goes wrong next goes wrong once.
 */
export class Failures extends Context.Service<
  Failures,
  {
    /**
     * The next commit fails and nothing is done: `StoreUnavailable`, by default one that says that
     * trying again may help, as where the connection was lost before the commit.
     */
    readonly failNextCommit: (options?: { readonly retryable?: boolean | undefined }) => void
    /**
     * The next commit happens, but nobody hears of it: `StoreUnavailable`, retryable, as where the
     * connection was lost while waiting for the answer. With the same idempotency key, trying again
     * gives the answer of what has happened; without one, it happens twice.
     */
    readonly loseNextAnswer: () => void
    /**
     * The next batch of commands is refused and nothing is done: `Overloaded`, with
     * `retryAfterSeconds` (1 by default), as where too many wait.
     */
    readonly refuseNextCommand: (options?: {
      readonly retryAfterSeconds?: number | undefined
    }) => void
    /**
     * Nothing reaches the store, neither commands nor reads: `StoreUnavailable`, retryable. For a
     * while by the clock of the test, or until {@link bringStoreBack}.
     */
    readonly takeStoreAway: (options?: { readonly for?: Interval | undefined }) => void
    readonly bringStoreBack: () => void
    /** From now on each commit takes this long, by the clock of the test. */
    readonly slowCommits: (each: Interval) => void
    /** Nothing goes wrong any more. */
    readonly clear: () => void
  }
>()("@boxoffice/core/testing/Failures") {}

type Next = "fails" | "fails for good" | "is lost" | { readonly refusedFor: number }

/**
 * Puts {@link Failures} in front of a store.
 *
 * @example
 * ```ts
 * import { BoxOffice, layerOf } from "@boxoffice/core"
 * import { Failures, layerFailures, layerMemory } from "@boxoffice/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const Office = layerOf({
 *   signingKeys: { k1: "a secret of at least thirty-two bytes" }
 * }).pipe(Layer.provideMerge(layerFailures), Layer.provide(layerMemory))
 *
 * const test = Effect.gen(function* () {
 *   const { queue } = yield* BoxOffice
 *   const failures = yield* Failures
 *   yield* queue.create({ queueId: "main" })
 *   failures.failNextCommit()
 *   const error = yield* Effect.flip(queue.join({ queueId: "main", userId: "ada" }))
 *   console.log(error._tag)
 * })
 * await Effect.runPromise(Effect.provide(test, Office))
 * ```
 */
export const layerFailures: Layer.Layer<BoxOfficeStore | Failures, never, BoxOfficeStore> =
  Layer.effectContext(
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const clock = yield* Clock.Clock
      const now = () => clock.currentTimeMillisUnsafe()
      let next: Next | undefined
      let awayUntil = Number.NEGATIVE_INFINITY
      let commitMs = 0

      const unlessAway = <A>(operation: Effect.Effect<A, StoreUnavailable>) =>
        Effect.suspend(() =>
          now() < awayUntil ? Effect.fail(unavailable("the store is away")) : operation
        )
      const transact: BoxOfficeStore["Service"]["transact"] = (plan, decide) =>
        Effect.suspend(() => {
          const commit = store.transact(plan, decide)
          const what = next
          next = undefined
          switch (what) {
            case undefined:
              return commit
            case "fails":
              return Effect.fail(unavailable("the commit was made to fail"))
            case "fails for good":
              return Effect.fail(unavailable("the commit was made to fail", false))
            case "is lost":
              return Effect.andThen(commit, Effect.fail(unavailable("the answer was lost")))
            default:
              return Effect.fail(overloaded(what.refusedFor))
          }
        })

      /** An operation, or a part of the store with operations of its own, such as the outbox. */
      const guard = (operation: unknown): unknown => {
        if (Effect.isEffect(operation)) return unlessAway(operation as ReturnType<Operation>)
        if (typeof operation === "function") {
          return (...args: ReadonlyArray<never>) =>
            unlessAway(Effect.suspend(() => (operation as Operation)(...args)))
        }
        return guardAll(operation as object)
      }
      const guardAll = (operations: object) =>
        Object.fromEntries(
          Object.entries(operations).map(([name, operation]) => [name, guard(operation)])
        )
      const guarded = guardAll({
        ...store,
        transact: slowly(() => commitMs, transact)
      }) as unknown as BoxOfficeStore["Service"]

      return Context.make(BoxOfficeStore, guarded).pipe(
        Context.add(Failures, {
          failNextCommit: ({ retryable = true } = {}) => {
            next = retryable ? "fails" : "fails for good"
          },
          loseNextAnswer: () => {
            next = "is lost"
          },
          refuseNextCommand: ({ retryAfterSeconds = 1 } = {}) => {
            next = { refusedFor: retryAfterSeconds }
          },
          takeStoreAway: (options = {}) => {
            awayUntil = options.for === undefined ? Infinity : now() + millis(options.for)
          },
          bringStoreBack: () => {
            awayUntil = Number.NEGATIVE_INFINITY
          },
          slowCommits: (each) => {
            commitMs = millis(each)
          },
          clear: () => {
            next = undefined
            awayUntil = Number.NEGATIVE_INFINITY
            commitMs = 0
          }
        })
      )
    })
  )

type Operation = (...args: ReadonlyArray<never>) => Effect.Effect<unknown, StoreUnavailable>

const millis = (interval: Interval): number => Duration.toMillis(interval)

const slowly =
  (
    ms: () => number,
    transact: BoxOfficeStore["Service"]["transact"]
  ): BoxOfficeStore["Service"]["transact"] =>
  (plan, decide) =>
    Effect.suspend(() => {
      const commit = transact(plan, decide)
      return ms() > 0 ? Effect.delay(commit, ms()) : commit
    })

const unavailable = (cause: string, retryable = true) =>
  new StoreUnavailable({ retryable, cause: new Error(cause) })

/**
 * The lanes say so, not a store, so its type cannot; but whoever waits in a lane expects it. It is
 * everyone's in the batch: a lane looks for the one bad command only where nothing is `retryable`.
 */
const overloaded = (retryAfterSeconds: number): never =>
  Object.defineProperty(new Overloaded({ retryAfterSeconds }), "retryable", {
    value: true
  }) as never
