/** The waiting room as promises. */
import type { Overloaded, RequestInvalid, StoreUnavailable } from "../Errors.ts"
import type { CommandOptions } from "../engine/Idempotency.ts"
import type { QueueSettings } from "../policies/settings.ts"
import type { JoinInput, QueueTokenError, QueueTokenInput } from "../Queue.ts"
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
import type { JoinError, Joined } from "../queue/join.ts"
import type { PublicQueueInfo, QueueInfo, QueueMode, QueueTokenStatus } from "../queue/model.ts"
import type { CallOptions, Outcome } from "./outcome.ts"

/** The waiting room in front of the shows. Every operation can reject with `store_unavailable`. */
export interface PromisedQueue {
  /**
   * Joins a queue: resolves with the user's live token, or with a new one behind all others of its lane.
   * If the queue has room, the user is admitted at once. Every gated operation needs the `token`. A
   * `code` puts the user into the priority lane.
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
   * The status of a queue token. For a waiting user, the node computes it from its snapshot of the
   * queue. The first poll after the admission counts as showing up, so the session begins.
   * `pollAfterSeconds` says how long to wait before the next poll.
   *
   * Rejects with `request_invalid`, `queue_token_required`, `queue_token_invalid`,
   * `queue_token_wrong_queue`, `overloaded`.
   */
  readonly status: (input: QueueTokenInput, options?: CallOptions) => Promise<QueueTokenStatus>

  /**
   * The status now, and again each time it changes. Ends when the token has ended, or when the
   * caller leaves the loop. Throws the signal's `reason`, or the errors of {@link status}:
   * `request_invalid`, `queue_token_required`, `queue_token_invalid`, `queue_token_wrong_queue`,
   * `overloaded`.
   *
   * @example
   * ```ts
   * import type { PromisedBoxOffice, QueueTokenInput } from "@boxoffice/core"
   *
   * const untilAdmitted = async (office: PromisedBoxOffice, input: QueueTokenInput) => {
   *   for await (const { state, position } of office.queue.changes(input)) {
   *     if (state === "admitted") return
   *     console.log("position", position)
   *   }
   * }
   * ```
   */
  readonly changes: (
    input: QueueTokenInput,
    options?: CallOptions
  ) => AsyncIterable<QueueTokenStatus>

  /**
   * Leaves the queue: ends the token, whether it waits or is admitted. A second call changes
   * nothing.
   *
   * Rejects with `request_invalid`, `queue_token_required`, `queue_token_invalid`,
   * `queue_token_wrong_queue`, `overloaded`.
   */
  readonly leave: (input: QueueTokenInput, options?: CallOptions) => Promise<void>

  /**
   * Creates a queue, open and empty. Settings that are not given are those of the policies. The
   * host chooses the id: 1 to 64 letters, digits and `_ . : -`. With `opensAt`, users join until
   * then without being admitted, and the queue draws their places when it opens. If the queue
   * exists already with the given settings and the same opening, resolves with it and `created:
   * false`, so that a set-up script can run again.
   *
   * Rejects with `request_invalid`, `already_exists` (another queue has this id),
   * `idempotency_key_reused`.
   */
  readonly create: (input: QueueInput, options?: CallOptions) => Promise<CreatedQueue>

  /** A queue with its settings and counts. Rejects with `queue_not_found`. */
  readonly get: (queueId: string, options?: CallOptions) => Promise<QueueInfo>

  /**
   * The public part of a queue: its mode, and all that a client needs to check its draw. At most
   * `queueMaxAgeMs` old. Rejects with `queue_not_found`, `overloaded`.
   */
  readonly notice: (queueId: string, options?: CallOptions) => Promise<PublicQueueInfo>

  /**
   * A page of queues in order of their ids: `limit` of them (1 to 200, default 50), after the queue
   * `after`.
   *
   * Rejects with `request_invalid`.
   */
  readonly list: (
    page: { readonly limit?: number | undefined; readonly after?: string | undefined },
    options?: CallOptions
  ) => Promise<QueuesPage>

  /**
   * Changes the given settings. They apply from the next admission on.
   *
   * Rejects with `request_invalid`, `queue_not_found`, `idempotency_key_reused`, `overloaded`.
   */
  readonly configure: (
    queueId: string,
    settings: Partial<QueueSettings>,
    options?: CallOptions & CommandOptions
  ) => Promise<QueueInfo>

  /**
   * Sets the mode. `open`: users join and are admitted. `paused`: no new joins, no admissions.
   * `draining`: no new joins; waiting users are admitted. `closed`: waiting tokens expire, and the
   * queue cannot be opened again. Give an `idempotencyKey` if the call may be repeated: otherwise a
   * late `paused` pauses a queue that was opened again meanwhile.
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
   * Moves the opening of a queue that has not opened yet; `null` opens it at once. The draw uses
   * the same seed as before.
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
   * Adds codes for the priority lane, of 8 to 64 visible characters, each for `uses` joins (default
   * 1). A code that exists already can be used that often from now on: give an `idempotencyKey`, so
   * that a late repetition does not allow a second use.
   *
   * Rejects with `request_invalid`, `queue_not_found`, `idempotency_key_reused`.
   */
  readonly addCodes: (input: CodesInput, options?: CallOptions) => Promise<AddedCodes>

  /**
   * Ends lapsed tokens and admits the next ones without a poll. `office.sweep()` does so for every
   * queue that is due. Does nothing if there is no such queue.
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
    input: QueueTokenInput,
    options?: CallOptions
  ) => Promise<Outcome<QueueTokenStatus, QueueTokenError>>
  /** See {@link PromisedQueue.changes}. An error is the last outcome. */
  readonly changes: (
    input: QueueTokenInput,
    options?: CallOptions
  ) => AsyncIterable<Outcome<QueueTokenStatus, QueueTokenError>>
  /** See {@link PromisedQueue.leave}. */
  readonly leave: (
    input: QueueTokenInput,
    options?: CallOptions
  ) => Promise<Outcome<void, QueueTokenError>>
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
