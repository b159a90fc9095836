/** Runs the event feed for a host that does not use Effect. */
import { type Context, Effect, Stream } from "effect"
import type { EventFeed } from "../EventFeed.ts"
import type { PromisedEvents } from "./events.ts"
import { type PromiseRunner, valueOf } from "./operations.ts"

export const promisedEvents = (
  feed: EventFeed["Service"],
  outcome: PromiseRunner["outcome"],
  context: Context.Context<never>
): PromisedEvents => ({
  async *consume(consumer, { signal, ...options } = {}) {
    const events = feed.consume(consumer, options)
    const stream = signal ? Stream.interruptWhen(events, aborted(signal)) : events
    for await (const { acknowledge, ...recorded } of Stream.toAsyncIterableWith(stream, context)) {
      yield recorded
      await Effect.runPromiseWith(context)(acknowledge)
      // The stream may have buffered events, which it would emit before it notices the abort.
      if (signal?.aborted) return
    }
  },
  consumers: (options) => valueOf(outcome(feed.consumers(), options)),
  reset: (consumer, to, options) => valueOf(outcome(feed.reset(consumer, to), options)),
  recover: (options) => valueOf(outcome(feed.recover(), options)),
  remove: (consumer, options) => valueOf(outcome(feed.remove(consumer), options)),
  prune: (input, options) => valueOf(outcome(feed.prune(input), options))
})

/** Succeeds once the signal is aborted. */
export const aborted = (signal: AbortSignal): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const abort = () => resume(Effect.void)
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  })
