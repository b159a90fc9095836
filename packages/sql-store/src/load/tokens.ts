import {
  admissionsPerBatch,
  type QueueId,
  type RowNames,
  type TokenId,
  type TokenRow
} from "@boxoffice/core"
import { type Query, texts, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { tokenColumns, tokenOf } from "./tokenColumns.ts"

/**
 * Lock 2, by token_id: the tokens that are named, and of each locked queue those that lapsed and
 * those next in line. One statement for all of them, since they share one order.
 *
 * Which ones is decided before they are locked, and a row is given as it is once locked: one that
 * was waiting may have left. A queue that is locked lets nobody else admit or join meanwhile.
 */
export const lockTokens = (schema: SchemaName) => {
  const sql = `
    WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now),
    wanted AS (
      SELECT token_id FROM unnest($1::uuid[]) AS named (token_id)
      UNION
      SELECT t.token_id
      FROM unnest($2::text[], $3::text[]) AS member (queue_id, user_id)
      JOIN ${schema}.queue_token t USING (queue_id, user_id)
      WHERE t.state IN ('waiting', 'admitted')
      UNION
      SELECT lapsed.token_id FROM unnest($4::text[]) AS q (queue_id), clock, LATERAL (
        SELECT t.token_id FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.state = 'admitted' AND t.expires_at <= clock.now
        ORDER BY t.expires_at LIMIT ${admissionsPerBatch}
      ) lapsed
      UNION
      SELECT next.token_id
      FROM ${schema}.queue q, clock,
      LATERAL (
        SELECT count(*) AS active FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.state = 'admitted' AND t.expires_at > clock.now
      ) inside,
      LATERAL (
        SELECT count(*) AS recent FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.admitted_at > clock.now - interval '60 seconds'
      ) minute,
      LATERAL (
        SELECT t.token_id FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.state = 'waiting'
        ORDER BY t.number
        LIMIT greatest(0, least(q.max_active - active, q.admit_per_minute - recent,
          ${admissionsPerBatch}))
      ) next
      WHERE q.queue_id = ANY($4) AND q.mode <> 'paused'
    )
    SELECT ${tokenColumns}
    FROM ${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id)
    WHERE t.token_id = ANY(ARRAY(SELECT token_id FROM wanted))
    ORDER BY t.token_id FOR NO KEY UPDATE OF t`
  return (names: TokenNames): Query<ReadonlyArray<TokenRow>> => ({
    sql,
    params: [...namedTokens(names), texts(names.queues)],
    read: (rows) => rows.map((row) => tokenOf(row))
  })
}

/** A token, and how many wait in front of it if it waits. */
export interface Look {
  readonly token: TokenRow
  readonly ahead: number
}

/** Tokens that are only looked at, behind the locks: nothing is written, and nobody waits. */
export const lookAtTokens = (schema: SchemaName) => {
  const sql = `
    SELECT (SELECT count(*) FROM ${schema}.queue_token w
        WHERE t.state = 'waiting' AND w.queue_id = t.queue_id AND w.state = 'waiting'
          AND w.number < t.number),
      ${tokenColumns}
    FROM ${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id)
    WHERE t.token_id = ANY($1)`
  return (tokenIds: Iterable<TokenId>): Query<ReadonlyArray<Look>> => ({
    sql,
    params: [uuids(tokenIds)],
    read: (rows) => rows.map((row) => ({ token: tokenOf(row, 1), ahead: Number(row[0]) }))
  })
}

type TokenNames = Pick<RowNames, "tokens" | "members" | "queues">

const namedTokens = (names: TokenNames) => {
  const queueIds: Array<QueueId> = []
  const userIds: Array<string> = []
  for (const { queueId, userId } of names.members) {
    queueIds.push(queueId)
    userIds.push(userId)
  }
  return [uuids(names.tokens), texts(queueIds), texts(userIds)]
}

/**
 * How many wait in front of each named token that waits. Counted from one named token to the
 * next and summed up, so that the line is walked once, however many are asked about.
 */
export const countAhead = (schema: SchemaName) => {
  const sql = `
    WITH wanted AS (
      SELECT token_id FROM unnest($1::uuid[]) AS named (token_id)
      UNION
      SELECT t.token_id
      FROM unnest($2::text[], $3::text[]) AS member (queue_id, user_id)
      JOIN ${schema}.queue_token t USING (queue_id, user_id)
      WHERE t.state IN ('waiting', 'admitted')
    ), named AS MATERIALIZED (
      SELECT token_id, t.queue_id, t.number,
        lag(t.number, 1, 0) OVER (PARTITION BY t.queue_id ORDER BY t.number) AS before
      FROM wanted JOIN ${schema}.queue_token t USING (token_id)
      WHERE t.state = 'waiting'
    )
    SELECT token_id, (sum(between_them) OVER (PARTITION BY queue_id ORDER BY number))::int8
    FROM named, LATERAL (
      SELECT count(*) AS between_them FROM ${schema}.queue_token t
      WHERE t.queue_id = named.queue_id AND t.state = 'waiting'
        AND t.number >= named.before AND t.number < named.number
    ) line`
  return (names: TokenNames): Query<Map<TokenId, number>> => ({
    sql,
    params: namedTokens(names),
    read: (rows) => new Map(rows.map(([tokenId, ahead]) => [tokenId, Number(ahead)]))
  })
}
