import { type LoadPlan, lockKey } from "@boxoffice/core/store"
import { columnsOf } from "../batch/load/holdings.ts"
import { type Query, texts, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/**
 * Which rows of a plan other transactions have locked. Each part tries to lock what a batch would
 * lock, skips what it does not get, and gives the difference. The statement is a transaction by
 * itself, so its own locks end with it.
 *
 * A batch asks only once it has waited in vain for a lock. What this misses is a key that another
 * transaction has inserted and not committed: nothing shows it before the commit.
 */
export const readLockedRows = (schema: SchemaName) => {
  const free = (table: string, columns: string, condition: string) => `AS MATERIALIZED (
      SELECT ${columns} FROM ${schema}.${table} WHERE ${condition} FOR NO KEY UPDATE SKIP LOCKED
    )`
  const sql = `
    WITH live AS MATERIALIZED (
      SELECT member.queue_id, member.user_id, found.token_id
      FROM unnest($3::text[], $4::text[]) AS member (queue_id, user_id), LATERAL (
        SELECT t.token_id FROM ${schema}.queue_token t
        WHERE t.queue_id = member.queue_id AND t.user_id = member.user_id
          AND t.state IN ('waiting', 'admitted')
        LIMIT 1
      ) found
    ), counted AS MATERIALIZED (
      SELECT count.performance_id, count.user_id, found.reservation_id
      FROM unnest($8::text[], $9::text[]) AS count (performance_id, user_id), LATERAL (
        SELECT r.reservation_id FROM ${schema}.reservation r
        WHERE r.performance_id = count.performance_id AND r.user_id = count.user_id
          AND r.status IN ('held', 'confirmed')
          AND (r.status, r.hold_expires_at) >= ('held', '-infinity')
          AND (r.status, r.hold_expires_at) <= ('held', 'infinity')
      ) found
    ), sold AS MATERIALIZED (
      SELECT r.reservation_id, r.performance_id, seat ->> 'seatId' AS seat_id
      FROM ${schema}.reservation r, jsonb_array_elements(r.seats) seat
      WHERE r.reservation_id = ANY($10)
    ), wanted_seat AS MATERIALIZED (
      SELECT performance_id, seat_id
      FROM unnest($11::text[], $12::text[]) AS named (performance_id, seat_id)
      UNION SELECT performance_id, seat_id FROM sold
    ),
    free_queue ${free("queue", "queue_id", "queue_id = ANY($1)")},
    free_token ${free(
      "queue_token",
      "token_id",
      "token_id = ANY($2 || ARRAY(SELECT token_id FROM live))"
    )},
    free_code ${free(
      "queue_code",
      "queue_id, code_hash",
      "(queue_id, code_hash) IN (SELECT * FROM unnest($5::text[], $6::text[]))"
    )},
    free_wallet ${free("wallet", "user_id", "user_id = ANY($7)")},
    free_reservation ${free(
      "reservation",
      "reservation_id",
      "reservation_id = ANY($10 || ARRAY(SELECT reservation_id FROM counted))"
    )},
    free_seat ${free(
      "seat",
      "performance_id, seat_id",
      "(performance_id, seat_id) IN (SELECT performance_id, seat_id FROM wanted_seat)"
    )},
    free_performance ${free("performance", "performance_id", "performance_id = ANY($13)")},
    locked_seat AS MATERIALIZED (
      SELECT s.performance_id, s.seat_id FROM wanted_seat JOIN ${schema}.seat s USING (performance_id, seat_id)
      EXCEPT SELECT performance_id, seat_id FROM free_seat
    ), locked_reservation AS MATERIALIZED (
      SELECT reservation_id FROM ${schema}.reservation
      WHERE reservation_id = ANY($10 || ARRAY(SELECT reservation_id FROM counted))
      EXCEPT SELECT reservation_id FROM free_reservation
    ), locked_token AS MATERIALIZED (
      SELECT token_id FROM ${schema}.queue_token
      WHERE token_id = ANY($2 || ARRAY(SELECT token_id FROM live))
      EXCEPT SELECT token_id FROM free_token
    )
    SELECT 'queue', queue_id, '' FROM (
      SELECT queue_id FROM ${schema}.queue WHERE queue_id = ANY($1)
      EXCEPT SELECT queue_id FROM free_queue
    ) locked
    UNION ALL SELECT 'token', token_id::text, '' FROM locked_token
    UNION ALL SELECT 'liveToken', queue_id, user_id FROM live JOIN locked_token USING (token_id)
    UNION ALL SELECT 'code', queue_id, code_hash FROM (
      SELECT c.queue_id, c.code_hash FROM ${schema}.queue_code c
      WHERE (c.queue_id, c.code_hash) IN (SELECT * FROM unnest($5::text[], $6::text[]))
      EXCEPT SELECT queue_id, code_hash FROM free_code
    ) locked
    UNION ALL SELECT 'wallet', user_id, '' FROM (
      SELECT user_id FROM ${schema}.wallet WHERE user_id = ANY($7)
      EXCEPT SELECT user_id FROM free_wallet
    ) locked
    UNION ALL SELECT 'seatCount', count.performance_id, count.user_id
    FROM unnest($8::text[], $9::text[]) AS count (performance_id, user_id)
    WHERE NOT pg_try_advisory_xact_lock_shared(
        hashtextextended('${schema}/' || count.performance_id, 0))
      OR NOT pg_try_advisory_xact_lock(
        hashtextextended('${schema}/' || count.performance_id || '/' || count.user_id, 1))
    UNION ALL SELECT 'seatCount', performance_id, user_id
    FROM counted JOIN locked_reservation USING (reservation_id)
    UNION ALL SELECT 'reservation', reservation_id::text, '' FROM locked_reservation
    UNION ALL SELECT 'reservation', reservation_id::text, ''
    FROM sold JOIN locked_seat USING (performance_id, seat_id)
    UNION ALL SELECT 'seat', performance_id, seat_id FROM locked_seat
    UNION ALL SELECT 'performance', performance_id, '' FROM (
      SELECT performance_id FROM ${schema}.performance WHERE performance_id = ANY($13)
      EXCEPT SELECT performance_id FROM free_performance
    ) locked`
  return (plan: LoadPlan): Query<ReadonlySet<string>> => {
    const counts = columnsOf(plan.seatCounts)
    const seats = plan.seats.flatMap(({ performanceId, seatIds }) =>
      seatIds.map((seatId) => ({ performanceId, seatId }))
    )
    return {
      sql,
      params: [
        texts(plan.queues),
        uuids(plan.tokens),
        texts(plan.liveTokensOf.map(({ queueId }) => queueId)),
        texts(plan.liveTokensOf.map(({ userId }) => userId)),
        texts(plan.codes.map(({ queueId }) => queueId)),
        texts(plan.codes.map(({ codeHash }) => codeHash)),
        texts(plan.wallets),
        texts(counts.performanceIds),
        texts(counts.userIds),
        uuids(plan.reservations),
        texts(seats.map(({ performanceId }) => performanceId)),
        texts(seats.map(({ seatId }) => seatId)),
        texts(plan.performances)
      ],
      read: (rows) =>
        new Set(rows.map(([kind, id, of]) => lockKey[kind as keyof typeof lockKey](id, of)))
    }
  }
}
