import type { QueueId } from "@boxoffice/core"
import { departuresPerReading, type QueueReading } from "@boxoffice/core/store"
import {
  clock,
  exitsOf,
  hasLapsed,
  isOfLastMinute,
  lanes,
  lastMinuteOf,
  queueColumns,
  queueOf
} from "../columns/queue.ts"
import { bigint, instant, type Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/**
 * A queue, its departures since `after`, and the admissions of the last minute. One statement, so that
 * all of it is as of one moment. Each part finds a bounded number of rows by an index, however many
 * users wait.
 */
export const readQueueSnapshot = (schema: SchemaName) => {
  const sql = `
    WITH ${clock}
    SELECT date_trunc('milliseconds', clock.now),
      ${exitsOf(schema)}, ${lastMinuteOf(schema)},
      ${hasLapsed(schema)},
      gone.seqs, gone.lanes, gone.numbers, granted.ats, granted.counts, ${queueColumns}
    FROM ${schema}.queue q, clock, LATERAL (
      SELECT coalesce(array_agg(d.seq ORDER BY d.seq), '{}') AS seqs,
        coalesce(array_agg(d.lane::int4 ORDER BY d.seq), '{}') AS lanes,
        coalesce(array_agg(d.number ORDER BY d.seq), '{}') AS numbers
      FROM (
        SELECT seq, lane, number FROM ${schema}.queue_departure
        WHERE queue_departure.queue_id = q.queue_id AND seq > $2::int8
        ORDER BY seq LIMIT ${departuresPerReading}
      ) d
    ) gone, LATERAL (
      SELECT coalesce(array_agg(floor(extract(epoch FROM g.granted_at) * 1000)::int8
          ORDER BY g.granted_at), '{}') AS ats,
        coalesce(array_agg(g.admitted ORDER BY g.granted_at), '{}') AS counts
      FROM ${schema}.queue_grant g
      WHERE g.queue_id = q.queue_id AND ${isOfLastMinute}
    ) granted
    WHERE q.queue_id = $1::text`
  return (queueId: QueueId, after: bigint): Query<QueueReading | undefined> => ({
    sql,
    params: [queueId, after],
    read: ([row]) => {
      if (row === undefined) return undefined
      const [now, exits, lastMinute, lapsed, seqs, laneNumbers, numbers, ats, counts] = row
      const queue = queueOf(row, 9)
      return {
        now: instant(now),
        queue: {
          ...queue,
          active: queue.active - Number(exits),
          admittedLastMinute: Number(lastMinute)
        },
        lapsed,
        departures: seqs.map((seq: bigint | number, i: number) => ({
          queueId,
          seq: bigint(seq),
          lane: lanes[laneNumbers[i]]!,
          number: bigint(numbers[i])
        })),
        admissions: ats.map((at: bigint | number, i: number) => ({
          at: Number(at),
          admitted: counts[i]
        }))
      }
    }
  })
}
