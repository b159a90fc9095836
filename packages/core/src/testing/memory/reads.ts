/** The statements of a load behind the locks: they lock nothing. */
import type { PerformanceRow, Show } from "../../catalog/model.ts"
import type { RecordedOutcome } from "../../Events.ts"
import type { LoadPlan } from "../../engine/LoadPlan.ts"
import { seatCountKey, seatKey } from "../../engine/Rows.ts"
import type { PerformanceId, QueueId, TokenId } from "../../Ids.ts"
import type { TokenRow } from "../../queue/model.ts"
import type { SeatRow, UnpaidHold } from "../../reservation/model.ts"
import type { TransferRow } from "../../wallet/model.ts"
import type { Statement } from "../database/Statement.ts"
import type { Table } from "../database/Table.ts"
import type { Query } from "./Pipeline.ts"
import { admittedLastMinute, aheadOf, isPresenceKept, sum, tokenRow } from "./queueColumns.ts"
import type { StoredSeat } from "./rows.ts"
import type { Schema } from "./schema.ts"

/** A statement that neither locks nor writes. */
export const reading = <A>(name: string, read: (statement: Statement) => A): Query<A> => ({
  name,
  *run(statement) {
    return read(statement)
  }
})

/** The rows of a unique key that are there. */
export const present = <Row, Name extends string>(
  statement: Statement,
  table: Table<Row, Name>,
  index: Name,
  keys: Iterable<string>
): Array<Row> => Array.from(keys).flatMap((key) => statement.get(table, index, key)?.row ?? [])

/** The most exits that one batch folds into the row of its queue. */
const exitsPerBatch = 10_000

export interface QueueCounts {
  readonly presenceKept: boolean
  readonly admittedLastMinute: number
  readonly exits: number
  readonly exitIds: ReadonlyArray<bigint>
}

export const countQueues = (
  schema: Schema,
  queueIds: Iterable<QueueId>
): Query<ReadonlyMap<QueueId, QueueCounts>> =>
  reading("count queues", (statement) => {
    const now = statement.now()
    const counts = new Map<QueueId, QueueCounts>()
    for (const queue of present(statement, schema.queue, "queue_pkey", queueIds)) {
      const { queueId } = queue
      const exits = statement.find(schema.exit, "byQueue", queueId).slice(0, exitsPerBatch)
      counts.set(queueId, {
        presenceKept: isPresenceKept(statement, schema, queue, now),
        admittedLastMinute: admittedLastMinute(statement, schema, queueId, now),
        exits: sum(exits, ({ row }) => row.exits),
        exitIds: exits.map(({ row }) => row.exitId)
      })
    }
    return counts
  })

/** A token, and how many users wait in front of it, if it waits. */
export interface TokenAhead {
  readonly token: TokenRow
  readonly ahead: number
}

export const loadTokens = (
  schema: Schema,
  tokenIds: Iterable<TokenId>
): Query<ReadonlyArray<TokenAhead>> =>
  reading("read tokens", (statement) => tokensAhead(statement, schema, tokenIds))

export const countAhead = (
  schema: Schema,
  tokenIds: Iterable<TokenId>
): Query<ReadonlyArray<TokenAhead>> =>
  reading("count ahead", (statement) =>
    tokensAhead(statement, schema, tokenIds).filter(({ token }) => token.state === "waiting")
  )

const tokensAhead = (
  statement: Statement,
  schema: Schema,
  tokenIds: Iterable<TokenId>
): Array<TokenAhead> =>
  present(statement, schema.token, "queue_token_pkey", tokenIds).map((token) => {
    const queue = statement.get(schema.queue, "queue_pkey", token.queueId)!.row
    const ahead = token.state === "waiting" ? aheadOf(statement, schema, token, queue) : 0
    return { token: tokenRow(token, queue), ahead }
  })

export const countSeats = (
  schema: Schema,
  counts: LoadPlan["seatCounts"]
): Query<ReadonlyArray<readonly [string, number]>> =>
  reading("count seats", (statement) => {
    const now = statement.now()
    const keys = new Set(
      counts.map(({ performanceId, userId }) => seatCountKey(performanceId, userId))
    )
    return Array.from(keys, (key) => {
      const counted = statement
        .find(schema.reservation, "holdings", key)
        .filter(({ row }) => row.status === "confirmed" || row.holdExpiresAt > now)
      return [key, sum(counted, ({ row }) => row.seats.length)] as const
    })
  })

/** A performance with the queue and the sales window of its show. */
export const performanceRow = (
  statement: Statement,
  schema: Schema,
  performanceId: string
): PerformanceRow | undefined => {
  const performance = statement.get(schema.performance, "performance_pkey", performanceId)?.row
  if (performance === undefined) return undefined
  const show = statement.get(schema.show, "show_pkey", performance.showId)!.row
  return {
    performanceId: performance.performanceId,
    showId: show.showId,
    queueId: show.queueId,
    startsAt: performance.startsAt.getTime(),
    salesOpenAt: show.salesOpenAt?.getTime() ?? null,
    salesCloseAt: show.salesCloseAt?.getTime() ?? null
  }
}

export const loadPerformances = (
  schema: Schema,
  plan: Pick<LoadPlan, "seats" | "seatCounts" | "reservations">
): Query<ReadonlyArray<PerformanceRow>> =>
  reading("read performances", (statement) => {
    const ids = new Set<PerformanceId>()
    for (const { performanceId } of plan.seats) ids.add(performanceId)
    for (const { performanceId } of plan.seatCounts) ids.add(performanceId)
    const reservations = present(
      statement,
      schema.reservation,
      "reservation_pkey",
      plan.reservations
    )
    for (const { performanceId } of reservations) ids.add(performanceId)
    return Array.from(ids).flatMap((id) => performanceRow(statement, schema, id) ?? [])
  })

/** Of each user and queue one live hold that the batch has not locked, if there is any. */
export const readUnpaid = (
  schema: Schema,
  { unpaidOf, reservations }: LoadPlan
): Query<ReadonlyArray<UnpaidHold>> =>
  reading("read unpaid holds", (statement) => {
    const now = statement.now()
    return Array.from(unpaidOf.values()).flatMap(({ userId, queueId }) => {
      for (const { row } of statement.find(schema.reservation, "unpaid", userId)) {
        const { reservationId, performanceId, holdExpiresAt } = row
        if (holdExpiresAt <= now || reservations.has(reservationId)) continue
        if (performanceRow(statement, schema, performanceId)?.queueId !== queueId) continue
        return [{ reservationId, userId, queueId, holdExpiresAt }]
      }
      return []
    })
  })

export const loadTransfers = (
  schema: Schema,
  transferIds: LoadPlan["transfers"]
): Query<ReadonlyArray<TransferRow>> =>
  reading("read transfers", (statement) =>
    present(statement, schema.transfer, "transfer_pkey", transferIds)
  )

export const loadShows = (schema: Schema, showIds: LoadPlan["shows"]): Query<ReadonlyArray<Show>> =>
  reading("read shows", (statement) => present(statement, schema.show, "show_pkey", showIds))

export const loadSeatsToRead = (
  schema: Schema,
  named: LoadPlan["seatsToRead"]
): Query<ReadonlyArray<SeatRow>> =>
  reading("read seats", (statement) => {
    const keys = named.flatMap(({ performanceId, seatIds }) =>
      seatIds.map((seatId) => seatKey(performanceId, seatId))
    )
    return present(statement, schema.seat, "seat_pkey", keys).map(seatRow)
  })

/** A seat as other code than the store knows it. */
export const seatRow = ({ ordinal: _ordinal, changes: _changes, ...row }: StoredSeat): SeatRow =>
  row

export const loadOutcomes = (
  schema: Schema,
  commandIds: LoadPlan["outcomes"]
): Query<ReadonlyArray<RecordedOutcome>> =>
  reading("read outcomes", (statement) =>
    present(statement, schema.outcome, "command_outcome_pkey", commandIds).map(
      ({ recordedAt: _recordedAt, ...outcome }) => outcome
    )
  )

export interface ClockReading {
  readonly now: number
  /** The transaction's id, by which a lost COMMIT is looked for. */
  readonly xid: number
}

export const readClock: Query<ClockReading> = reading("read the clock", (statement) => ({
  now: statement.now(),
  xid: statement.xid()
}))
