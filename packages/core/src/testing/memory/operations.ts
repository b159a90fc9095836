/** The operations of a store besides batches: see `operations` of the SQL store. */
import { Effect } from "effect"
import type { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import {
  departuresPerReading,
  type PageRequest,
  type PerformanceReading
} from "../../BoxOfficeStore.ts"
import type { StoreUnavailable } from "../../Errors.ts"
import type { QueueRow } from "../../queue/model.ts"
import { numbersPerBlock, type Sighting } from "../../queue/presence.ts"
import { type ReservationRow, seatStatusAt } from "../../reservation/model.ts"
import type { Statement } from "../database/Statement.ts"
import {
  clearDepartures,
  clearOutcomes,
  clearPresence,
  clearReservations,
  clearTokens
} from "./clear.ts"
import { makeDeliveries } from "./deliveries.ts"
import { byText, compareBytes } from "./order.ts"
import { makeOutbox } from "./outbox.ts"
import { Pipeline, type Query } from "./Pipeline.ts"
import {
  admittedLastMinute,
  aheadOf,
  exitsOf,
  grantsOfLastMinute,
  lapsedTokens,
  queueRow,
  tokenRow
} from "./queueColumns.ts"
import { performanceRow, present, reading, seatRow } from "./reads.ts"
import type { StoredQueue } from "./rows.ts"
import { all, type Schema } from "./schema.ts"

type Store = BoxOfficeStore["Service"]

/** Sends a message on a connection for reads. */
export type SendRead = (name: string, pipeline: Pipeline) => Effect.Effect<void, StoreUnavailable>

export const makeOperations = (
  schema: Schema,
  uuid: () => string,
  send: SendRead
): Omit<Store, "transact" | "lockedRows" | "closing"> => {
  /** Each statement in a transaction of its own. */
  const runQuery = <A>(query: Query<A>): Effect.Effect<A, StoreUnavailable> =>
    Effect.suspend(() => {
      const pipeline = new Pipeline()
      const answer = pipeline.addAlone(query)
      return Effect.map(send(query.name, pipeline), answer)
    })
  const read = <A>(name: string, body: (statement: Statement) => A) => runQuery(reading(name, body))

  return {
    readTokens: (questions) =>
      read("readTokens", (statement) =>
        questions.map(({ tokenId, showId, performanceId }) => {
          const token = statement.get(schema.token, "queue_token_pkey", tokenId)?.row
          const queue = token && statement.get(schema.queue, "queue_pkey", token.queueId)!.row
          const performance =
            performanceId && performanceRow(statement, schema, performanceId)?.queueId
          const show = showId && statement.get(schema.show, "show_pkey", showId)?.row.queueId
          const waits = token?.state === "waiting"
          return {
            now: statement.now(),
            token: token && tokenRow(token, queue!),
            ahead: waits ? aheadOf(statement, schema, token, queue!) : 0,
            requiredQueueId: performance || show || undefined
          }
        })
      ),
    readQueue: (queueId, after) =>
      read("readQueue", (statement) => {
        const now = statement.now()
        const queue = statement.get(schema.queue, "queue_pkey", queueId)?.row
        if (queue === undefined) return undefined
        const departures = statement
          .find(schema.departure, "byQueue", queueId)
          .map(({ row }) => row)
          .filter(({ seq }) => seq > after)
          .sort((a, b) => (a.seq < b.seq ? -1 : 1))
          .slice(0, departuresPerReading)
        return {
          now,
          queue: queueRow(queue, {
            active: queue.active - exitsOf(statement, schema, queueId),
            admittedLastMinute: admittedLastMinute(statement, schema, queueId, now)
          }),
          lapsed: lapsedTokens(statement, schema, queueId, now).length > 0,
          departures,
          admissions: grantsOfLastMinute(statement, schema, queueId, now)
            .map(({ grantedAt, admitted }) => ({ at: grantedAt, admitted }))
            .sort((a, b) => a.at - b.at)
        }
      }),
    queue: (queueId) =>
      read("queue", (statement) => {
        const queue = statement.get(schema.queue, "queue_pkey", queueId)?.row
        return queue && shownQueue(statement, schema, queue)
      }),
    queues: (page) =>
      read("queues", (statement) =>
        pageOf(
          statement
            .scan(schema.queue)
            .map(({ row }) => row)
            .sort(byText(({ queueId }) => queueId)),
          page,
          ({ queueId }, cursor) => compareBytes(queueId, cursor) > 0
        ).map((queue) => shownQueue(statement, schema, queue))
      ),
    show: (showId) =>
      read("show", (statement) => statement.get(schema.show, "show_pkey", showId)?.row),
    shows: (page) =>
      read("shows", (statement) =>
        pageOf(
          statement
            .scan(schema.show)
            .map(({ row }) => row)
            .sort(byText(({ showId }) => showId)),
          page,
          ({ showId }, cursor) => compareBytes(showId, cursor) > 0
        )
      ),
    performance: (performanceId) =>
      read(
        "performance",
        (statement) => statement.get(schema.performance, "performance_pkey", performanceId)?.row
      ),
    performances: (showId) =>
      read("performances", (statement) => {
        if (statement.get(schema.show, "show_pkey", showId) === undefined) return undefined
        const now = statement.now()
        const performances = statement
          .find(schema.performance, "byShow", showId)
          .map(({ row }) => performanceReading(statement, schema, row, now))
          .sort(byText(({ performanceId }) => performanceId))
          .sort((a, b) => a.startsAt - b.startsAt)
        return { now, performances }
      }),
    seats: (performanceId, before) =>
      Effect.suspend(() => {
        const pipeline = new Pipeline()
        const found = pipeline.addAlone(
          reading("read seats", (statement) => {
            const rows = statement
              .find(schema.seat, "byPerformance", performanceId)
              .map(({ row }) => row)
            const version = 2 * rows.reduce((total, { changes }) => total + changes, 0)
            if (rows.length > 0 && version === before?.version) return before
            rows.sort(byText(({ seatId }) => seatId)).sort((a, b) => a.ordinal - b.ordinal)
            return { version, seats: rows.map(seatRow) }
          })
        )
        // The clock is read behind the seats: no hold began after it.
        const performance = pipeline.addAlone(
          reading("read performance", (statement) => {
            const row = performanceRow(statement, schema, performanceId)
            return row && { performance: row, now: statement.now() }
          })
        )
        return Effect.map(send("seats", pipeline), () => {
          const { version, seats } = found()
          const row = performance()
          return row && { ...row, version, seats }
        })
      }),
    reservation: (reservationId) =>
      read("reservation", (statement) => ({
        now: statement.now(),
        reservations: present(statement, schema.reservation, "reservation_pkey", [reservationId])
      })),
    reservations: (userId, page) =>
      read("reservations", (statement) => ({
        now: statement.now(),
        reservations: pageOf(
          statement
            .find(schema.reservation, "byUser", userId)
            .map(({ row }) => row)
            .sort((a, b) => compareHeld(b, a)),
          page,
          (row, cursor) => compareHeld(row, cursor) < 0
        )
      })),
    wallet: (userId) =>
      read("wallet", (statement) => statement.get(schema.wallet, "wallet_pkey", userId)?.row),
    paid: (paymentId) =>
      read("paid", (statement) => {
        const row = statement.get(schema.reservation, "reservation_payment_once", paymentId)?.row
        return row && { reservationId: row.reservationId, userId: row.userId }
      }),
    transfers: (userId, page) =>
      read("transfers", (statement) =>
        pageOf(
          statement
            .find(schema.transfer, "byUser", userId)
            .map(({ row }) => row)
            .sort((a, b) => b.version - a.version),
          page,
          ({ version }, cursor) => version < cursor
        )
      ),
    lapsed: (limit) =>
      read("lapsed", (statement) => {
        const now = statement.now()
        return {
          reservations: statement
            .find(schema.reservation, "lapsing", all)
            .map(({ row }) => row)
            .filter(({ holdExpiresAt }) => holdExpiresAt <= now)
            .sort((a, b) => a.holdExpiresAt - b.holdExpiresAt)
            .slice(0, limit)
            .map(({ reservationId }) => reservationId),
          queues: statement
            .scan(schema.queue)
            .map(({ row }) => row)
            .filter((queue) => isDue(statement, schema, queue, now))
            .map(({ queueId }) => queueId)
            .sort(compareBytes)
            .slice(0, limit)
        }
      }),
    markSeen: (queueId, sightings) =>
      runQuery({
        name: "markSeen",
        *run(statement) {
          const seenUntil = Math.floor(statement.now() / 60_000) * 60_000 + 60_000
          const sorted = sightings.toSorted(
            (a, b) => a.lane.localeCompare(b.lane) || a.block - b.block
          )
          for (const { lane, block, seen } of sorted) {
            const row = { queueId, lane, block, seenUntil, seen: seen.slice() }
            yield* statement.insert(schema.presence, row, {
              index: "queue_presence_pkey",
              update: (there) => ({ ...there, seen: merged(there.seen, seen) })
            })
          }
        }
      }),
    clearTokens: (olderThanMs, limit) =>
      Effect.andThen(
        runQuery(clearPresence(schema)),
        Effect.andThen(
          runQuery(clearDepartures(schema, limit)),
          runQuery(clearTokens(schema, olderThanMs, limit))
        )
      ),
    clearReservations: (olderThanMs, limit) =>
      runQuery(clearReservations(schema, olderThanMs, limit)),
    clearOutcomes: (olderThanMs, limit) => runQuery(clearOutcomes(schema, olderThanMs, limit)),
    outbox: makeOutbox(schema, uuid, runQuery),
    deliveries: makeDeliveries(schema, runQuery),
    ping: read("ping", () => {})
  }
}

/** A queue as an operator sees it: lapsed tokens do not count as active. */
const shownQueue = (statement: Statement, schema: Schema, queue: StoredQueue): QueueRow => {
  const now = statement.now()
  const { queueId } = queue
  const lapsed = lapsedTokens(statement, schema, queueId, now).length
  return queueRow(queue, {
    active: Math.max(0, queue.active - exitsOf(statement, schema, queueId) - lapsed),
    admittedLastMinute: admittedLastMinute(statement, schema, queueId, now)
  })
}

/** Whether a queue has lapsed tokens, must open or close, or could admit a user. */
const isDue = (statement: Statement, schema: Schema, queue: StoredQueue, now: number): boolean => {
  const { queueId, mode, opening, settings } = queue
  if (lapsedTokens(statement, schema, queueId, now).length > 0) return true
  const waiting = queue.waiting + queue.priority.waiting
  if (mode === "closed") return waiting > 0
  if (opening !== null && opening.openedAt === null) return opening.opensAt <= now
  return (
    mode !== "paused" &&
    waiting > 0 &&
    settings.maxActive > queue.active - exitsOf(statement, schema, queueId) &&
    settings.admitPerMinute > admittedLastMinute(statement, schema, queueId, now)
  )
}

const performanceReading = (
  statement: Statement,
  schema: Schema,
  { performanceId, timeZone }: { readonly performanceId: string; readonly timeZone: string },
  now: number
): PerformanceReading => {
  const seats = statement.find(schema.seat, "byPerformance", performanceId)
  const free = seats.filter(({ row }) => seatStatusAt(row, now) === "available")
  const prices = free.map(({ row }) => row.price).sort((a, b) => Number(a.amount - b.amount))
  return {
    ...performanceRow(statement, schema, performanceId)!,
    timeZone,
    availableSeats: free.length,
    totalSeats: seats.length,
    priceFrom: prices[0] ?? null
  }
}

type Held = Pick<ReservationRow, "heldAt" | "reservationId">

const compareHeld = (a: Held, b: Held): number =>
  a.heldAt - b.heldAt || compareBytes(a.reservationId, b.reservationId)

const merged = (a: Sighting["seen"], b: Sighting["seen"]): Uint8Array => {
  const both = new Uint8Array(numbersPerBlock / 8)
  for (let i = 0; i < both.length; i++) both[i] = a[i]! | b[i]!
  return both
}

const pageOf = <A, Cursor>(
  rows: ReadonlyArray<A>,
  { after, limit }: PageRequest<Cursor>,
  isAfter: (row: A, cursor: Cursor) => boolean
): Array<A> => rows.filter((row) => after === undefined || isAfter(row, after)).slice(0, limit)
