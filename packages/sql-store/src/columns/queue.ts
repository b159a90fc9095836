/**
 * The columns of a queue, and what statements compute of it: exits, the admissions of the last minute,
 * and how many tokens are in front of one.
 */
import type { QueueLane } from "@boxoffice/core"
import { isPreOpening, type Opening, placeOf, type QueueRow } from "@boxoffice/core/store"
import { bigint, instant, millis, type Row } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { settingsColumns, settingsOf } from "./token.ts"

/** The lanes by the number that stands for each in the tables. */
export const lanes: ReadonlyArray<QueueLane> = ["general", "priority"]

/** The draw of queue `q`, and the cursor of its general lane. */
export const drawColumns = "q.opens_at, q.lottery_seed, q.opened_at, q.drawn, q.cursor"

/** Reads the opening from {@link drawColumns}, from column `at` on. */
const openingOf = (row: Row, at: number): Opening | null =>
  row[at] === null
    ? null
    : { opensAt: instant(row[at]), seed: row[at + 1], openedAt: millis(row[at + 2]) }

/** Queue `q`, without the counts that other tables keep. */
export const queueColumns = `q.queue_id, q.mode, ${settingsColumns}, ${drawColumns},
      q.next_number, q.waiting, q.priority_next_number, q.priority_cursor, q.priority_waiting,
      q.turn, q.active, q.departed`
/** The number of these columns. */
export const queueColumnCount = 21

/** Reads {@link queueColumns}, from column `at` on. No heads are loaded with it. */
export const queueOf = (row: Row, at = 0): Omit<QueueRow, "admittedLastMinute"> => ({
  queueId: row[at],
  mode: row[at + 1],
  settings: settingsOf(row, at + 2),
  opening: openingOf(row, at + 8),
  drawSize: bigint(row[at + 11]),
  cursor: bigint(row[at + 12]),
  headsLoadedTo: bigint(row[at + 12]),
  nextNumber: bigint(row[at + 13]),
  waiting: Number(row[at + 14]),
  priority: {
    nextNumber: bigint(row[at + 15]),
    cursor: bigint(row[at + 16]),
    headsLoadedTo: bigint(row[at + 16]),
    waiting: Number(row[at + 17])
  },
  laneCredit: row[at + 18],
  active: Number(row[at + 19]),
  departed: bigint(row[at + 20])
})

/**
 * Whether an admitted token of queue `q` has lapsed by {@link clock}: reads the first one to lapse.
 * With EXISTS the server read all admitted tokens to find none.
 */
export const hasLapsed = (schema: SchemaName) =>
  `coalesce((SELECT min(t.expires_at) FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.state = 'admitted') <= clock.now, false)`

/** How many ended tokens the row of queue `q` still counts as active. */
export const exitsOf = (schema: SchemaName) =>
  `(SELECT coalesce(sum(e.exits), 0)::int8 FROM ${schema}.queue_exit e
        WHERE e.queue_id = q.queue_id)`

/**
 * The time of a statement, read once: `clock.now`. Only then can the server search an index by it,
 * since `clock_timestamp()` may change from row to row.
 */
export const clock = "clock AS MATERIALIZED (SELECT clock_timestamp() AS now)"

/**
 * Whether admission count `g` falls within the last minute. If the clock has stepped back by more
 * than a minute, the counts from before that step are ignored: otherwise they would stop the queue
 * until the clock has caught up.
 */
export const isOfLastMinute = `g.second BETWEEN floor(extract(epoch FROM clock.now))::int8 - 60
          AND floor(extract(epoch FROM clock.now))::int8 + 60
        AND g.granted_at > clock.now - interval '60 seconds'`

/** How many users queue `q` has admitted within the last minute of {@link clock}. */
export const lastMinuteOf = (schema: SchemaName) =>
  `(SELECT coalesce(sum(g.admitted), 0)::int8 FROM ${schema}.queue_grant g
        WHERE g.queue_id = q.queue_id AND ${isOfLastMinute})`

/**
 * How many users wait in front of token `t` of queue `q`, if its position follows from its number:
 * the numbers between it and the cursor, without those that left. It never reads the waiting tokens.
 * Those that wait in front of it by a draw all count, since they may still be there.
 */
export const aheadColumn = (schema: SchemaName) => `CASE
        WHEN t.state <> 'waiting' THEN 0
        WHEN t.lane = 0 AND t.number <= q.drawn THEN 0
        ELSE t.number - 1 - CASE t.lane WHEN 0 THEN q.cursor ELSE q.priority_cursor END - (
          SELECT count(*) FROM ${schema}.queue_departure d
          WHERE d.queue_id = t.queue_id AND d.lane = t.lane AND d.number < t.number
            AND d.number > CASE t.lane WHEN 0 THEN greatest(q.cursor, q.drawn) ELSE q.priority_cursor END)
      END`

/** Completes {@link aheadColumn}: the position of a drawn token is computed. */
export const aheadOf = (
  token: {
    readonly queueId: QueueRow["queueId"]
    readonly lane: QueueLane
    readonly number: bigint
  },
  counted: bigint | number,
  row: Row,
  at: number
): number => {
  const opening = openingOf(row, at)
  const drawn = bigint(row[at + 3])
  const cursor = bigint(row[at + 4])
  if (token.lane !== "general" || opening === null) return Number(counted)
  if (isPreOpening({ opening })) return 0
  if (token.number > drawn) return Number(counted)
  const place = placeOf(
    { queueId: token.queueId, opening, drawSize: drawn },
    "general",
    token.number
  )
  return Math.max(0, Number(place - 1n - cursor))
}
