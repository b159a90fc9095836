import type { QueueLane } from "@boxoffice/core"
import { isPreOpening, type Opening, positionOf, type QueueRow } from "@boxoffice/core/store"
import { bigint, instant, millis, type Row } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { settingsColumns, settingsOf } from "./token.ts"

/** Lanes as they are stored. */
export const lanes: ReadonlyArray<QueueLane> = ["general", "priority"]

/** The draw of queue `q`, and how far its general lane has come. */
export const drawColumns = "q.opens_at, q.lottery_seed, q.opened_at, q.drawn, q.cursor"

/** Reads the opening from {@link drawColumns}, from column `at` on. */
const openingOf = (row: Row, at: number): Opening | null =>
  row[at] === null
    ? null
    : { opensAt: instant(row[at]), seed: row[at + 1], openedAt: millis(row[at + 2]) }

/** Queue `q`, but for what is counted in other tables. */
export const queueColumns = `q.queue_id, q.mode, ${settingsColumns}, ${drawColumns},
      q.next_number, q.waiting, q.priority_next_number, q.priority_cursor, q.priority_waiting,
      q.turn, q.active, q.departed`
/** How many columns these are. */
export const queueColumnCount = 21

/** Reads {@link queueColumns}, from column `at` on. Nobody was loaded with it. */
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
 * Whether an admitted token of queue `q` has lapsed by {@link clock}: the first to lapse is looked at.
 * Asked whether there is any, the server went through all who are inside to find none.
 */
export const hasLapsed = (schema: SchemaName) =>
  `coalesce((SELECT min(t.expires_at) FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.state = 'admitted') <= clock.now, false)`

/** How many have gone out of queue `q` and still count in its row. */
export const exitsOf = (schema: SchemaName) =>
  `(SELECT coalesce(sum(e.exits), 0)::int8 FROM ${schema}.queue_exit e
        WHERE e.queue_id = q.queue_id)`

/**
 * The time of a statement, taken once: `clock.now`. Only so can an index be searched by it, since
 * what `clock_timestamp()` gives may change from row to row.
 */
export const clock = "clock AS MATERIALIZED (SELECT clock_timestamp() AS now)"

/**
 * Whether admission `g` counts within the last minute. After the clock has stepped back by more than
 * a minute those of before it do not: they would stop the queue until the clock has caught up.
 */
export const isOfLastMinute = `g.second BETWEEN floor(extract(epoch FROM clock.now))::int8 - 60
          AND floor(extract(epoch FROM clock.now))::int8 + 60
        AND g.granted_at > clock.now - interval '60 seconds'`

/** How many queue `q` has let in within the last minute of {@link clock}. */
export const lastMinuteOf = (schema: SchemaName) =>
  `(SELECT coalesce(sum(g.admitted), 0)::int8 FROM ${schema}.queue_grant g
        WHERE g.queue_id = q.queue_id AND ${isOfLastMinute})`

/**
 * How many wait in front of token `t` of queue `q`, where its number is its place: what lies
 * between it and the cursor, but for who has left. Never walks the line itself. Of those who still
 * wait by a draw in front of it, all count that might.
 */
export const aheadColumn = (schema: SchemaName) => `CASE
        WHEN t.state <> 'waiting' THEN 0
        WHEN t.lane = 0 AND t.number <= q.drawn THEN 0
        ELSE t.number - 1 - CASE t.lane WHEN 0 THEN q.cursor ELSE q.priority_cursor END - (
          SELECT count(*) FROM ${schema}.queue_departure d
          WHERE d.queue_id = t.queue_id AND d.lane = t.lane AND d.number < t.number
            AND d.number > CASE t.lane WHEN 0 THEN greatest(q.cursor, q.drawn) ELSE q.priority_cursor END)
      END`

/** What {@link aheadColumn} leaves open: the place of one who was drawn is computed. */
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
  const place = positionOf(
    { queueId: token.queueId, opening, drawSize: drawn },
    "general",
    token.number
  )
  return Math.max(0, Number(place - 1n - cursor))
}
