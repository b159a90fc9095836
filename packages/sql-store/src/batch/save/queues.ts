/** What a batch writes of its queues: their rows, admissions, departures, exits and codes. */
import type { Changes, CodeRow, Departure, QueueRow } from "@boxoffice/core/store"
import { lanes } from "../../columns/queue.ts"
import { bigints, instants, type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

const nothing = () => {}

/**
 * Inserts a new queue, empty. If another node has created it meanwhile, the batch runs again and
 * finds it.
 */
export const insertQueue = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.queue (queue_id, max_active, admit_per_minute, claim_seconds,
      session_seconds, priority_share_percent, absence_seconds, opens_at, lottery_seed)
    VALUES ($1::text, $2::int4, $3::int4, $4::int4, $5::int4, $6::int4, $7::int4,
      $8::timestamptz, $9::text)`
  return ({ queueId, settings, opening }: QueueRow): Query<void> => ({
    sql,
    params: [
      queueId,
      settings.maxActive,
      settings.admitPerMinute,
      settings.claimSeconds,
      settings.sessionSeconds,
      settings.prioritySharePercent,
      settings.absenceSeconds,
      opening ? new Date(opening.opensAt) : null,
      opening?.seed ?? null
    ],
    read: nothing
  })
}

/** Writes queues as they stand at the end of the batch. The rows are locked. */
export const saveQueues = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.queue q SET mode = saved.mode,
      max_active = saved.max_active, admit_per_minute = saved.admit_per_minute,
      claim_seconds = saved.claim_seconds, session_seconds = saved.session_seconds,
      priority_share_percent = saved.priority_share_percent,
      absence_seconds = saved.absence_seconds,
      next_number = saved.next_number, cursor = saved.cursor, waiting = saved.waiting,
      priority_next_number = saved.priority_next_number,
      priority_cursor = saved.priority_cursor, priority_waiting = saved.priority_waiting,
      turn = saved.turn, active = saved.active, departed = saved.departed,
      opens_at = saved.opens_at, opened_at = saved.opened_at, drawn = saved.drawn
    FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::int8[], $6::int8[],
      $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int8[],
      $14::int8[], $15::int8[], $16::int8[], $17::int8[], $18::timestamptz[], $19::int8[],
      $20::timestamptz[])
      AS saved (queue_id, mode, max_active, admit_per_minute, claim_seconds, session_seconds,
        priority_share_percent, absence_seconds, next_number, cursor, waiting,
        priority_next_number, priority_cursor, priority_waiting, turn, active, departed,
        opened_at, drawn, opens_at)
    WHERE q.queue_id = saved.queue_id`
  return (rows: ReadonlyArray<QueueRow>): Query<void> => {
    const counts = (count: (row: QueueRow) => number | bigint) =>
      bigints(rows.map((row) => BigInt(count(row))))
    return {
      sql,
      params: [
        texts(rows.map((row) => row.queueId)),
        texts(rows.map((row) => row.mode)),
        counts((row) => row.settings.maxActive),
        counts((row) => row.settings.admitPerMinute),
        counts((row) => row.settings.claimSeconds),
        counts((row) => row.settings.sessionSeconds),
        counts((row) => row.settings.prioritySharePercent),
        counts((row) => row.settings.absenceSeconds),
        counts((row) => row.nextNumber),
        counts((row) => row.cursor),
        counts((row) => row.waiting),
        counts((row) => row.priority.nextNumber),
        counts((row) => row.priority.cursor),
        counts((row) => row.priority.waiting),
        counts((row) => row.laneCredit),
        counts((row) => row.active),
        counts((row) => row.departed),
        instants(rows.map((row) => row.opening?.openedAt ?? null)),
        counts((row) => row.drawSize),
        instants(rows.map((row) => row.opening?.opensAt ?? null))
      ],
      read: nothing
    }
  }
}

/**
 * Adds the batch's admissions to the count of their second. A count that the row still holds from
 * before the clock was set back no longer applies.
 */
export const saveGrants = (schema: SchemaName) => {
  // Guard grants-add-up: with "DO NOTHING" for "DO UPDATE SET…excluded.granted_at)", conformance.test "no more users are" fails.
  const sql = `
    INSERT INTO ${schema}.queue_grant AS g (queue_id, second, admitted, granted_at)
    SELECT queue_id, floor(extract(epoch FROM $3::timestamptz)), admitted, $3::timestamptz
    FROM unnest($1::text[], $2::int8[]) AS saved (queue_id, admitted)
    ON CONFLICT (queue_id, second) DO UPDATE SET
      admitted = excluded.admitted + CASE
        WHEN g.granted_at > excluded.granted_at - interval '60 seconds' THEN g.admitted ELSE 0 END,
      granted_at = greatest(g.granted_at, excluded.granted_at)`
  return (admissions: Changes["admissions"], at: number): Query<void> => ({
    sql,
    params: [
      texts(admissions.map(({ queueId }) => queueId)),
      bigints(admissions.map(({ admitted }) => BigInt(admitted))),
      new Date(at)
    ],
    read: nothing
  })
}

/** Deletes admission counts older than two minutes. The queues are locked. */
export const deleteOldGrants = (schema: SchemaName) => {
  const sql = `
    DELETE FROM ${schema}.queue_grant
    WHERE queue_id = ANY($1)
      AND second < floor(extract(epoch FROM (SELECT clock_timestamp())))::int8 - 120
      AND granted_at < (SELECT clock_timestamp()) - interval '2 minutes'`
  return (admissions: Changes["admissions"]): Query<void> => ({
    sql,
    params: [texts(admissions.map(({ queueId }) => queueId))],
    read: nothing
  })
}

/**
 * Records the tokens that left a lane before they were admitted. The queues are locked, so no other
 * batch uses these sequence numbers.
 */
export const insertDepartures = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.queue_departure (queue_id, seq, lane, number)
    SELECT * FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[])`
  return (departures: ReadonlyArray<Departure>): Query<void> => ({
    sql,
    params: [
      texts(departures.map(({ queueId }) => queueId)),
      bigints(departures.map(({ seq }) => seq)),
      bigints(departures.map(({ lane }) => BigInt(lanes.indexOf(lane)))),
      bigints(departures.map(({ number }) => number))
    ],
    read: nothing
  })
}

/**
 * Records how many admitted tokens ended, in rows of their own, so that the batch needs no lock on
 * the queue. The next batch that locks the queue folds them into its row.
 */
export const insertExits = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.queue_exit (queue_id, exits)
    SELECT * FROM unnest($1::text[], $2::int8[])`
  return (exits: Changes["exits"]): Query<void> => ({
    sql,
    params: [
      texts(exits.map(({ queueId }) => queueId)),
      bigints(exits.map(({ count }) => BigInt(count)))
    ],
    read: nothing
  })
}

/** Deletes the `queue_exit` rows that the saved count of their queue now includes. */
export const deleteExits = (schema: SchemaName) => {
  const sql = `DELETE FROM ${schema}.queue_exit WHERE exit_id = ANY($1)`
  return (exitIds: ReadonlyArray<bigint>): Query<void> => ({
    sql,
    params: [bigints(exitIds)],
    read: nothing
  })
}

const codeColumns = (codes: ReadonlyArray<CodeRow>) => [
  texts(codes.map(({ queueId }) => queueId)),
  texts(codes.map(({ codeHash }) => codeHash)),
  bigints(codes.map(({ usesLeft }) => BigInt(usesLeft)))
]

/** Writes the remaining uses of codes. The rows are locked. */
export const saveCodes = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.queue_code c SET uses_left = saved.uses_left
    FROM unnest($1::text[], $2::text[], $3::int8[]) AS saved (queue_id, code_hash, uses_left)
    WHERE c.queue_id = saved.queue_id AND c.code_hash = saved.code_hash`
  return (codes: ReadonlyArray<CodeRow>): Query<void> => ({
    sql,
    params: codeColumns(codes),
    read: nothing
  })
}

/**
 * Inserts codes. A code that exists already gets the new number of uses. The queue is locked, so no
 * batch uses the code meanwhile.
 */
export const insertCodes = (schema: SchemaName) => {
  // Guard codes-again: with "DO NOTHING" for "DO UPDATE…uses_left", smallGuards.test "added again" fails.
  const sql = `
    INSERT INTO ${schema}.queue_code (queue_id, code_hash, uses_left)
    SELECT * FROM unnest($1::text[], $2::text[], $3::int8[]) AS added (queue_id, code_hash)
    ORDER BY queue_id, code_hash
    ON CONFLICT (queue_id, code_hash) DO UPDATE SET uses_left = excluded.uses_left`
  return (codes: ReadonlyArray<CodeRow>): Query<void> => ({
    sql,
    params: codeColumns(codes),
    read: nothing
  })
}
