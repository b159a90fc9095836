import type { TokenRow } from "@boxoffice/core/store"
import { lanes } from "../../columns/queue.ts"
import { bigints, booleans, instants, type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Inserts new tokens, by token_id. If another node gave the same user a token first, this waits for
 * that node and conflicts with `queue_token_live_once`.
 */
export const insertTokens = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.queue_token (token_id, queue_id, user_id, number, state, claimed,
      joined_at, admitted_at, expires_at, ended_at, lane)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::bool[],
      $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::int8[])
      AS saved (id)
    ORDER BY id`
  return (rows: ReadonlyArray<TokenRow>): Query<void> => ({
    sql,
    params: [
      uuids(rows.map((row) => row.tokenId)),
      texts(rows.map((row) => row.queueId)),
      texts(rows.map((row) => row.userId)),
      bigints(rows.map((row) => row.number)),
      texts(rows.map((row) => row.state)),
      booleans(rows.map((row) => row.claimed)),
      instants(rows.map((row) => row.joinedAt)),
      instants(rows.map((row) => row.admittedAt)),
      instants(rows.map((row) => row.expiresAt)),
      instants(rows.map((row) => row.endedAt)),
      bigints(rows.map((row) => BigInt(lanes.indexOf(row.lane))))
    ],
    read: () => {}
  })
}

/** Writes the columns of a token that can change. The rows are locked. */
export const updateTokens = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.queue_token t
    SET state = saved.state, claimed = saved.claimed, admitted_at = saved.admitted_at,
      expires_at = saved.expires_at, ended_at = saved.ended_at
    FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::timestamptz[], $5::timestamptz[],
      $6::timestamptz[]) AS saved (token_id, state, claimed, admitted_at, expires_at, ended_at)
    WHERE t.token_id = saved.token_id`
  return (rows: ReadonlyArray<TokenRow>): Query<void> => ({
    sql,
    params: [
      uuids(rows.map((row) => row.tokenId)),
      texts(rows.map((row) => row.state)),
      booleans(rows.map((row) => row.claimed)),
      instants(rows.map((row) => row.admittedAt)),
      instants(rows.map((row) => row.expiresAt)),
      instants(rows.map((row) => row.endedAt))
    ],
    read: () => {}
  })
}
