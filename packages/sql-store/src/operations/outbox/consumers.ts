/** The consumers of the outbox: the statements on `event_consumer`. */
import type { ConsumerStatus, StartingPoint } from "@boxoffice/core"
import { type Bookmark, fromCursor, type Outbox, toCursor } from "@boxoffice/core/store"
import { millis, type Query } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import { isSameLife, nameLife } from "./cursor.ts"

type Lease = Parameters<Outbox["takeLease"]>[0]
type Save = Parameters<Outbox["save"]>[0]

const cluster = "(SELECT system_identifier::text FROM pg_control_system())"
const until = (milliseconds: string) =>
  `clock_timestamp() + ${milliseconds}::int8 * interval '1 millisecond'`

/** Before all transactions: the lowest transaction id there is. */
const nothingSeen = "'3:3:'::pg_snapshot"

/** The snapshot and the highest batch of a starting point, `$1`. */
const startingPoint = (schema: SchemaName, point: string) => `
  CASE ${point}::text WHEN 'now' THEN pg_current_snapshot() ELSE ${nothingSeen} END,
  CASE ${point}::text WHEN 'now' THEN coalesce((SELECT max(batch_id) FROM ${schema}.outbox), 0)
    ELSE 0 END`

/** Whether a consumer's snapshots come from another cluster, one with another identifier. */
const misplaced = `(cluster <> ${cluster})`

/**
 * Takes the consumer's lease. The statement locks the row, so of two processes that try at once,
 * one is first.
 *
 * A lease that was taken or renewed in the future says that the clock has stepped back since. Its end
 * is no proof then that its owner lives: it could be an hour away. An owner that does live loses the
 * lease and is told so when it saves, as after a pause that was longer than the lease.
 *
 * The statement waits for a save of the owner that it replaces, and gives the bookmark that this save has
 * written. A save that comes behind it finds another owner.
 */
export const takeConsumerLease = (schema: SchemaName) => {
  // Guard lease-taken: without "WHERE held.owner…clock_timestamp()", conformance.test "one stream at a time" fails.
  // Guard lease-replaced: without ", $5::uuid", conformance.test "takes the lease of the one that it replaces" fails.
  // Guard lease-ends: without " OR held.…clock_timestamp()", conformance.test "take a lapsed lease" fails.
  const sql = `
    WITH life AS (${nameLife(schema)})
    INSERT INTO ${schema}.event_consumer AS held (consumer, cluster, seen, highest, batch_id,
      position, owner, leased_until, moved_at)
    SELECT $1::text, ${cluster}, ${startingPoint(schema, "$4")}, 0, 0, $2::uuid, ${until("$3")},
      clock_timestamp()
    ON CONFLICT (consumer) DO UPDATE SET owner = excluded.owner,
      leased_until = excluded.leased_until, moved_at = excluded.moved_at
    WHERE held.owner IN (excluded.owner, $5::uuid) OR held.leased_until <= clock_timestamp()
      OR held.moved_at > clock_timestamp()
    RETURNING seen::text, reading::text, batch_id, highest, position, ${misplaced}`
  return (lease: Lease): Query<Bookmark | "busy" | "misplaced"> => ({
    sql,
    params: [
      lease.consumer,
      lease.owner,
      BigInt(lease.leaseMs),
      lease.from,
      lease.replaces ?? null
    ],
    read: ([row]) => {
      if (row === undefined) return "busy"
      const [seen, reading, batchId, highest, position, isMisplaced] = row
      if (isMisplaced) return "misplaced"
      return { cursor: toCursor({ seen, reading, batchId, highest }), position }
    }
  })
}

/**
 * Renews the lease in any case, and moves the cursor if the pages since are still of the same life
 * of the server.
 */
export const saveConsumer = (schema: SchemaName) => {
  const moved = (column: string, value: string) =>
    // Guard cursor-same-life: with "${value}" for "CASE…END", events.test "server's life ends" fails.
    `${column} = CASE WHEN session.lives_on THEN ${value} ELSE held.${column} END`
  // Guard lease-kept: without " AND owner = $2::uuid", conformance.test "take a lapsed lease" fails.
  const sql = `
    WITH session AS MATERIALIZED (SELECT ${isSameLife(schema, "$9")} AS lives_on)
    UPDATE ${schema}.event_consumer AS held SET ${moved("seen", "$3::text::pg_snapshot")},
      ${moved("reading", "$4::text::pg_snapshot")}, ${moved("batch_id", "$5::int8")},
      ${moved("highest", "$6::int8")}, ${moved("position", "$7::int4")},
      leased_until = ${until("$8")}, moved_at = clock_timestamp()
    FROM session
    WHERE consumer = $1::text AND owner = $2::uuid
    RETURNING session.lives_on`
  return ({ consumer, owner, bookmark, leaseMs, since }: Save): Query<boolean | "interrupted"> => {
    const { seen, reading, batchId, highest } = fromCursor(bookmark.cursor)
    const { position } = bookmark
    return {
      sql,
      params: [
        consumer,
        owner,
        seen,
        reading,
        batchId,
        highest,
        position,
        BigInt(leaseMs),
        since ?? null
      ],
      read: ([row]) => row !== undefined && (row[0] || "interrupted")
    }
  }
}

export const listConsumers = (schema: SchemaName) => {
  const sql = `
    SELECT consumer, owner IS NOT NULL AND leased_until > clock_timestamp(),
      greatest(0, coalesce((SELECT max(batch_id) FROM ${schema}.outbox), 0) - highest),
      moved_at, ${misplaced}
    FROM ${schema}.event_consumer ORDER BY consumer`
  return (): Query<ReadonlyArray<ConsumerStatus>> => ({
    sql,
    params: [],
    read: (rows) =>
      rows.map(([consumer, active, behind, movedAt, isMisplaced]) => ({
        consumer,
        active,
        batchesBehind: Number(behind),
        movedAt: millis(movedAt)!,
        misplaced: isMisplaced
      }))
  })
}

export const resetConsumer = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.event_consumer SET
      (seen, highest) = (SELECT ${startingPoint(schema, "$2")}), cluster = ${cluster},
      reading = NULL, batch_id = 0, position = 0, owner = NULL, leased_until = clock_timestamp(),
      moved_at = clock_timestamp()
    WHERE consumer = $1::text
    RETURNING consumer`
  return (consumer: string, to: StartingPoint): Query<boolean> => ({
    sql,
    params: [consumer, to],
    read: (rows) => rows.length > 0
  })
}

/** Calls a function of the schema: see `migrations/`. */
export const recoverConsumers = (schema: SchemaName) => {
  const sql = `SELECT name FROM ${schema}.recover_consumers() AS name ORDER BY name`
  return (): Query<ReadonlyArray<string>> => ({
    sql,
    params: [],
    read: (rows) => rows.map((row) => row[0])
  })
}

export const deleteConsumer = (schema: SchemaName) => {
  const sql = `DELETE FROM ${schema}.event_consumer WHERE consumer = $1::text RETURNING consumer`
  return (consumer: string): Query<boolean> => ({
    sql,
    params: [consumer],
    read: (rows) => rows.length > 0
  })
}
