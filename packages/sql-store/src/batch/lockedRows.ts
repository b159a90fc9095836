/**
 * Which rows of a plan other transactions have locked. Each statement tries to lock what a batch would
 * lock, skips what it does not get, and gives the difference, with the transaction that holds each row
 * (`xmax`). They run in a transaction of their own, which ends with them and their locks.
 *
 * A batcher asks only once a batch has waited in vain for a lock, and for some seconds after that. What
 * this misses is a key that another transaction has inserted and not committed: nothing shows it.
 */
import type { StoreUnavailable } from "@boxoffice/core"
import { type LoadPlan, lockKey } from "@boxoffice/core/store"
import { Effect } from "effect"
import { Pipeline } from "../Pipeline.ts"
import { type Query, type Row, texts, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { deadline, unavailable } from "../sqlFailure.ts"
import { rollback } from "./commit.ts"
import { begin, forceIndexPlans } from "./load/begin.ts"
import { columnsOf } from "./load/holdings.ts"
import { AttemptFailed, type BatchContext, onConnection } from "./transact.ts"

/** How long it may wait for a table that is locked as a whole, and for its answer, in milliseconds. */
export const lookLimits = { lockTimeoutMs: 100, statementTimeoutMs: 2_000, answerWithinMs: 3_000 }

type LockedRow = readonly [key: string, holder: string]
export type LockedRows = ReadonlyArray<LockedRow>

/** The statements for a plan: one for each kind of row that it names. */
export const lockedRowsQueries = (schema: SchemaName) => {
  // Guard look-at-row: without "FOR NO KEY UPDATE SKIP LOCKED", locks.test "that another transaction has locked is found" fails.
  const locked = (table: string, ids: string, condition: string) => `
    WITH free AS MATERIALIZED (
      SELECT t.ctid FROM ${schema}.${table} t WHERE ${condition} FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT ${ids}, t.xmax::text FROM ${schema}.${table} t
    WHERE ${condition} AND t.ctid <> ALL (ARRAY(SELECT ctid FROM free))`
  const byId = (table: string, id: string, type: string) =>
    locked(table, `t.${id}::text`, `t.${id} = ANY($1::${type}[])`)
  const queue = byId("queue", "queue_id", "text")
  const token = byId("queue_token", "token_id", "uuid")
  const wallet = byId("wallet", "user_id", "text")
  const reservation = byId("reservation", "reservation_id", "uuid")
  const performance = byId("performance", "performance_id", "text")
  const liveToken = locked(
    "queue_token",
    "t.queue_id, t.user_id",
    `t.token_id = ANY(ARRAY(
        SELECT found.token_id
        FROM unnest($1::text[], $2::text[]) AS member (queue_id, user_id), LATERAL (
          SELECT l.token_id FROM ${schema}.queue_token l
          WHERE l.queue_id = member.queue_id AND l.user_id = member.user_id
            AND l.state IN ('waiting', 'admitted')
          LIMIT 1
        ) found))`
  )
  const rowsOf = (table: string, first: string, second: string, named: string) =>
    locked(
      table,
      `t.${first}, t.${second}`,
      `t.ctid = ANY(ARRAY(
        SELECT found.ctid FROM (${named}) AS named (one, two), LATERAL (
          SELECT l.ctid FROM ${schema}.${table} l
          WHERE l.${first} = named.one AND l.${second} = named.two LIMIT 1
        ) found))`
    )
  const code = rowsOf(
    "queue_code",
    "queue_id",
    "code_hash",
    "SELECT * FROM unnest($1::text[], $2::text[])"
  )
  const seat = rowsOf(
    "seat",
    "performance_id",
    "seat_id",
    "SELECT * FROM unnest($1::text[], $2::text[])"
  )
  /** The seats of reservations: each is locked with its reservation. */
  // Guard look-at-seats: without "FOR NO KEY UPDATE SKIP LOCKED", locks.test "that another transaction has locked is found" fails.
  const seatOfReservation = `
    WITH sold AS MATERIALIZED (
      SELECT r.reservation_id, found.at
      FROM ${schema}.reservation r, jsonb_array_elements(r.seats) seat, LATERAL (
        SELECT l.ctid AS at FROM ${schema}.seat l
        WHERE l.performance_id = r.performance_id AND l.seat_id = seat ->> 'seatId' LIMIT 1
      ) found
      WHERE r.reservation_id = ANY($1::uuid[])
    ), free AS MATERIALIZED (
      SELECT t.ctid FROM ${schema}.seat t WHERE t.ctid = ANY(ARRAY(SELECT at FROM sold))
      FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT sold.reservation_id::text, t.xmax::text
    FROM sold, LATERAL (SELECT s.xmax FROM ${schema}.seat s WHERE s.ctid = sold.at) t
    WHERE sold.at <> ALL (ARRAY(SELECT ctid FROM free))`
  /** The reservations that a count includes, and the advisory locks of the count itself. */
  // Guard look-at-counted: without "FOR NO KEY UPDATE SKIP LOCKED", locks.test "that another transaction has locked is found" fails.
  // Guard look-at-performance: with "false" for "NOT pg_try_advisory_xact_lock_shared(…)", locks.test "has locked is found" fails.
  // Guard look-at-count: with "false" for "NOT pg_try_advisory_xact_lock(…)", locks.test "has locked is found" fails.
  const counted = `
    WITH counted AS MATERIALIZED (
      SELECT count.performance_id, count.user_id, found.at
      FROM unnest($1::text[], $2::text[]) AS count (performance_id, user_id), LATERAL (
        SELECT r.ctid AS at FROM ${schema}.reservation r
        WHERE r.performance_id = count.performance_id AND r.user_id = count.user_id
          AND r.status IN ('held', 'confirmed')
          AND (r.status, r.hold_expires_at) >= ('held', '-infinity')
          AND (r.status, r.hold_expires_at) <= ('held', 'infinity')
      ) found
    ), free AS MATERIALIZED (
      SELECT t.ctid FROM ${schema}.reservation t WHERE t.ctid = ANY(ARRAY(SELECT at FROM counted))
      FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT counted.performance_id, counted.user_id, t.xmax::text
    FROM counted, LATERAL (SELECT r.xmax FROM ${schema}.reservation r WHERE r.ctid = counted.at) t
    WHERE counted.at <> ALL (ARRAY(SELECT ctid FROM free))
    UNION ALL SELECT count.performance_id, count.user_id, coalesce((
      SELECT string_agg(DISTINCT l.virtualtransaction, ' ') FROM pg_locks l
      WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::int8 << 32 | l.objid::int8) IN (key.of_performance, key.of_user)
    ), 'unknown')
    FROM unnest($1::text[], $2::text[]) AS count (performance_id, user_id), LATERAL (
      SELECT hashtextextended('${schema}/' || count.performance_id, 0) AS of_performance,
        hashtextextended('${schema}/' || count.performance_id || '/' || count.user_id, 1) AS of_user
    ) key
    WHERE NOT pg_try_advisory_xact_lock_shared(key.of_performance)
      OR NOT pg_try_advisory_xact_lock(key.of_user)`

  const one =
    (key: (id: string) => string) =>
    (rows: ReadonlyArray<Row>): LockedRows =>
      rows.map(([id, holder]) => [key(id), holder])
  const two =
    (key: (first: string, second: string) => string) =>
    (rows: ReadonlyArray<Row>): LockedRows =>
      rows.map(([first, second, holder]) => [key(first, second), holder])

  return (plan: LoadPlan): ReadonlyArray<Query<LockedRows>> => {
    const counts = columnsOf(plan.seatCounts)
    const seats = plan.seats.flatMap(({ performanceId, seatIds }) =>
      seatIds.map((seatId) => ({ performanceId, seatId }))
    )
    const reservations = uuids(plan.reservations)
    const queries: ReadonlyArray<Query<LockedRows> & { readonly count: number }> = [
      {
        count: plan.queues.size,
        sql: queue,
        params: [texts(plan.queues)],
        read: one(lockKey.queue)
      },
      {
        count: plan.tokens.size,
        sql: token,
        params: [uuids(plan.tokens)],
        read: one(lockKey.token)
      },
      {
        count: plan.liveTokensOf.length,
        sql: liveToken,
        params: [
          texts(plan.liveTokensOf.map(({ queueId }) => queueId)),
          texts(plan.liveTokensOf.map(({ userId }) => userId))
        ],
        read: two(lockKey.liveToken)
      },
      {
        count: plan.codes.length,
        sql: code,
        params: [
          texts(plan.codes.map(({ queueId }) => queueId)),
          texts(plan.codes.map(({ codeHash }) => codeHash))
        ],
        read: two(lockKey.code)
      },
      {
        count: plan.wallets.size,
        sql: wallet,
        params: [texts(plan.wallets)],
        read: one(lockKey.wallet)
      },
      {
        count: plan.seatCounts.length,
        sql: counted,
        params: [texts(counts.performanceIds), texts(counts.userIds)],
        read: two(lockKey.seatCount)
      },
      {
        count: plan.reservations.size,
        sql: reservation,
        params: [reservations],
        read: one(lockKey.reservation)
      },
      {
        count: plan.reservations.size,
        sql: seatOfReservation,
        params: [reservations],
        read: one(lockKey.reservation)
      },
      {
        count: seats.length,
        sql: seat,
        params: [
          texts(seats.map(({ performanceId }) => performanceId)),
          texts(seats.map(({ seatId }) => seatId))
        ],
        read: two(lockKey.seat)
      },
      {
        count: plan.performances.size,
        sql: performance,
        params: [texts(plan.performances)],
        read: one(lockKey.performance)
      }
    ]
    return queries.filter(({ count }) => count > 0)
  }
}

/** Looks on a connection of the batches, in a transaction that is rolled back. */
export const makeLockedRows = ({ pool, schema, waits }: BatchContext) => {
  const queriesFor = lockedRowsQueries(schema)
  const withDeadline = deadline(lookLimits.answerWithinMs)
  const settings = forceIndexPlans({ ...waits, ...lookLimits })
  return (plan: LoadPlan): Effect.Effect<ReadonlyMap<string, string>, StoreUnavailable> =>
    onConnection(pool, withDeadline, (connection) => {
      const pipeline = new Pipeline()
      pipeline.add(begin)
      pipeline.add(settings)
      const found = queriesFor(plan).map((query) => pipeline.add(query))
      pipeline.add(rollback)
      return Effect.mapBoth(withDeadline(pipeline.run(connection)), {
        onFailure: (error) => new AttemptFailed(error),
        onSuccess: () => new Map(found.flatMap((rows) => rows()))
      })
    }).pipe(
      Effect.mapError(({ error }) => unavailable(error)),
      Effect.withSpan("SqlStore.lockedRows")
    )
}
