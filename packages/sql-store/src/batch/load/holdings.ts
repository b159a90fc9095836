import type { PerformanceId, UserId } from "@boxoffice/core"
import { holdingKey, type LoadPlan, seatCountsPerBatch } from "@boxoffice/core/store"
import { clock } from "../../columns/queue.ts"
import { type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

type Holdings = LoadPlan["seatCounts"]

/**
 * Lock 4: the right to give a user more seats of a performance. There may be no row yet to lock,
 * so these are advisory locks, sorted by their keys: first of the performances, then of the users.
 *
 * The server has memory for a few thousand advisory locks in all. A batch of many users therefore
 * locks whole performances instead, which the other batches share.
 */
export const lockHoldings = (schema: SchemaName) => {
  const lock = (mode: string) => `
    SELECT count(pg_advisory_xact_lock${mode}(key)) FROM (
      SELECT DISTINCT hashtextextended('${schema}/' || performance_id, 0) AS key
      FROM unnest($1::text[]) AS performance (performance_id) ORDER BY key
    ) keys`
  const alone = lock("")
  // One statement for both: no user's key is made before the performances are locked.
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
    return performanceIds.length > seatCountsPerBatch
      ? { sql: alone, params: [performances], read }
      : { sql: shared, params: [performances, texts(performanceIds), texts(userIds)], read }
  }
}

/**
 * How many seats each user has. A statement after the locks: it sees what they waited for.
 *
 * Held rows are found as a range of the pair (status, hold_expires_at), which only the index of
 * holdings can serve. Two plain conditions let the server choose the one of all lapsing holds:
 * measured with 5,000 of them, 0.8 ms a user.
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
