import type { PerformanceId, UserId } from "@boxoffice/core"
import { holdingKey, type LoadPlan, seatCountsPerBatch } from "@boxoffice/core/store"
import { clock } from "../../columns/queue.ts"
import { type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

type Holdings = LoadPlan["seatCounts"]

/**
 * Lock 4: the right to give a user more seats of a performance. There may be no row to lock yet, so
 * these are advisory locks, sorted by key: first those of the performances, then those of the
 * users.
 *
 * The server has memory for a few thousand advisory locks in all. A batch with many users therefore
 * locks whole performances instead; other batches lock these in shared mode.
 */
export const lockHoldings = (schema: SchemaName) => {
  const lock = (mode: string) => `
    SELECT count(pg_advisory_xact_lock${mode}(key)) FROM (
      SELECT DISTINCT hashtextextended('${schema}/' || performance_id, 0) AS key
      FROM unnest($1::text[]) AS performance (performance_id) ORDER BY key
    ) keys`
  // Guard lock-performance-of-count: with `"_shared"` for `""`, locks.test "more seats than" fails.
  const alone = lock("")
  // One statement for both, so that it makes no user's key before it has locked the performances.
  // Guard lock-performance-shared: with "SELECT 1 AS count" for "${lock(…)}", locks.test "more seats than" fails.
  // Guard lock-count: with "count(key)" for "count(pg…(key))", locks.test "more seats than" fails.
  const shared = `
    WITH performances AS MATERIALIZED (${lock("_shared")})
    SELECT count(pg_advisory_xact_lock(key)) FROM performances, LATERAL (
      SELECT DISTINCT hashtextextended('${schema}/' || performance_id || '/' || user_id, 1) AS key
      FROM unnest($2::text[], $3::text[]) AS holding (performance_id, user_id)
      WHERE performances.count > 0 ORDER BY key
    ) keys`
  return (holdings: Holdings): Query<void> => {
    const { performanceIds, userIds } = columnsOf(holdings)
    const performances = texts(new Set(performanceIds))
    const read = () => {}
    // Guard lock-count-many: with "false" for "performanceIds…PerBatch", locks.test "the default level" fails.
    return performanceIds.length > seatCountsPerBatch
      ? { sql: alone, params: [performances], read }
      : { sql: shared, params: [performances, texts(performanceIds), texts(userIds)], read }
  }
}

/**
 * Counts the seats of each user, in a statement behind the locks, so that it sees what they waited
 * for.
 *
 * It finds held rows as a range of the pair (status, hold_expires_at), which only the index of
 * holdings can serve. With two plain conditions the server may choose the index of all lapsing
 * holds: measured with 5,000 of them, 0.8 ms a user.
 */
export const countHoldings = (schema: SchemaName) => {
  const seats = `SELECT sum(jsonb_array_length(r.seats)) FROM ${schema}.reservation r
        WHERE r.performance_id = holding.performance_id AND r.user_id = holding.user_id`
  const sql = `
    WITH ${clock}
    SELECT performance_id, user_id,
      coalesce((${seats} AND r.status = 'confirmed'), 0)
      + coalesce((${seats} AND r.status IN ('held', 'confirmed')
        AND (r.status, r.hold_expires_at) > ('held', clock.now)), 0)
    FROM unnest($1::text[], $2::text[]) AS holding (performance_id, user_id), clock`
  return (holdings: Holdings): Query<ReadonlyArray<readonly [string, number]>> => {
    const { performanceIds, userIds } = columnsOf(holdings)
    return {
      sql,
      params: [texts(performanceIds), texts(userIds)],
      read: (rows) => rows.map(([p, u, seats]) => [holdingKey(p, u), Number(seats)])
    }
  }
}

/** Each holding once. */
export const columnsOf = (holdings: Holdings) => {
  const seen = new Set<string>()
  const performanceIds: Array<PerformanceId> = []
  const userIds: Array<UserId> = []
  for (const { performanceId, userId } of holdings) {
    const key = holdingKey(performanceId, userId)
    if (seen.has(key)) continue
    seen.add(key)
    performanceIds.push(performanceId)
    userIds.push(userId)
  }
  return { performanceIds, userIds }
}
