import type { QueueId, TokenId } from "@boxoffice/core"
import {
  admissionsPerBatch,
  type LoadPlan,
  numbersPerBlock,
  type SkippedHead,
  type TokenRow
} from "@boxoffice/core/store"
import { aheadColumn, aheadOf, clock, drawColumns, lanes } from "../../columns/queue.ts"
import { tokenColumnCount, tokenColumns, tokenOf } from "../../columns/token.ts"
import { bigint, bigints, millis, type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Lock 2, by token_id: the tokens that the batch names, by id or by queue and user. The batch waits
 * for each. The statement chooses them before it locks them, and returns each row as it is once
 * locked: an admitted user may have paid meanwhile.
 *
 * It looks up each token separately: a LIMIT keeps the planner from joining the other way round. A
 * plain join, planned while the table was new and had no statistics, read every token of the queue
 * in each batch and compared it with all joining users: 1,000 joins took 2.7 s at 30,000 waiting.
 */
export const lockTokens = (schema: SchemaName) => {
  // Guard lock-token: without "FOR NO KEY UPDATE OF t", rowLocks.test "waits for a queue token" fails.
  // Guard lock-token-order: without "ORDER BY t.token_id ", locks.test "rows are sorted before" fails.
  const sql = `
    WITH wanted AS (
      SELECT token_id FROM unnest($1::uuid[]) AS named (token_id)
      UNION
      SELECT live.token_id
      FROM unnest($2::text[], $3::text[]) AS member (queue_id, user_id), LATERAL (
        SELECT t.token_id FROM ${schema}.queue_token t
        WHERE t.queue_id = member.queue_id AND t.user_id = member.user_id
          AND t.state IN ('waiting', 'admitted')
        LIMIT 1
      ) live
    )
    SELECT ${tokenColumns}
    FROM ${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id)
    WHERE t.token_id = ANY(ARRAY(SELECT token_id FROM wanted))
    ORDER BY t.token_id FOR NO KEY UPDATE OF t`
  return ({ tokens, liveTokensOf }: TokenNames): Query<ReadonlyArray<TokenRow>> => ({
    sql,
    params: [
      uuids(tokens),
      texts(liveTokensOf.map(({ queueId }) => queueId)),
      texts(liveTokensOf.map(({ userId }) => userId))
    ],
    read: (rows) => rows.map((row) => tokenOf(row))
  })
}

type TokenNames = Pick<LoadPlan, "tokens" | "liveTokensOf">

/** The next tokens of the locked queues: those that the batch has locked, and those it skipped. */
export interface LockedHeads {
  readonly tokens: ReadonlyArray<TokenRow>
  readonly skipped: ReadonlyArray<SkippedHead>
}

/**
 * Lock 2, continued: of each locked queue, the tokens that are next in line. The lock of the queue
 * keeps other batches from admitting or ending them. So only a batch without that lock, such as one of
 * payments, or a transaction outside the engine can have one of these tokens locked. The batch does
 * not wait for it: it admits users up to the first skipped token, and users who join behind that token
 * do not wait for it.
 *
 * The statement reads each lane from its cursor on: tokens admitted since the last vacuum are still
 * in the index, in front of it.
 */
export const lockHeads = (schema: SchemaName) => {
  const heads = (lane: number, cursor: string) => `
        (SELECT t.token_id, t.queue_id, t.lane, t.number FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.lane = ${lane} AND t.state = 'waiting'
          AND t.number > ${cursor}
        ORDER BY t.number LIMIT h.most)`
  // Tokens behind the draw, once the queue has admitted all drawn tokens or this load includes the
  // rest of them.
  const behindTheDrawn =
    "greatest(q.cursor, q.drawn) AND greatest(q.cursor, h.drawn_up_to) >= q.drawn"
  // Guard lock-head: without "FOR NO KEY UPDATE OF t SKIP LOCKED", rowLocks.test "next user in line" fails.
  // Guard lock-head-waits-not: without " SKIP LOCKED", rowLocks.test "next user in line" fails.
  const sql = `
    WITH head AS MATERIALIZED (
      SELECT next.*
      FROM unnest($1::text[], $2::int8[], $3::int8[]) AS h (queue_id, most, drawn_up_to)
      JOIN ${schema}.queue q USING (queue_id), LATERAL (${heads(0, behindTheDrawn)}
        UNION ALL${heads(1, "q.priority_cursor")}
      ) next
      UNION
      SELECT waits.*
      FROM unnest($4::text[], $5::int8[]) AS drawn (queue_id, number), LATERAL (
        SELECT t.token_id, t.queue_id, t.lane, t.number FROM ${schema}.queue_token t
        WHERE t.queue_id = drawn.queue_id AND t.lane = 0 AND t.number = drawn.number
          AND t.state = 'waiting'
        LIMIT 1
      ) waits
    ), locked AS MATERIALIZED (
      SELECT t.token_id AS locked_id, ${tokenColumns}, ${seenUntil(schema)} AS seen_until
      FROM ${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id)
      WHERE t.token_id = ANY(ARRAY(SELECT token_id FROM head))
      ORDER BY t.token_id FOR NO KEY UPDATE OF t SKIP LOCKED
    )
    SELECT head.queue_id, head.lane, head.number, locked.*
    FROM head LEFT JOIN locked ON locked.locked_id = head.token_id`
  return (named: LoadPlan["heads"]): Query<LockedHeads> => {
    const drawn = Array.from(named).flatMap(([queueId, heads]) =>
      (heads.drawn?.numbers ?? []).map((number) => ({ queueId, number }))
    )
    return {
      sql,
      params: [
        texts(named.keys()),
        bigints(Array.from(named.values(), ({ limit }) => BigInt(limit))),
        bigints(Array.from(named.values(), ({ drawn }) => drawn?.upTo ?? 0n)),
        texts(drawn.map(({ queueId }) => queueId)),
        bigints(drawn.map(({ number }) => number))
      ],
      read: (rows) => {
        const tokens: Array<TokenRow> = []
        const skipped: Array<SkippedHead> = []
        for (const row of rows) {
          if (row[3] === null) {
            skipped.push({ queueId: row[0], lane: lanes[row[1]]!, number: bigint(row[2]) })
            continue
          }
          const token = tokenOf(row, 4)
          const seenUntil = millis(row[4 + tokenColumnCount])
          tokens.push(seenUntil === null ? token : { ...token, seenUntil })
        }
        return { tokens, skipped }
      }
    }
  }
}

/** When a waiting user was last seen, for queues that skip absent users. */
const seenUntil = (schema: SchemaName) => `
      CASE WHEN t.state = 'waiting' AND q.absence_seconds > 0 THEN (
        SELECT max(p.seen_until) FROM ${schema}.queue_presence p
        WHERE p.queue_id = t.queue_id AND p.lane = t.lane
          AND p.block = t.number / ${numbersPerBlock}
          AND get_bit(p.seen, (t.number % ${numbersPerBlock})::int4) = 1
      ) END`

/**
 * Lock 2, continued: of each locked queue, admitted tokens that have lapsed, so that the batch ends
 * them. They come behind the tokens that the batch waits for. A token that another transaction has
 * locked is left for the next batch, so no user waits for the token of another user.
 */
export const lockLapsed = (schema: SchemaName) => {
  // Guard lock-lapsed: without "FOR NO KEY UPDATE OF t SKIP LOCKED", rowLocks.test "a lapsed token is left" fails.
  // Guard lock-lapsed-waits-not: without " SKIP LOCKED", rowLocks.test "a lapsed token is left" fails.
  const sql = `
    WITH ${clock}
    SELECT lapsed.* FROM unnest($1::text[]) AS named (queue_id), clock, LATERAL (
      SELECT ${tokenColumns}
      FROM ${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id)
      WHERE t.queue_id = named.queue_id AND t.state = 'admitted' AND t.expires_at <= clock.now
      ORDER BY t.expires_at LIMIT ${admissionsPerBatch} FOR NO KEY UPDATE OF t SKIP LOCKED
    ) lapsed`
  return (queueIds: Iterable<QueueId>): Query<ReadonlyArray<TokenRow>> => ({
    sql,
    params: [texts(queueIds)],
    read: (rows) => rows.map((row) => tokenOf(row))
  })
}

/** A token, and how many users wait in front of it, if it waits. */
export interface TokenAhead {
  readonly token: TokenRow
  readonly ahead: number
}

/**
 * Reads tokens behind the locks, without locking them: the batch does not write them and waits for
 * none.
 */
export const loadTokens = (schema: SchemaName) => {
  const sql = `
    SELECT ${aheadColumn(schema)}, ${tokenColumns}, ${drawColumns}
    FROM ${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id)
    WHERE t.token_id = ANY($1)`
  return (tokenIds: Iterable<TokenId>): Query<ReadonlyArray<TokenAhead>> => ({
    sql,
    params: [uuids(tokenIds)],
    read: (rows) =>
      rows.map((row) => {
        const token = tokenOf(row, 1)
        const waits = token.state === "waiting"
        return { token, ahead: waits ? aheadOf(token, row[0], row, 1 + tokenColumnCount) : 0 }
      })
  })
}

/** Counts how many users wait in front of each named token that waits. */
export const countAhead = (schema: SchemaName) => {
  const sql = `
    SELECT t.token_id, t.queue_id, t.lane, t.number, ${aheadColumn(schema)}, ${drawColumns}
    FROM ${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id)
    WHERE t.token_id = ANY($1) AND t.state = 'waiting'`
  return (tokenIds: Iterable<TokenId>): Query<Map<TokenId, number>> => ({
    sql,
    params: [uuids(tokenIds)],
    read: (rows) =>
      new Map(
        rows.map((row) => {
          const token = { queueId: row[1], lane: lanes[row[2]]!, number: bigint(row[3]) }
          return [row[0], aheadOf(token, row[4], row, 5)]
        })
      )
  })
}
