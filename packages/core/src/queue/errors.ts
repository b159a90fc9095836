/** Errors of the queues, and of the gate that checks queue tokens. */

import { recordable, TaggedError } from "../engine/TaggedError.ts"
import { QueueId } from "../Ids.ts"
import { QueueMode, queueTokenStatusFields, TokenState } from "./model.ts"

/** A client called a gated operation without a queue token. Remedy: join the queue first. */
export class QueueTokenRequired extends TaggedError<QueueTokenRequired>()(
  "QueueTokenRequired",
  {}
) {
  readonly code = "queue_token_required"
  override get message() {
    return "This operation needs a queue token: join the queue first."
  }
}

/** The token is forged, unknown, or another user's. Remedy: join the queue as this user. */
export class QueueTokenInvalid extends TaggedError<QueueTokenInvalid>()("QueueTokenInvalid", {}) {
  readonly code = "queue_token_invalid"
  override get message() {
    return "The queue token is not valid for this user: join the queue to get one."
  }
}

/** The token is for another queue than the one in front of this show. Remedy: join that queue. */
export class QueueTokenWrongQueue extends TaggedError<QueueTokenWrongQueue>()(
  "QueueTokenWrongQueue",
  { requiredQueueId: QueueId }
) {
  readonly code = "queue_token_wrong_queue"
  override get message() {
    return `This is behind another queue: join ${this.requiredQueueId}.`
  }
}

/** The user has not been admitted yet. Carries their position. Remedy: poll, then try again. */
export class QueueTokenWaiting extends TaggedError<QueueTokenWaiting>()(
  "QueueTokenWaiting",
  queueTokenStatusFields
) {
  readonly code = "queue_token_waiting"
  override get message() {
    return this.opensAt === undefined
      ? `Not admitted yet: position ${this.position}.`
      : `Not admitted yet: the queue opens at ${this.opensAt.toISOString()}.`
  }
}

/** The token expired, its user left, or a payment completed it. Remedy: join again. */
export class QueueTokenExpired extends TaggedError<QueueTokenExpired>()("QueueTokenExpired", {
  state: TokenState
}) {
  readonly code = "queue_token_expired"
  override get message() {
    return `The queue token is ${this.state}: join the queue again.`
  }
}

/** There is no queue with this id. */
export class QueueNotFound extends TaggedError<QueueNotFound>()("QueueNotFound", {}) {
  static {
    recordable(QueueNotFound, "operator")
  }
  readonly code = "queue_not_found"
  override get message() {
    return "There is no such queue."
  }
}

/** The queue is paused, draining or closed, so users cannot join it. */
export class QueueClosed extends TaggedError<QueueClosed>()("QueueClosed", {
  mode: QueueMode
}) {
  static {
    recordable(QueueClosed, "operator")
  }
  readonly code = "queue_closed"
  override get message() {
    return `The queue is ${this.mode} and accepts no new users.`
  }
}

/** The queue has opened, or was made without an opening: there is no opening to move. */
export class QueueAlreadyOpen extends TaggedError<QueueAlreadyOpen>()("QueueAlreadyOpen", {}) {
  static {
    recordable(QueueAlreadyOpen, "operator")
  }
  readonly code = "queue_already_open"
  override get message() {
    return "The queue is open already: its opening cannot be moved any more."
  }
}

/** The code is unknown for this queue, or used up. Remedy: join without it, or with another. */
export class QueueCodeInvalid extends TaggedError<QueueCodeInvalid>()("QueueCodeInvalid", {}) {
  readonly code = "queue_code_invalid"
  override get message() {
    return "The code does not open a lane of this queue."
  }
}
