/**
 * Checks a database for violations of the invariants. Each check is a query that counts violations
 * of one invariant, and does not depend on how the engine works.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { clearedUpTo } from "./invariants/cleared.ts"
import {
  eventsInOrder,
  queuesAsTold,
  reservationsAsTold,
  tokensAsTold,
  transfersAsTold
} from "./invariants/events.ts"
import {
  countsOfQueues,
  entriesInLine,
  paymentsOfTheirReservations,
  pricesOfReservations,
  seatsOfHolds,
  seatsOfTheirReservations
} from "./invariants/rows.ts"
import type { MigratorOptions } from "./Migrator.ts"
import { type SchemaName, schemaName } from "./schemaName.ts"

export interface Check {
  /** Its number, such as `I4`. */
  readonly invariant: string
  readonly meaning: string
  /** The number of rows, or sums, that violate it. */
  readonly violations: number
}

/** Since when each queue has had its current settings, as far as the kept events tell. */
const settingsSince = (schema: SchemaName) => `
    WITH settings AS MATERIALIZED (
      SELECT queue_id, greatest(${clearedUpTo(schema, "outbox")}, max(changed.at)) AS since
      FROM ${schema}.queue LEFT JOIN (
        -- Few batches have such an event: the others are not expanded.
        SELECT event ->> 'queueId' AS queue_id,
          timestamptz 'epoch' + (event ->> 'at')::bigint * interval '1 millisecond' AS at
        FROM ${schema}.outbox b, json_array_elements(b.events) event
        WHERE b.events::text LIKE '%"QueueConfigured"%' AND event ->> '_tag' = 'QueueConfigured'
      ) changed USING (queue_id)
      GROUP BY queue_id
    )`

const queries = (
  schema: SchemaName
): ReadonlyArray<readonly [invariant: string, meaning: string, statement: string]> => [
  [
    "I1",
    "all accounts of a currency sum to zero",
    `SELECT count(*) FROM (SELECT currency FROM ${schema}.ledger_entry
       GROUP BY currency HAVING sum(amount) <> 0) wrong`
  ],
  [
    "I2",
    "a balance is the sum of its entries, whose versions have no gap",
    `SELECT count(*) FROM ${schema}.wallet w
     LEFT JOIN (SELECT user_id, sum(amount) AS total, count(*) AS entries, max(version) AS last
       FROM ${schema}.transfer GROUP BY user_id) t USING (user_id)
     WHERE (w.balance, w.version, w.version) IS DISTINCT FROM (t.total, t.entries, t.last)`
  ],
  [
    "I2",
    "each entry goes on from the one before, in the currency of its wallet",
    entriesInLine(schema)
  ],
  [
    "I3",
    "a transfer is two entries that sum to zero",
    `SELECT count(*) FROM (SELECT transfer_id FROM ${schema}.ledger_entry
       GROUP BY transfer_id HAVING count(*) <> 2 OR sum(amount) <> 0) wrong`
  ],
  ["I4", "no wallet is negative", `SELECT count(*) FROM ${schema}.wallet WHERE balance < 0`],
  [
    "I5",
    "a reservation is paid once at the most",
    `SELECT count(*) FROM (SELECT reservation_id FROM ${schema}.transfer WHERE kind = 'payment'
       GROUP BY reservation_id HAVING count(*) > 1) wrong`
  ],
  [
    "I7",
    "a reservation is confirmed exactly when it has one unreversed payment, at its price",
    `SELECT count(*) FROM ${schema}.reservation r
     LEFT JOIN ${schema}.transfer p ON p.reservation_id = r.reservation_id AND p.kind = 'payment'
     LEFT JOIN ${schema}.transfer b ON b.reservation_id = r.reservation_id AND b.kind = 'refund'
     WHERE r.amount > 0 AND (r.status = 'confirmed') <>
         (p.transfer_id IS NOT NULL AND b.transfer_id IS NULL)
       OR p.amount <> -r.amount`
  ],
  [
    "I7",
    "a seat is sold exactly when one confirmed reservation has it, and to that one",
    `SELECT count(*) FROM (
       SELECT performance_id, seat ->> 'seatId' AS seat_id, reservation_id
       FROM ${schema}.reservation, jsonb_array_elements(seats) seat WHERE status = 'confirmed'
     ) owned FULL JOIN (SELECT * FROM ${schema}.seat WHERE status = 'sold') s
       USING (performance_id, seat_id)
     WHERE owned.reservation_id IS DISTINCT FROM s.reservation_id`
  ],
  [
    "I7",
    "a payment is the one that its reservation names, of the same user and show",
    paymentsOfTheirReservations(schema)
  ],
  ["I7", "a reservation costs what its seats cost", pricesOfReservations(schema)],
  ["I7", "a seat belongs to a live reservation that names it", seatsOfTheirReservations(schema)],
  ["I7", "a hold that has not lapsed has all of its seats", seatsOfHolds(schema)],
  [
    "I7",
    "nothing is paid after it expired",
    `SELECT count(*) FROM ${schema}.reservation WHERE confirmed_at >= hold_expires_at`
  ],
  [
    "I8",
    "numbers follow the order of joining, entries the order of time",
    `SELECT (SELECT count(*) FROM (SELECT joined_at < lag(joined_at) OVER (PARTITION BY queue_id, lane
         ORDER BY number) AS back FROM ${schema}.queue_token) q WHERE back)
       + (SELECT count(*) FROM (SELECT made_at < lag(made_at) OVER (PARTITION BY user_id
         ORDER BY version) AS back FROM ${schema}.transfer) t WHERE back) AS count`
  ],
  [
    "I9",
    "one event for each change",
    // Of rows later than the latest deleted one of either kind: see `cleared` in `migrations/`.
    `WITH changes (type, since) AS (VALUES
       ('SeatsHeld', greatest(${clearedUpTo(schema, "outbox")},
         ${clearedUpTo(schema, "reservation")})),
       ('ReservationPaid', ${clearedUpTo(schema, "outbox")}),
       ('WalletCharged', ${clearedUpTo(schema, "outbox")}),
       ('QueueTokenIssued', greatest(${clearedUpTo(schema, "outbox")},
         ${clearedUpTo(schema, "queue_token")})),
       ('QueueTokenAdmitted', greatest(${clearedUpTo(schema, "outbox")},
         ${clearedUpTo(schema, "queue_token")}))
     ), made AS MATERIALIZED (
       SELECT type, count(*) FROM ${schema}.outbox_event JOIN changes USING (type)
       WHERE occurred_at > since GROUP BY type
     ), rows (type, at) AS (
       SELECT 'SeatsHeld', held_at FROM ${schema}.reservation
       UNION ALL
       -- A free reservation is confirmed without a transfer.
       SELECT 'ReservationPaid', confirmed_at FROM ${schema}.reservation
         WHERE payment_id IS NOT NULL
       UNION ALL
       SELECT 'WalletCharged', made_at FROM ${schema}.transfer WHERE kind = 'charge'
       UNION ALL
       SELECT 'QueueTokenIssued', joined_at FROM ${schema}.queue_token
       UNION ALL
       SELECT 'QueueTokenAdmitted', admitted_at FROM ${schema}.queue_token
     ), stored AS (
       SELECT type, count(*) FROM rows JOIN changes USING (type) WHERE at > since GROUP BY type
     )
     SELECT coalesce(sum(abs(coalesce(stored.count, 0) - coalesce(made.count, 0))), 0) AS count
     FROM stored FULL JOIN made USING (type)`
  ],
  [
    "I9",
    "a reservation's events begin with its hold",
    // If the first event may have been deleted, another one may come first.
    `SELECT count(*) FROM (SELECT aggregate_id, type, row_number() OVER each AS place
       FROM ${schema}.outbox_event WHERE aggregate_kind = 'reservation'
       WINDOW each AS (PARTITION BY aggregate_id ORDER BY batch_id, position)) e
     LEFT JOIN ${schema}.reservation r ON r.reservation_id::text = e.aggregate_id
     WHERE type <> 'SeatsHeld' AND place = 1
       AND coalesce(r.held_at, 'infinity') > ${clearedUpTo(schema, "outbox")}
       AND (r.held_at IS NOT NULL OR ${clearedUpTo(schema, "outbox")} = '-infinity')`
  ],
  [
    "I9",
    "each event says what happened, and to what",
    `SELECT count(*) FROM ${schema}.outbox_event
     WHERE type IS NULL OR aggregate_kind IS NULL OR aggregate_id IS NULL`
  ],
  ["I9", "each event follows one that it may follow", eventsInOrder(schema)],
  ["I9", "a transfer is what its event says", transfersAsTold(schema)],
  ["I9", "a reservation is what its events say", reservationsAsTold(schema)],
  ["I9", "a queue token is what its events say", tokensAsTold(schema)],
  ["I9", "a queue is as its operators left it", queuesAsTold(schema)],
  [
    "I9",
    "rows were deleted up to an instant that has passed",
    `SELECT count(*) FROM ${schema}.cleared WHERE up_to > clock_timestamp()`
  ],
  [
    "I10",
    "refunds never pass payments",
    `SELECT count(*) FROM (SELECT reservation_id FROM ${schema}.transfer
       WHERE reservation_id IS NOT NULL GROUP BY reservation_id HAVING sum(amount) > 0) wrong`
  ],
  ["I12", "the counts of a queue are those of its tokens", countsOfQueues(schema)],
  [
    "I12",
    "never more users inside than the queue allows",
    `${settingsSince(schema)}
     SELECT count(*) FROM (
       SELECT queue_id, at, step,
         sum(step) OVER (PARTITION BY queue_id ORDER BY at, step) AS inside FROM (
         SELECT queue_id, admitted_at AS at, 1 AS step FROM ${schema}.queue_token
           WHERE admitted_at IS NOT NULL
         UNION ALL
         SELECT queue_id, least(ended_at, expires_at), -1 FROM ${schema}.queue_token
           WHERE admitted_at IS NOT NULL) steps) counted
     JOIN ${schema}.queue USING (queue_id) JOIN settings USING (queue_id)
     WHERE step = 1 AND at > since AND inside > max_active`
  ],
  [
    "I12",
    "never more users admitted within 60 seconds than the queue allows",
    `${settingsSince(schema)}
     SELECT count(*) FROM (SELECT queue_id, count(*) OVER (PARTITION BY queue_id
         ORDER BY admitted_at RANGE BETWEEN interval '59.999 seconds' PRECEDING AND CURRENT ROW)
         AS recent
       FROM ${schema}.queue_token JOIN settings USING (queue_id)
       WHERE admitted_at > since) counted
     JOIN ${schema}.queue USING (queue_id) WHERE recent > admit_per_minute`
  ],
  [
    "I13",
    // The positions of drawn tokens are not their numbers; the history in the outbox covers them.
    "no user is admitted before a user in front",
    `SELECT count(*) FROM (SELECT admitted_at, number,
         max(admitted_at) OVER (PARTITION BY queue_id, lane ORDER BY number
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
         min(number) FILTER (WHERE state = 'waiting')
           OVER (PARTITION BY queue_id, lane) AS first_waiting
       FROM ${schema}.queue_token JOIN ${schema}.queue USING (queue_id)
       WHERE lane <> 0 OR number > drawn) t
     WHERE admitted_at IS NOT NULL AND (admitted_at < before OR number > first_waiting)`
  ]
]

/**
 * Checks every invariant, each in a snapshot of its own: it sees a concurrent change as a whole or
 * not at all. It reads whole tables. Rows that were deleted because of their age cause no
 * violation: tables are compared with events from then on. The limits of a queue are checked from
 * their last change on.
 */
export const check = (
  options: MigratorOptions = {}
): Effect.Effect<ReadonlyArray<Check>, SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    const checks: Array<Check> = []
    for (const [invariant, meaning, statement] of queries(
      schemaName(options.schema ?? "boxoffice")
    )) {
      const [row] = yield* sql.unsafe<{ count: bigint }>(statement)
      checks.push({ invariant, meaning, violations: Number(row!.count) })
    }
    return checks
  }).pipe(Effect.withSpan("Invariants.check"))

/** The ids of all payments. */
export const payments = (
  options: MigratorOptions = {}
): Effect.Effect<ReadonlySet<string>, SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    const schema = schemaName(options.schema ?? "boxoffice")
    const rows = yield* sql<{ id: string }>`
      SELECT transfer_id AS id FROM ${sql.literal(schema)}.transfer WHERE kind = 'payment'`
    return new Set(rows.map(({ id }) => id))
  })

/** The number of deadlocks in the database, of any application. */
export const deadlocks: Effect.Effect<number, SqlError, PgClient.PgClient> = Effect.gen(
  function* () {
    const sql = yield* PgClient.PgClient
    const [row] = yield* sql<{ count: number }>`
      SELECT deadlocks::int4 AS count FROM pg_stat_database WHERE datname = current_database()`
    return row!.count
  }
)
