/**
 * The tables of Box Office with their guards, as the migrations of `@boxoffice/sql-store` make them:
 * under the same names, so that a row which Postgres would refuse is refused here for the same reason.
 */
import type { Show, StoredPerformance } from "../../catalog/model.ts"
import type { CodeRow } from "../../engine/Rows.ts"
import { seatKey } from "../../engine/Rows.ts"
import type { Departure, QueueLane } from "../../queue/model.ts"
import type { ReservationRow } from "../../reservation/model.ts"
import type { TransferRow, WalletRow } from "../../wallet/model.ts"
import type { Database } from "../database/Database.ts"
import { type Target, tableOf } from "../database/Table.ts"
import { appendOnly, reservationTriggers, type Seats, seatTriggers } from "./guards.ts"
import type {
  StoredBatch,
  StoredClearing,
  StoredConsumer,
  StoredDelivery,
  StoredExit,
  StoredGrant,
  StoredLife,
  StoredOutcome,
  StoredPresence,
  StoredQueue,
  StoredSeat,
  StoredToken
} from "./rows.ts"

/** A key of several columns. The separator can be in none. */
export const keyOf = (...parts: ReadonlyArray<string | number | bigint>): string => parts.join("\n")

export const laneKey = ({
  queueId,
  lane
}: {
  readonly queueId: string
  readonly lane: QueueLane
}): string => keyOf(queueId, lane)

/** The key of an index that has its rows together. */
export const all = "all"

const isCurrency = (code: string | null): boolean => code === null || /^[A-Z]{3}$/.test(code)
const isWithin = (value: bigint, low: bigint, high: bigint): boolean =>
  value >= low && value <= high
const nulls = (...values: ReadonlyArray<unknown>): number =>
  values.filter((value) => value === null).length

const queueTables = () => {
  const queue = tableOf<StoredQueue>()("queue", {
    unique: { queue_pkey: (row) => row.queueId },
    checks: {
      queue_absence_not_negative: ({ settings }) => settings.absenceSeconds >= 0,
      queue_cursor_in_line: ({ cursor, nextNumber, priority }) =>
        isWithin(cursor, 0n, nextNumber - 1n) &&
        isWithin(priority.cursor, 0n, priority.nextNumber - 1n),
      queue_mode_known: ({ mode }) => ["open", "paused", "draining", "closed"].includes(mode),
      queue_opening_whole: ({ opening, drawSize, nextNumber }) =>
        isWithin(drawSize, 0n, nextNumber - 1n) && (drawSize === 0n || opening?.openedAt != null),
      queue_priority_share: ({ settings }) =>
        settings.prioritySharePercent >= 1 && settings.prioritySharePercent <= 100,
      queue_settings_positive: ({ settings }) =>
        Math.min(
          settings.maxActive,
          settings.admitPerMinute,
          settings.claimSeconds,
          settings.sessionSeconds
        ) >= 1,
      queue_turn_of_hundred: ({ laneCredit }) => laneCredit >= 0 && laneCredit <= 99,
      queue_waiting_not_negative: ({ waiting, priority }) =>
        Math.min(waiting, priority.waiting) >= 0
    }
  })
  const ofQueue = (name: string) => ({
    name,
    key: ({ queueId }: { readonly queueId: string }) => queueId,
    to: (): Target => ({ table: queue, index: "queue_pkey" })
  })
  const isLive = ({ state }: StoredToken) => state === "waiting" || state === "admitted"
  return {
    queue,
    token: tableOf<StoredToken>()("queue_token", {
      unique: {
        queue_token_pkey: (row) => row.tokenId,
        queue_token_live_once: (row) => (isLive(row) ? keyOf(row.queueId, row.userId) : undefined),
        queue_token_number_once: (row) => keyOf(row.queueId, row.lane, row.number)
      },
      partial: ["queue_token_live_once"],
      indexes: {
        waiting: (row) => (row.state === "waiting" ? laneKey(row) : undefined),
        admitted: (row) => (row.state === "admitted" ? row.queueId : undefined),
        ended: (row) => (row.endedAt === null ? undefined : all)
      },
      checks: {
        queue_token_state_instants: hasInstantsOfState
      },
      references: [ofQueue("queue_token_in_queue")]
    }),
    grant: tableOf<StoredGrant>()("queue_grant", {
      unique: { queue_grant_pkey: (row) => keyOf(row.queueId, row.second) },
      indexes: { byQueue: (row) => row.queueId },
      checks: { queue_grant_positive: ({ admitted }) => admitted >= 1 },
      references: [ofQueue("queue_grant_of_queue")]
    }),
    departure: tableOf<Departure>()("queue_departure", {
      unique: {
        queue_departure_pkey: (row) => keyOf(row.queueId, row.seq),
        queue_departure_once: (row) => keyOf(row.queueId, row.lane, row.number)
      },
      indexes: { byQueue: (row) => row.queueId, byLane: laneKey },
      references: [ofQueue("queue_departure_of_queue")]
    }),
    exit: tableOf<StoredExit>()("queue_exit", {
      unique: { queue_exit_pkey: (row) => `${row.exitId}` },
      indexes: { byQueue: (row) => row.queueId },
      checks: { queue_exit_positive: ({ exits }) => exits >= 1 }
    }),
    code: tableOf<CodeRow>()("queue_code", {
      unique: { queue_code_pkey: (row) => keyOf(row.queueId, row.codeHash) },
      checks: { queue_code_not_overused: ({ usesLeft }) => usesLeft >= 0 },
      references: [ofQueue("queue_code_of_queue")]
    }),
    presence: tableOf<StoredPresence>()("queue_presence", {
      unique: {
        queue_presence_pkey: (row) => keyOf(row.queueId, row.lane, row.block, row.seenUntil)
      },
      indexes: {
        byQueue: (row) => row.queueId,
        byBlock: (row) => keyOf(row.queueId, row.lane, row.block)
      },
      references: [ofQueue("queue_presence_of_queue")]
    })
  }
}

const hasInstantsOfState = ({
  state,
  claimed,
  admittedAt,
  expiresAt,
  endedAt
}: StoredToken): boolean => {
  const isBothOrNone = nulls(admittedAt, expiresAt) !== 1
  switch (state) {
    case "waiting":
      return nulls(admittedAt, expiresAt, endedAt) === 3 && !claimed
    case "admitted":
      return nulls(admittedAt, expiresAt) === 0 && endedAt === null
    case "completed":
      return nulls(admittedAt, expiresAt, endedAt) === 0
    default:
      return isBothOrNone && endedAt !== null
  }
}

const saleTables = (queue: ReturnType<typeof queueTables>["queue"]) => {
  const show = tableOf<Show>()("show", {
    unique: { show_pkey: (row) => row.showId },
    checks: {
      show_sales_window: ({ salesOpenAt, salesCloseAt }) =>
        salesOpenAt === null || salesCloseAt === null || salesOpenAt < salesCloseAt
    },
    references: [
      {
        name: "show_behind_queue",
        key: (row) => row.queueId,
        to: (): Target => ({ table: queue, index: "queue_pkey" })
      }
    ]
  })
  const performance = tableOf<StoredPerformance>()("performance", {
    unique: {
      performance_pkey: (row) => row.performanceId,
      performance_currency_once: ({ performanceId, currency }) =>
        currency === null ? undefined : keyOf(performanceId, currency)
    },
    indexes: { byShow: (row) => row.showId },
    checks: { performance_currency_code: ({ currency }) => isCurrency(currency) },
    references: [
      {
        name: "performance_of_show",
        key: (row) => row.showId,
        to: (): Target => ({ table: show, index: "show_pkey" })
      }
    ]
  })
  const wallet = tableOf<WalletRow>()("wallet", {
    unique: { wallet_pkey: (row) => row.userId },
    checks: {
      wallet_currency_code: ({ currency }) => isCurrency(currency),
      wallet_not_negative: ({ balance }) => balance >= 0n,
      wallet_version_positive: ({ version }) => version >= 1
    },
    references: [
      {
        name: "wallet_is_what_the_ledger_says",
        key: (row) => keyOf(row.userId, row.version, row.balance, row.currency),
        to: (): Target => ({ table: transfer, index: "transfer_leaves_balance" }),
        deferred: true
      }
    ]
  })
  const reservation = tableOf<ReservationRow>()("reservation", {
    unique: {
      reservation_pkey: (row) => row.reservationId,
      reservation_payment_once: (row) => row.paymentId ?? undefined
    },
    partial: ["reservation_payment_once"],
    indexes: {
      byUser: (row) => row.userId,
      holdings: ({ status, performanceId, userId }) =>
        status === "held" || status === "confirmed" ? keyOf(performanceId, userId) : undefined,
      lapsing: (row) => (row.status === "held" ? all : undefined),
      unpaid: (row) => (row.status === "held" ? row.userId : undefined),
      ended: ({ status }) => (status === "released" || status === "expired" ? all : undefined)
    },
    checks: {
      reservation_amount_not_negative: ({ amount }) => amount.amount >= 0n,
      reservation_currency_code: ({ amount }) => isCurrency(amount.currency),
      reservation_has_seats: ({ seats }) => seats.length > 0,
      reservation_hold_ends_later: ({ holdExpiresAt, heldAt }) => holdExpiresAt > heldAt,
      reservation_status_instants: hasInstantsOfStatus
    },
    references: [
      {
        name: "reservation_paid_by_transfer",
        key: ({ amount, paymentId }) =>
          amount.amount > 0n && paymentId !== null ? paymentId : undefined,
        to: (): Target => ({ table: transfer, index: "transfer_pkey" })
      }
    ],
    ...reservationTriggers((): Seats => seat)
  })
  const transfer = tableOf<TransferRow>()("transfer", {
    unique: {
      transfer_pkey: (row) => row.transferId,
      transfer_version_once: (row) => keyOf(row.userId, row.version),
      transfer_leaves_balance: (row) => keyOf(row.userId, row.version, row.balance, row.currency),
      transfer_payment_once: (row) =>
        row.kind === "payment" ? (row.reservationId ?? undefined) : undefined,
      transfer_refund_once: (row) =>
        row.kind === "refund" ? (row.reservationId ?? undefined) : undefined
    },
    partial: ["transfer_payment_once", "transfer_refund_once"],
    indexes: {
      byUser: (row) => row.userId,
      byReservation: (row) => row.reservationId ?? undefined
    },
    checks: {
      transfer_balance_not_negative: ({ balance }) => balance >= 0n,
      transfer_counter_account_by_kind: ({ kind, counterAccount }) =>
        kind === "charge" ? counterAccount === "cash" : /^revenue:./s.test(counterAccount),
      transfer_currency_code: ({ currency }) => isCurrency(currency),
      transfer_first_starts_at_zero: ({ version, balance, amount }) =>
        version > 1 || balance === amount,
      transfer_reservation_by_kind: ({ kind, reservationId }) =>
        (kind === "charge") === (reservationId === null),
      transfer_sign_by_kind: ({ kind, amount }) =>
        kind === "charge" ? amount > 0n : kind === "payment" ? amount <= 0n : amount >= 0n,
      transfer_version_positive: ({ version }) => version >= 1
    },
    references: [
      {
        name: "transfer_of_wallet",
        key: (row) => row.userId,
        to: (): Target => ({ table: wallet, index: "wallet_pkey" })
      },
      {
        name: "transfer_for_reservation",
        key: (row) => row.reservationId ?? undefined,
        to: (): Target => ({ table: reservation, index: "reservation_pkey" }),
        by: "byReservation"
      },
      {
        name: "transfer_follows_the_one_before",
        key: ({ userId, version, balance, amount, currency }) =>
          version === 1 ? undefined : keyOf(userId, version - 1, balance - amount, currency),
        to: (): Target => ({ table: transfer, index: "transfer_leaves_balance" })
      }
    ],
    ...appendOnly("transfer_is_append_only")
  })
  const seat = tableOf<StoredSeat>()("seat", {
    unique: { seat_pkey: (row) => seatKey(row.performanceId, row.seatId) },
    indexes: { byPerformance: (row) => row.performanceId },
    checks: {
      seat_currency_code: ({ price }) => isCurrency(price.currency),
      seat_price_not_negative: ({ price }) => price.amount >= 0n,
      seat_status_owner: ({ status, reservationId, heldUntil }) =>
        status === "held"
          ? nulls(reservationId, heldUntil) === 0
          : status === "sold"
            ? reservationId !== null && heldUntil === null
            : nulls(reservationId, heldUntil) === 2
    },
    references: [
      {
        name: "seat_of_performance",
        key: (row) => row.performanceId,
        to: (): Target => ({ table: performance, index: "performance_pkey" })
      },
      {
        name: "seat_in_currency_of_performance",
        key: ({ performanceId, price }) => keyOf(performanceId, price.currency),
        to: (): Target => ({ table: performance, index: "performance_currency_once" })
      }
    ],
    ...seatTriggers(reservation)
  })
  return { show, performance, wallet, reservation, transfer, seat }
}

const hasInstantsOfStatus = ({
  status,
  confirmedAt,
  paymentId,
  endedAt
}: ReservationRow): boolean => {
  switch (status) {
    case "held":
      return nulls(confirmedAt, paymentId, endedAt) === 3
    case "confirmed":
      return nulls(confirmedAt, paymentId) === 0 && endedAt === null
    case "cancelled":
      return nulls(confirmedAt, paymentId, endedAt) === 0
    default:
      return nulls(confirmedAt, paymentId) === 2 && endedAt !== null
  }
}

const eventTables = () => ({
  outcome: tableOf<StoredOutcome>()("command_outcome", {
    unique: { command_outcome_pkey: (row) => row.commandId }
  }),
  outbox: tableOf<StoredBatch>()("outbox", {
    unique: { outbox_pkey: (row) => `${row.batchId}` },
    indexes: { byXid: (row) => `${row.xid}` }
  }),
  consumer: tableOf<StoredConsumer>()("event_consumer", {
    unique: { event_consumer_pkey: (row) => row.consumer },
    checks: {
      event_consumer_between_rounds_at_none: ({ reading, batchId, position }) =>
        reading !== null || (batchId === 0n && position === 0),
      event_consumer_place_not_negative: ({ batchId, position, highest }) =>
        batchId >= 0n && position >= 0 && highest >= 0n
    }
  }),
  delivery: tableOf<StoredDelivery>()("webhook_delivery", {
    unique: {
      webhook_delivery_pkey: (row) => `${row.deliveryId}`,
      webhook_delivery_once: (row) => keyOf(row.endpoint, row.eventId)
    },
    indexes: {
      byEndpoint: (row) => keyOf(row.endpoint, row.state),
      waiting: (row) => (row.state === "waiting" ? keyOf(row.endpoint, row.aggregate) : undefined)
    },
    checks: {
      webhook_delivery_dead_was_tried: ({ state, attempts }) => state !== "dead" || attempts > 0
    }
  }),
  cleared: tableOf<StoredClearing>()("cleared", {
    unique: { cleared_pkey: (row) => row.kind }
  }),
  life: tableOf<StoredLife>()("server_life", {
    unique: { server_life_pkey: () => all },
    unlogged: true
  })
})

/** Makes all tables and sequences in a database. */
export const makeSchema = (database: Database) => {
  const queues = queueTables()
  const tables = { ...queues, ...saleTables(queues.queue), ...eventTables() }
  database.add(Object.values(tables))
  return {
    ...tables,
    exitIds: database.sequence(),
    batchIds: database.sequence(),
    deliveryIds: database.sequence()
  }
}

export type Schema = ReturnType<typeof makeSchema>
