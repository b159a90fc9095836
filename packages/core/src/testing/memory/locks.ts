/**
 * The statements of a load that lock rows. Each chooses its rows by its snapshot, sorts them by key,
 * and then locks one after the other.
 */
import type { StoredPerformance } from "../../catalog/model.ts"
import { admissionsPerBatch, type LoadPlan, seatCountsPerBatch } from "../../engine/LoadPlan.ts"
import { type CodeRow, seatCountKey, seatKey } from "../../engine/Rows.ts"
import type { QueueId } from "../../Ids.ts"
import type { QueueLane, TokenRow } from "../../queue/model.ts"
import type { SkippedHead } from "../../queue/position.ts"
import type { ReservationRow, SeatRow } from "../../reservation/model.ts"
import type { WalletRow } from "../../wallet/model.ts"
import type { Statement } from "../database/Statement.ts"
import type { Table, Version } from "../database/Table.ts"
import type { Steps } from "../database/Transaction.ts"
import { byText, greater, sortedTexts } from "./order.ts"
import type { Query } from "./Pipeline.ts"
import { lapsedTokens, seenUntil, tokenRow } from "./queueColumns.ts"
import { seatRow } from "./reads.ts"
import type { StoredQueue, StoredToken } from "./rows.ts"
import { keyOf, laneKey, type Schema } from "./schema.ts"

/** Locks rows in the given order. Gives each as it is once locked. */
function* lockAll<Row>(
  statement: Statement,
  versions: Iterable<Version<Row> | undefined>
): Steps<ReadonlyArray<Row>> {
  const locked: Array<Row> = []
  for (const version of versions) {
    if (version === undefined) continue
    const newest = yield* statement.lock(version, "NO KEY UPDATE")
    if (newest !== undefined) locked.push(newest.row)
  }
  return locked
}

/** The same, of a unique key and sorted by it. */
const lockByKey = <Row, Name extends string>(
  statement: Statement,
  table: Table<Row, Name>,
  index: Name,
  keys: Iterable<string>
) =>
  lockAll(
    statement,
    sortedTexts(keys).map((key) => statement.get(table, index, key))
  )

export const lockQueues = (
  schema: Schema,
  queueIds: Iterable<QueueId>
): Query<ReadonlyArray<StoredQueue>> => ({
  name: "lock queues",
  run: (statement) => lockByKey(statement, schema.queue, "queue_pkey", queueIds)
})

/** The queue of a token, as the statement sees it. */
const queueOf = (
  statement: Statement,
  schema: Schema,
  { queueId }: { readonly queueId: QueueId }
) => statement.get(schema.queue, "queue_pkey", queueId)!.row

export const lockTokens = (
  schema: Schema,
  { tokens, liveTokensOf }: Pick<LoadPlan, "tokens" | "liveTokensOf">
): Query<ReadonlyArray<TokenRow>> => ({
  name: "lock tokens",
  *run(statement) {
    const wanted = new Set<string>(tokens)
    for (const { queueId, userId } of liveTokensOf) {
      const live = statement.get(schema.token, "queue_token_live_once", keyOf(queueId, userId))
      if (live !== undefined) wanted.add(live.row.tokenId)
    }
    const rows = yield* lockByKey(statement, schema.token, "queue_token_pkey", wanted)
    return rows.map((row) => tokenRow(row, queueOf(statement, schema, row)))
  }
})

/** The next tokens of the locked queues: those that the batch has locked, and those it skipped. */
export interface LockedHeads {
  readonly tokens: ReadonlyArray<TokenRow>
  readonly skipped: ReadonlyArray<SkippedHead>
}

export const lockHeads = (schema: Schema, named: LoadPlan["heads"]): Query<LockedHeads> => ({
  name: "lock heads",
  *run(statement) {
    const heads = new Map<string, Version<StoredToken>>()
    const note = (version: Version<StoredToken>) => heads.set(version.row.tokenId, version)
    for (const [queueId, { limit, drawn }] of named) {
      const queue = statement.get(schema.queue, "queue_pkey", queueId)?.row
      if (queue === undefined) continue
      const next = (lane: QueueLane, behind: bigint) =>
        statement
          .find(schema.token, "waiting", laneKey({ queueId, lane }))
          .filter(({ row }) => row.number > behind)
          .sort((a, b) => (a.row.number < b.row.number ? -1 : 1))
          .slice(0, limit)
          .forEach(note)
      // Behind the draw, once all drawn tokens were admitted or this load has the rest of them.
      const { cursor, drawSize } = queue
      if (greater(cursor, drawn?.upTo ?? 0n) >= drawSize) next("general", greater(cursor, drawSize))
      next("priority", queue.priority.cursor)
      for (const number of drawn?.numbers ?? []) {
        const key = keyOf(queueId, "general", number)
        const version = statement.get(schema.token, "queue_token_number_once", key)
        if (version?.row.state === "waiting") note(version)
      }
    }
    const tokens: Array<TokenRow> = []
    const skipped: Array<SkippedHead> = []
    for (const version of Array.from(heads.values()).sort(byText(({ row }) => row.tokenId))) {
      const locked = yield* statement.lock(version, "NO KEY UPDATE", { skipLocked: true })
      if (locked === undefined) {
        const { queueId, lane, number } = version.row
        skipped.push({ queueId, lane, number })
        continue
      }
      const queue = queueOf(statement, schema, locked.row)
      const seen = seenUntil(statement, schema, locked.row, queue)
      const token = tokenRow(locked.row, queue)
      tokens.push(seen === undefined ? token : { ...token, seenUntil: seen })
    }
    return { tokens, skipped }
  }
})

export const lockLapsed = (
  schema: Schema,
  queueIds: Iterable<QueueId>
): Query<ReadonlyArray<TokenRow>> => ({
  name: "lock lapsed tokens",
  *run(statement) {
    const now = statement.now()
    const isLapsed = ({ state, expiresAt }: StoredToken) =>
      state === "admitted" && expiresAt! <= now
    const tokens: Array<TokenRow> = []
    for (const queueId of queueIds) {
      const most = tokens.length + admissionsPerBatch
      for (const version of lapsedTokens(statement, schema, queueId, now)) {
        if (tokens.length === most) break
        const locked = yield* statement.lock(version, "NO KEY UPDATE", {
          skipLocked: true,
          recheck: isLapsed
        })
        if (locked === undefined) continue
        tokens.push(tokenRow(locked.row, queueOf(statement, schema, locked.row)))
      }
    }
    return tokens
  }
})

export const lockCodes = (
  schema: Schema,
  codes: LoadPlan["codes"]
): Query<ReadonlyArray<CodeRow>> => ({
  name: "lock codes",
  run: (statement) =>
    lockByKey(
      statement,
      schema.code,
      "queue_code_pkey",
      codes.map(({ queueId, codeHash }) => keyOf(queueId, codeHash))
    )
})

export const lockWallets = (
  schema: Schema,
  userIds: LoadPlan["wallets"]
): Query<ReadonlyArray<WalletRow>> => ({
  name: "lock wallets",
  run: (statement) => lockByKey(statement, schema.wallet, "wallet_pkey", userIds)
})

/** The names of the advisory locks of a count. */
export const seatCountLock = {
  performance: (performanceId: string) => `performance\n${performanceId}`,
  user: (count: string) => `count\n${count}`
}

export const lockSeatCounts = (counts: LoadPlan["seatCounts"]): Query<void> => ({
  name: "lock seat counts",
  *run({ database: { advisory }, transaction }) {
    const keys = new Set(
      counts.map(({ performanceId, userId }) => seatCountKey(performanceId, userId))
    )
    const performances = sortedTexts(counts.map(({ performanceId }) => performanceId))
    const isWhole = keys.size > seatCountsPerBatch
    for (const performanceId of performances) {
      const name = seatCountLock.performance(performanceId)
      yield* advisory.take(transaction, name, isWhole ? "exclusive" : "shared")
    }
    if (isWhole) return
    for (const key of sortedTexts(keys)) {
      yield* advisory.take(transaction, seatCountLock.user(key), "exclusive")
    }
  }
})

/** Longer than all statements of a load may take together. */
const longestLoadMs = 120_000

export const lockReservations = (
  schema: Schema,
  { reservations, seatCounts }: Pick<LoadPlan, "reservations" | "seatCounts">
): Query<ReadonlyArray<ReservationRow>> => ({
  name: "lock reservations",
  *run(statement) {
    const wanted = new Set<string>(reservations)
    const until = statement.now() + longestLoadMs
    for (const { performanceId, userId } of seatCounts) {
      const key = seatCountKey(performanceId, userId)
      for (const { row } of statement.find(schema.reservation, "holdings", key)) {
        if (row.status === "held" && row.holdExpiresAt <= until) wanted.add(row.reservationId)
      }
    }
    const locked = yield* lockByKey(statement, schema.reservation, "reservation_pkey", wanted)
    return locked.filter(({ reservationId }) => reservations.has(reservationId))
  }
})

export const lockSeats = (
  schema: Schema,
  { seats, reservations }: Pick<LoadPlan, "seats" | "reservations">
): Query<ReadonlyArray<SeatRow>> => ({
  name: "lock seats",
  *run(statement) {
    const keys = seats.flatMap(({ performanceId, seatIds }) =>
      seatIds.map((seatId) => seatKey(performanceId, seatId))
    )
    for (const reservationId of reservations) {
      const found = statement.get(schema.reservation, "reservation_pkey", reservationId)
      for (const { seatId } of found?.row.seats ?? []) {
        keys.push(seatKey(found!.row.performanceId, seatId))
      }
    }
    return (yield* lockByKey(statement, schema.seat, "seat_pkey", keys)).map(seatRow)
  }
})

export const lockPerformances = (
  schema: Schema,
  performanceIds: LoadPlan["performances"]
): Query<ReadonlyArray<StoredPerformance>> => ({
  name: "lock performances",
  run: (statement) => lockByKey(statement, schema.performance, "performance_pkey", performanceIds)
})
