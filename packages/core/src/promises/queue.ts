/** The waiting room, as promises. */
import type { Overloaded, RequestInvalid, StoreUnavailable } from "../Errors.ts"
import type { CommandOptions } from "../engine/Idempotency.ts"
import type { QueueSettings } from "../Policies.ts"
import type { JoinError, Joined, JoinInput, PlaceError, PlaceInput } from "../Queue.ts"
import type {
  AddCodesError,
  AddedCodes,
  CodesInput,
  ConfigureError,
  CreatedQueue,
  CreateQueueError,
  QueueInput,
  QueuesPage,
  RescheduleError,
  SetModeError
} from "../QueueOperations.ts"
import type { QueueNotFound } from "../queue/errors.ts"
import type { PublicQueueInfo, QueueInfo, QueueMode, QueueTokenStatus } from "../queue/model.ts"
import type { CallOptions, Outcome } from "./outcome.ts"

/** The waiting room in front of the shows. Every operation can reject with `store_unavailable`. */
export interface PromisedQueue {
  /**
   * Gives the user's place: the one they have, or a new one at the end of the line. Where there is
   * room they are admitted at once. `token` is what every gated operation asks for. A `code` opens
   * the priority lane.
   *
   * Rejects with `request_invalid`, `queue_not_found`, `queue_closed`, `queue_code_invalid`,
   * `idempotency_key_reused`, `overloaded`.
   *
   * @example
   * ```ts
   * import type { PromisedBoxOffice } from "@boxoffice/core"
   *
   * const enter = async (office: PromisedBoxOffice, userId: string) => {
   *   const { state, position, token } = await office.queue.join({ queueId: "main", userId })
   *   return state === "admitted" ? { queueToken: token } : { position }
   * }
   * ```
   */
  readonly join: (input: JoinInput, options?: CallOptions) => Promise<Joined>

  /**
   * Where the user stands: for one who waits, by arithmetic over what is known of the line. Being
   * told that one is in is showing up. `pollAfterSeconds` says when to ask again.
   *
   * Rejects with `request_invalid`, `queue_token_required`, `queue_token_invalid`,
   * `queue_token_wrong_queue`, `overloaded`.
   */
  readonly status: (input: PlaceInput, options?: CallOptions) => Promise<QueueTokenStatus>

  /**
   * The status now, and whenever it has changed; ends when the token has ended. Leaving the loop
   * stops it. Throws the signal's `reason`, and as {@link status} rejects: `request_invalid`,
   * `queue_token_required`, `queue_token_invalid`, `queue_token_wrong_queue`, `overloaded`.
   *
   * @example
   * ```ts
   * import type { PromisedBoxOffice, PlaceInput } from "@boxoffice/core"
   *
   * const untilAdmitted = async (office: PromisedBoxOffice, place: PlaceInput) => {
   *   for await (const { state, position } of office.queue.changes(place)) {
   *     if (state === "admitted") return
   *     console.log("position", position)
   *   }
   * }
   * ```
   */
  readonly changes: (input: PlaceInput, options?: CallOptions) => AsyncIterable<QueueTokenStatus>

  /**
   * Gives the place up. Doing so again changes nothing.
   *
   * Rejects with `request_invalid`, `queue_token_required`, `queue_token_invalid`,
   * `queue_token_wrong_queue`, `overloaded`.
   */
  readonly leave: (input: PlaceInput, options?: CallOptions) => Promise<void>

  /**
   * Makes a queue, open and empty, with the policies' settings where none are given. Queue ids are
   * yours: 1 to 64 letters, digits and `_ . : -`. With `opensAt` it collects people until then, and
   * draws their places. One that is there already, with the settings given and the same opening, is
   * given with `created: false`, so that a set-up can run again.
   *
   * Rejects with `request_invalid`, `already_exists` (another queue has this id),
   * `idempotency_key_reused`.
   */
  readonly create: (input: QueueInput, options?: CallOptions) => Promise<CreatedQueue>

  /** A queue with its settings and counts. Rejects with `queue_not_found`. */
  readonly get: (queueId: string, options?: CallOptions) => Promise<QueueInfo>

  /**
   * What anyone may know of a queue: its mode, and what its draw is checked by. As of at most
   * `queueMaxAgeMs` ago. Rejects with `queue_not_found`, `overloaded`.
   */
  readonly notice: (queueId: string, options?: CallOptions) => Promise<PublicQueueInfo>

  /**
   * Queues by id, `limit` (1 to 200, default 50) at a time, from behind the queue `after`.
   *
   * Rejects with `request_invalid`.
   */
  readonly list: (
    page: { readonly limit?: number | undefined; readonly after?: string | undefined },
    options?: CallOptions
  ) => Promise<QueuesPage>

  /**
   * Changes the settings that are named, effective from the next admission on.
   *
   * Rejects with `request_invalid`, `queue_not_found`, `idempotency_key_reused`, `overloaded`.
   */
  readonly configure: (
    queueId: string,
    settings: Partial<QueueSettings>,
    options?: CallOptions & CommandOptions
  ) => Promise<QueueInfo>

  /**
   * `paused` lets nobody join or in; `draining` lets nobody join; `open` lets them do both;
   * `closed` is for good. Give an `idempotencyKey` where the call may be repeated: a late `paused`
   * then does not pause a queue that was opened again meanwhile.
   *
   * Rejects with `request_invalid`, `queue_not_found`, `queue_closed`, `idempotency_key_reused`,
   * `overloaded`.
   */
  readonly setMode: (
    queueId: string,
    mode: QueueMode,
    options?: CallOptions & CommandOptions
  ) => Promise<QueueInfo>

  /**
   * Moves the opening of a queue that still collects people; `null` opens it at once. Places are
   * drawn as they would have been.
   *
   * Rejects with `request_invalid`, `queue_not_found`, `queue_closed`, `queue_already_open`,
   * `idempotency_key_reused`, `overloaded`.
   */
  readonly reschedule: (
    queueId: string,
    opensAt: Date | null,
    options?: CallOptions & CommandOptions
  ) => Promise<QueueInfo>

  /**
   * Makes codes that open the priority lane, of 8 to 64 visible characters, each for so many joins
   * (`uses`, 1 where left out). A code that is there already can be used this often from now on:
   * give an `idempotencyKey`, so that a late repetition gives nobody a second use.
   *
   * Rejects with `request_invalid`, `queue_not_found`, `idempotency_key_reused`.
   */
  readonly addCodes: (input: CodesInput, options?: CallOptions) => Promise<AddedCodes>

  /**
   * Tidies lapsed tokens and lets in who is next, with nobody asking. `office.sweep()` does so
   * for every queue that needs it. Does nothing where there is no such queue.
   *
   * Rejects with `overloaded`.
   */
  readonly advance: (queueId: string, options?: CallOptions) => Promise<void>
}

/** The operations of {@link PromisedQueue}, with their errors as values. */
export interface QueueResults {
  /** See {@link PromisedQueue.join}. */
  readonly join: (input: JoinInput, options?: CallOptions) => Promise<Outcome<Joined, JoinError>>
  /** See {@link PromisedQueue.status}. */
  readonly status: (
    input: PlaceInput,
    options?: CallOptions
  ) => Promise<Outcome<QueueTokenStatus, PlaceError>>
  /** See {@link PromisedQueue.changes}. An error is the last that it gives. */
  readonly changes: (
    input: PlaceInput,
    options?: CallOptions
  ) => AsyncIterable<Outcome<QueueTokenStatus, PlaceError>>
  /** See {@link PromisedQueue.leave}. */
  readonly leave: (input: PlaceInput, options?: CallOptions) => Promise<Outcome<void, PlaceError>>
  /** See {@link PromisedQueue.create}. */
  readonly create: (
    input: QueueInput,
    options?: CallOptions
  ) => Promise<Outcome<CreatedQueue, CreateQueueError>>
  /** See {@link PromisedQueue.get}. */
  readonly get: (
    queueId: string,
    options?: CallOptions
  ) => Promise<Outcome<QueueInfo, QueueNotFound | StoreUnavailable>>
  /** See {@link PromisedQueue.notice}. */
  readonly notice: (
    queueId: string,
    options?: CallOptions
  ) => Promise<Outcome<PublicQueueInfo, QueueNotFound | Overloaded | StoreUnavailable>>
  /** See {@link PromisedQueue.list}. */
  readonly list: (
    page: { readonly limit?: number | undefined; readonly after?: string | undefined },
    options?: CallOptions
  ) => Promise<Outcome<QueuesPage, RequestInvalid | StoreUnavailable>>
  /** See {@link PromisedQueue.configure}. */
  readonly configure: (
    queueId: string,
    settings: Partial<QueueSettings>,
    options?: CallOptions & CommandOptions
  ) => Promise<Outcome<QueueInfo, ConfigureError>>
  /** See {@link PromisedQueue.setMode}. */
  readonly setMode: (
    queueId: string,
    mode: QueueMode,
    options?: CallOptions & CommandOptions
  ) => Promise<Outcome<QueueInfo, SetModeError>>
  /** See {@link PromisedQueue.reschedule}. */
  readonly reschedule: (
    queueId: string,
    opensAt: Date | null,
    options?: CallOptions & CommandOptions
  ) => Promise<Outcome<QueueInfo, RescheduleError>>
  /** See {@link PromisedQueue.addCodes}. */
  readonly addCodes: (
    input: CodesInput,
    options?: CallOptions
  ) => Promise<Outcome<AddedCodes, AddCodesError>>
  /** See {@link PromisedQueue.advance}. */
  readonly advance: (
    queueId: string,
    options?: CallOptions
  ) => Promise<Outcome<void, Overloaded | StoreUnavailable>>
}
