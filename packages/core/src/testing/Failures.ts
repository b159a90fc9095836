/** Makes a store fail on request, in the ways in which a real store fails. For tests. */
import { Clock, Context, Duration, Effect, Latch, Layer } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"
import { Overloaded, StoreUnavailable } from "../Errors.ts"
import type { Interval } from "../Interval.ts"

/**
 * The failures that a test can inject. A "commit" is that of a command: join, status, leave, hold,
 * release, charge, pay or refund. A failure of the "next" commit or command happens once.
 */
export class Failures extends Context.Service<
  Failures,
  {
    /**
     * The next commit fails with `StoreUnavailable` and nothing is done, as if the connection was
     * lost before the commit. `retryable` is true by default.
     */
    readonly failNextCommit: (options?: { readonly retryable?: boolean | undefined }) => void
    /**
     * The next commit succeeds, but its answer is lost: the caller gets `StoreUnavailable`,
     * retryable, as if the connection was lost after the commit. A retry with the same idempotency
     * key gets the recorded outcome; a retry without a key runs the command twice.
     */
    readonly loseNextAnswer: () => void
    /**
     * The next batch of commands is refused with `Overloaded` and nothing is done, as if too many
     * commands were waiting. `retryAfterSeconds` is 1 by default.
     */
    readonly refuseNextCommand: (options?: {
      readonly retryAfterSeconds?: number | undefined
    }) => void
    /**
     * The store is down for commands and reads: `StoreUnavailable`, retryable. It lasts for the
     * given time by the test's clock, or until {@link bringStoreBack}.
     */
    readonly takeStoreAway: (options?: { readonly for?: Interval | undefined }) => void
    readonly bringStoreBack: () => void
    /** From now on, each commit takes this long by the test's clock. */
    readonly slowCommits: (each: Interval) => void
    /** Removes all injected failures, and ends the wait of slow commits. */
    readonly clear: () => void
  }
>()("@boxoffice/core/testing/Failures") {}

type Next = "fails" | "fails for good" | "is lost" | { readonly refusedFor: number }

/**
 * Wraps a store so that {@link Failures} can make it fail.
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
      let cleared = Latch.makeUnsafe(false)

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

      /** Wraps an operation, or a part of the store with its own operations, such as the outbox. */
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
        transact: ((plan, decide) =>
          Effect.suspend(() => {
            const commit = transact(plan, decide)
            if (commitMs === 0) return commit
            const slow = Effect.raceFirst(Effect.sleep(commitMs), cleared.await)
            return Effect.andThen(slow, commit)
          })) satisfies BoxOfficeStore["Service"]["transact"]
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
            cleared.openUnsafe()
            cleared = Latch.makeUnsafe(false)
          }
        })
      )
    })
  )

type Operation = (...args: ReadonlyArray<never>) => Effect.Effect<unknown, StoreUnavailable>

const millis = (interval: Interval): number => Duration.toMillis(interval)

const unavailable = (cause: string, retryable = true) =>
  new StoreUnavailable({ retryable, cause: new Error(cause) })

/**
 * `Overloaded` comes from a batcher and not from a store, so the type of `transact` does not have
 * it, but the callers of a batcher expect it. It is marked `retryable`, so that the batcher refuses
 * the whole batch with it and does not bisect the batch to isolate one bad command.
 */
const overloaded = (retryAfterSeconds: number): never =>
  Object.defineProperty(new Overloaded({ retryAfterSeconds }), "retryable", {
    value: true
  }) as never
