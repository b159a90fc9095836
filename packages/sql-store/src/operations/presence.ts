import type { QueueId } from "@boxoffice/core"
import type { Sighting } from "@boxoffice/core/store"
import { lanes } from "../columns/queue.ts"
import { bigints, type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/** Adds the users that polled to the presence bitmap of this minute. */
export const markSeen = (schema: SchemaName) => {
  // Guard presence-adds-up: without "p.seen | ", smallGuards.test "adds up" fails.
  const sql = `
    INSERT INTO ${schema}.queue_presence AS p (queue_id, lane, block, seen_until, seen)
    SELECT $1::text, lane, block,
      date_trunc('minute', clock_timestamp()) + interval '1 minute', ('x' || seen)::bit(4096)
    FROM unnest($2::int8[], $3::int8[], $4::text[]) AS noted (lane, block, seen)
    ORDER BY lane, block
    ON CONFLICT (queue_id, lane, block, seen_until) DO UPDATE SET seen = p.seen | excluded.seen`
  return (queueId: QueueId, sightings: ReadonlyArray<Sighting>): Query<void> => ({
    sql,
    params: [
      queueId,
      bigints(sightings.map(({ lane }) => BigInt(lanes.indexOf(lane)))),
      bigints(sightings.map(({ block }) => BigInt(block))),
      texts(sightings.map(({ seen }) => Buffer.from(seen.map(reversed)).toString("hex")))
    ],
    read: () => {}
  })
}

/**
 * Reverses the bits of a byte: the first bit of Postgres' bit string is the highest bit of its
 * first byte.
 */
const reversed = (byte: number): number => {
  let turned = 0
  for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) turned |= 128 >> bit
  return turned
}
