/** The counts of a queue that other tables keep, as a batch needs them. */
import type { QueueId } from "@boxoffice/core"
import { absentAfterSeconds, presencePeriodSeconds } from "@boxoffice/core/store"
import { clock, lastMinuteOf } from "../../columns/queue.ts"
import { bigint, type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * The most `queue_exit` rows that one batch folds into the queue row; the next batch takes the
 * rest.
 */
const exitsPerBatch = 10_000

export interface QueueCounts {
  readonly presenceKept: boolean
  readonly admittedLastMinute: number
  /** How many ended tokens the queue's row still counts as active: see `queue_exit`. */
  readonly exits: number
  /** The `queue_exit` rows that `exits` sums up. */
  readonly exitIds: ReadonlyArray<bigint>
}

/** After how many seconds without a presence mark a user of queue `q` counts as absent. */
const absentAfter = `(q.absence_seconds::int8 + ${absentAfterSeconds(0)})`

/**
 * Counts admissions and exits, and whether presence was kept. The statement runs behind the locks,
 * so that it sees what other batches committed before.
 */
export const countQueues = (schema: SchemaName) => {
  const sql = `
    WITH ${clock}
    SELECT q.queue_id, ${lastMinuteOf(schema)}, noted.exits, noted.exit_ids,
      q.absence_seconds > 0 AND (
        SELECT count(DISTINCT p.seen_until) FROM ${schema}.queue_presence p
        WHERE p.queue_id = q.queue_id
          AND p.seen_until > clock.now - ${absentAfter} * interval '1 second'
      ) >= ${absentAfter} / ${presencePeriodSeconds}
    FROM ${schema}.queue q, clock, LATERAL (
      SELECT coalesce(sum(e.exits), 0)::int8 AS exits,
        coalesce(array_agg(e.exit_id), '{}') AS exit_ids
      FROM (
        SELECT exit_id, exits FROM ${schema}.queue_exit
        WHERE queue_exit.queue_id = q.queue_id LIMIT ${exitsPerBatch}
      ) e
    ) noted
    WHERE q.queue_id = ANY($1)`
  return (queueIds: Iterable<QueueId>): Query<ReadonlyMap<QueueId, QueueCounts>> => ({
    sql,
    params: [texts(queueIds)],
    read: (rows) =>
      new Map(
        rows.map((row) => [
          row[0] as QueueId,
          {
            admittedLastMinute: Number(row[1]),
            exits: Number(row[2]),
            exitIds: row[3].map(bigint),
            presenceKept: row[4]
          }
        ])
      )
  })
}
