/** Events, as promises: `for await`, in place of a stream. */
import type { ConsumeOptions, EventType, RecordedEvent } from "../EventFeed.ts"
import type { ConsumerStatus, StartingPoint } from "../events/Outbox.ts"
import type { CallOptions } from "./outcome.ts"

/**
 * What has happened, for named consumers. Every operation can reject with `request_invalid` and
 * `store_unavailable`.
 */
export interface PromisedEvents {
  /**
   * The events behind the consumer's place, and then those that happen. Asking for the next one
   * acknowledges the one before: an event whose turn of the loop throws, or ends in `break`, comes
   * again. Aborting the signal ends the loop, and what was being handled counts as done.
   *
   * Throws `ConsumerMisplaced` where {@link recover} has to be called first, and
   * `EventsUnreadable` in front of an event that only a newer version of the package knows.
   *
   * @example
   * ```ts
   * import type { PromisedBoxOffice } from "@boxoffice/core"
   *
   * const mailer = async (office: PromisedBoxOffice, stop: AbortSignal) => {
   *   const types = ["ReservationPaid"] as const
   *   for await (const { id, event } of office.events.consume("mailer", { types, signal: stop })) {
   *     console.log(id, event.userId, event.amount.amount)
   *   }
   * }
   * ```
   */
  readonly consume: <Type extends EventType = EventType>(
    consumer: string,
    options?: ConsumeOptions<Type> & CallOptions
  ) => AsyncIterable<RecordedEvent<Type>>

  /** All consumers that there are. */
  readonly consumers: (options?: CallOptions) => Promise<ReadonlyArray<ConsumerStatus>>

  /** Sets a consumer to the beginning, or behind all that has happened. False if unknown. */
  readonly reset: (consumer: string, to: StartingPoint, options?: CallOptions) => Promise<boolean>

  /**
   * After a dump was restored, or the server upgraded: finds every misplaced consumer a place at
   * which it misses nothing, and sees some events again. Gives their names.
   */
  readonly recover: (options?: CallOptions) => Promise<ReadonlyArray<string>>

  /** Forgets a consumer, so that events need not be kept for it. False if unknown. */
  readonly remove: (consumer: string, options?: CallOptions) => Promise<boolean>

  /** Deletes what is older, in milliseconds, and passed by every consumer. Gives the batches. */
  readonly prune: (
    input: { readonly olderThanMs: number },
    options?: CallOptions
  ) => Promise<number>
}
