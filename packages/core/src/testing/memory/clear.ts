/** Deletes rows that are older than they need to be: see `operations/clear.ts` of the SQL store. */
import { seatKey } from "../../engine/Rows.ts"
import type { Departure } from "../../queue/model.ts"
import type { Statement } from "../database/Statement.ts"
import type { Table, Version } from "../database/Table.ts"
import type { Steps } from "../database/Transaction.ts"
import type { Query } from "./Pipeline.ts"
import type { StoredClearing, StoredQueue } from "./rows.ts"
import { all, type Schema } from "./schema.ts"

/** Notes up to which instant rows of a kind were deleted; nothing if there were none. */
export function* noteCleared(
  statement: Statement,
  { cleared }: Schema,
  kind: StoredClearing["kind"],
  upTo: number
): Steps<void> {
  if (upTo === Number.NEGATIVE_INFINITY) return
  yield* statement.insert(
    cleared,
    { kind, upTo },
    {
      index: "cleared_pkey",
      update: (there) => ({ kind, upTo: Math.max(there.upTo, upTo) })
    }
  )
}

/** Deletes the oldest rows, up to `limit`. Skips those that another transaction has locked. */
function* removeOldest<Row>(
  statement: Statement,
  table: Table<Row, string>,
  candidates: ReadonlyArray<Version<Row>>,
  options: {
    readonly limit: number
    readonly ageOf: (row: Row) => number
    readonly isOld: (row: Row) => boolean
  }
): Steps<ReadonlyArray<Row>> {
  const { limit, ageOf, isOld } = options
  const oldest = candidates
    .filter(({ row }) => isOld(row))
    .sort((a, b) => ageOf(a.row) - ageOf(b.row))
  const locked: Array<Version<Row>> = []
  for (const version of oldest) {
    if (locked.length === limit) break
    const newest = yield* statement.lock(version, "UPDATE", { skipLocked: true, recheck: isOld })
    if (newest !== undefined) locked.push(newest)
  }
  for (const version of locked) yield* statement.remove(table, version)
  return locked.map(({ row }) => row)
}

type Clearing = (schema: Schema, olderThanMs: number, limit: number) => Query<number>

export const clearTokens: Clearing = (schema, olderThanMs, limit) => ({
  name: "clear tokens",
  *run(statement) {
    const before = statement.now() - olderThanMs
    const candidates = statement.find(schema.token, "ended", all)
    const gone = yield* removeOldest(statement, schema.token, candidates, {
      limit,
      ageOf: ({ endedAt }) => endedAt!,
      isOld: ({ endedAt }) => endedAt !== null && endedAt <= before
    })
    const latest = gone.map(({ joinedAt, admittedAt, endedAt }) =>
      Math.max(joinedAt, admittedAt ?? joinedAt, endedAt!)
    )
    yield* noteCleared(statement, schema, "queue_token", Math.max(...latest))
    return gone.length
  }
})

/** One that nevertheless has a seat or a transfer stays, so that an operator can find out why. */
export const clearReservations: Clearing = (schema, olderThanMs, limit) => ({
  name: "clear reservations",
  *run(statement) {
    const before = statement.now() - olderThanMs
    const candidates = statement
      .find(schema.reservation, "ended", all)
      .filter(({ row: { performanceId, reservationId, seats } }) => {
        const hasSeat = seats.some(({ seatId }) => {
          const key = seatKey(performanceId, seatId)
          return statement.get(schema.seat, "seat_pkey", key)?.row.reservationId === reservationId
        })
        return !hasSeat && !statement.get(schema.transfer, "byReservation", reservationId)
      })
    const gone = yield* removeOldest(statement, schema.reservation, candidates, {
      limit,
      ageOf: ({ endedAt }) => endedAt!,
      isOld: ({ status, endedAt }) =>
        (status === "released" || status === "expired") && endedAt! <= before
    })
    const latest = gone.map(({ heldAt, endedAt }) => Math.max(heldAt, endedAt!))
    yield* noteCleared(statement, schema, "reservation", Math.max(...latest))
    return gone.length
  }
})

/** If two nodes delete the same ones, the second finds them gone. */
export const clearOutcomes: Clearing = (schema, olderThanMs, limit) => ({
  name: "clear outcomes",
  *run(statement) {
    const before = statement.now() - olderThanMs
    const old = statement
      .scan(schema.outcome)
      .filter(({ row }) => row.recordedAt <= before)
      .sort((a, b) => a.row.recordedAt - b.row.recordedAt)
      .slice(0, limit)
    let deleted = 0
    for (const version of old) if (yield* statement.remove(schema.outcome, version)) deleted++
    return deleted
  }
})

export const clearDeadLetters: Clearing = (schema, olderThanMs, limit) => ({
  name: "clear dead letters",
  *run(statement) {
    const before = statement.now() - olderThanMs
    const gone = yield* removeOldest(statement, schema.delivery, statement.scan(schema.delivery), {
      limit,
      ageOf: ({ nextAt }) => nextAt,
      isOld: ({ state, nextAt }) => state === "dead" && nextAt <= before
    })
    return gone.length
  }
})

/** Deletes departures that the line has passed; those of a draw once it has gone through all of it. */
export const clearDepartures = (schema: Schema, limit: number): Query<void> => ({
  name: "clear departures",
  *run(statement) {
    const gone: Array<Version<Departure>> = []
    for (const { row: queue } of statement.scan(schema.queue)) {
      const first = statement
        .find(schema.departure, "byQueue", queue.queueId)
        .sort((a, b) => (a.row.seq < b.row.seq ? -1 : 1))
        .slice(0, limit)
      gone.push(...first.filter(({ row }) => isPassed(row, queue)))
    }
    for (const version of gone.slice(0, limit)) yield* statement.remove(schema.departure, version)
  }
})

const isPassed = ({ lane, number }: Departure, queue: StoredQueue): boolean => {
  // A closed queue has no positions to compute any more.
  if (queue.mode === "closed") return true
  if (lane === "priority") return queue.priority.cursor >= number
  const behind = number <= queue.drawSize ? queue.drawSize : number
  return queue.cursor >= behind && (queue.opening === null || queue.opening.openedAt !== null)
}

/** Deletes presence that no queue considers any more. */
export const clearPresence = (schema: Schema): Query<void> => ({
  name: "clear presence",
  *run(statement) {
    const now = statement.now()
    for (const { row: queue } of statement.scan(schema.queue)) {
      const before = now - (queue.settings.absenceSeconds + 600) * 1_000
      for (const version of statement.find(schema.presence, "byQueue", queue.queueId)) {
        if (version.row.seenUntil < before) yield* statement.remove(schema.presence, version)
      }
    }
  }
})
