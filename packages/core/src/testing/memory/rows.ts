/** The rows of each table, as the store in memory keeps them. Instants are milliseconds since 1970. */
import type { Show, StoredPerformance } from "../../catalog/model.ts"
import type { RecordedOutcome } from "../../Events.ts"
import type { CodeRow } from "../../engine/Rows.ts"
import type { QueueId } from "../../Ids.ts"
import type { Departure, QueueLane, QueueRow, TokenRow } from "../../queue/model.ts"
import type { ReservationRow, SeatRow } from "../../reservation/model.ts"
import type { TransferRow, WalletRow } from "../../wallet/model.ts"

type StoredLane = Pick<QueueRow["priority"], "nextNumber" | "cursor" | "waiting">

/** A queue without the counts that other tables keep, and without what a batch has loaded. */
export interface StoredQueue
  extends Pick<
    QueueRow,
    | "queueId"
    | "mode"
    | "settings"
    | "opening"
    | "drawSize"
    | "cursor"
    | "nextNumber"
    | "waiting"
    | "laneCredit"
    | "active"
    | "departed"
  > {
  readonly priority: StoredLane
}

export type StoredToken = Omit<TokenRow, "settings" | "seenUntil">

/** How many tokens a queue admitted in one second of the database's clock. */
export interface StoredGrant {
  readonly queueId: QueueId
  readonly second: number
  readonly admitted: number
  readonly grantedAt: number
}

/** Sessions that ended in a batch that had not locked their queue. */
export interface StoredExit {
  readonly exitId: bigint
  readonly queueId: QueueId
  readonly exits: number
}

/** Which numbers of a block were present in the minute that ends at `seenUntil`. */
export interface StoredPresence {
  readonly queueId: QueueId
  readonly lane: QueueLane
  readonly block: number
  readonly seenUntil: number
  readonly seen: Uint8Array
}

export interface StoredSeat extends SeatRow {
  readonly ordinal: number
  readonly changes: number
}

export interface StoredOutcome extends RecordedOutcome {
  readonly recordedAt: number
}

/** The events of one batch. */
export interface StoredBatch {
  readonly batchId: bigint
  readonly xid: bigint
  readonly occurredAt: number
  readonly version: number
  readonly events: string
  readonly attemptId: string
}

/** A consumer of the outbox. Its cursor is two snapshots and a place between them. */
export interface StoredConsumer {
  readonly consumer: string
  readonly seen: string
  readonly reading: string | null
  readonly batchId: bigint
  readonly highest: bigint
  readonly position: number
  readonly owner: string | null
  readonly leasedUntil: number
  readonly movedAt: number
}

export interface StoredDelivery {
  readonly deliveryId: bigint
  readonly endpoint: string
  readonly eventId: string
  readonly aggregate: string
  readonly body: string
  readonly state: "waiting" | "dead"
  readonly attempts: number
  readonly nextAt: number
  readonly error: string | null
  readonly parkedAt: number
}

/** Up to which instant rows of a kind were deleted. */
export interface StoredClearing {
  readonly kind: "outbox" | "queue_token" | "reservation"
  readonly upTo: number
}

/** The name of this life of the server. A crash empties its table. */
export interface StoredLife {
  readonly lifeId: string
}

/** All committed rows, for checkers. */
export interface CommittedRows {
  readonly queues: ReadonlyArray<StoredQueue>
  readonly tokens: ReadonlyArray<StoredToken>
  readonly grants: ReadonlyArray<StoredGrant>
  readonly departures: ReadonlyArray<Departure>
  readonly exits: ReadonlyArray<StoredExit>
  readonly codes: ReadonlyArray<CodeRow>
  readonly presence: ReadonlyArray<StoredPresence>
  readonly shows: ReadonlyArray<Show>
  readonly performances: ReadonlyArray<StoredPerformance>
  readonly seats: ReadonlyArray<StoredSeat>
  readonly reservations: ReadonlyArray<ReservationRow>
  readonly wallets: ReadonlyArray<WalletRow>
  readonly transfers: ReadonlyArray<TransferRow>
  readonly outcomes: ReadonlyArray<StoredOutcome>
  readonly outbox: ReadonlyArray<StoredBatch>
  readonly consumers: ReadonlyArray<StoredConsumer>
  readonly deliveries: ReadonlyArray<StoredDelivery>
  readonly cleared: ReadonlyArray<StoredClearing>
}
