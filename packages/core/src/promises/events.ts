/** The event feed as promises: `for await` in place of a stream. */
import type { ConsumeOptions, EventType, RecordedEvent } from "../EventFeed.ts"
import type { ConsumerStatus, StartingPoint } from "../events/Outbox.ts"
import type { CallOptions } from "./outcome.ts"

/**
 * The events of the engine, for named consumers. Every operation can reject with `request_invalid`
 * and `store_unavailable`.
 */
export interface PromisedEvents {
  /**
   * The events after the consumer's cursor, and then new ones as they are committed. The loop
   * acknowledges an event when it asks for the next one: if its body throws or breaks, the event
   * comes again. Aborting the signal ends the loop after the current event, which counts as
   * handled.
   *
   * Throws `ConsumerMisplaced` if {@link recover} has to be called first, and `EventsUnreadable` at
   * an event that only a newer version of the package knows.
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

  /** All consumers. */
  readonly consumers: (options?: CallOptions) => Promise<ReadonlyArray<ConsumerStatus>>

  /** Sets a consumer's cursor to the oldest event kept, or after the newest. False if unknown. */
  readonly reset: (consumer: string, to: StartingPoint, options?: CallOptions) => Promise<boolean>

  /**
   * After a dump was restored or the server was upgraded: gives every misplaced consumer a cursor
   * from which it misses no event and gets some again. Resolves with their names.
   */
  readonly recover: (options?: CallOptions) => Promise<ReadonlyArray<string>>

  /** Deletes a consumer, so that no events are kept for it. False if unknown. */
  readonly remove: (consumer: string, options?: CallOptions) => Promise<boolean>

  /**
   * Deletes the batches of events that are older than `olderThanMs` and that every consumer has
   * passed. Resolves with the number of batches.
   */
  readonly prune: (
    input: { readonly olderThanMs: number },
    options?: CallOptions
  ) => Promise<number>
}
