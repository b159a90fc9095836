import type { QueueId } from "@boxoffice/core"
import { LoadPlan } from "@boxoffice/core/store"
import { PgConnection } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { beforeAll, expect, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { loadOutcomes } from "../src/batch/load/outcomes.ts"
import { countQueues } from "../src/batch/load/queueCounts.ts"
import { lockHeads, lockLapsed, lockTokens } from "../src/batch/load/tokens.ts"
import { deleteOldAdmissionCounts } from "../src/batch/save/queues.ts"
import { Migrator } from "../src/index.ts"
import { rights } from "../src/migrator/rights.ts"
import {
  clearDepartures,
  clearOutcomes,
  clearPresence,
  clearReservations,
  clearTokens
} from "../src/operations/clear.ts"
import { makeDeliveries } from "../src/operations/deliveries.ts"
import { readLapsed } from "../src/operations/lapsed.ts"
import { listConsumers, takeConsumerLease } from "../src/operations/outbox/consumers.ts"
import { pruneOutbox } from "../src/operations/outbox/prune.ts"
import { readOutbox } from "../src/operations/outbox/read.ts"
import { readQueueSnapshot } from "../src/operations/queueSnapshot.ts"
import { readQueue, readQueues } from "../src/operations/queues.ts"
import { readTokens } from "../src/operations/tokens.ts"
import { type Query, runQuery } from "../src/Query.ts"
import { schemaName } from "../src/schemaName.ts"

// Statements that run in the background, or once per poll, read only the rows that they need: each
// bound is in the condition that the index is searched by, and not in a filter behind it. A
// volatile function, or a bound of another type than the column, never gets there.

const rows = `
  SET session_replication_role = replica;
  SET search_path = boxoffice;
  INSERT INTO queue (queue_id, max_active, admit_per_minute, claim_seconds, session_seconds,
      next_number, waiting, active, cursor, departed)
    SELECT 'q' || n, 10000, 10000, 60, 600, 3001, 1000, 1000, 1000, 1000
    FROM generate_series(1, 5) n;
  INSERT INTO show SELECT 'show' || n, 'A show', 'q1' FROM generate_series(1, 2000) n;
  INSERT INTO performance (performance_id, show_id, starts_at, time_zone)
    SELECT 'p' || n, 'show' || n, now(), 'UTC' FROM generate_series(1, 2000) n;
  INSERT INTO queue_token (token_id, queue_id, user_id, number, state, claimed, joined_at,
      admitted_at, expires_at, ended_at)
    SELECT gen_random_uuid(), q, 'user' || n, n, state, state <> 'waiting', now(),
      CASE WHEN state <> 'waiting' THEN now() END,
      CASE WHEN state <> 'waiting' THEN now() + n * interval '1 second' END,
      CASE WHEN state = 'completed' THEN now() - n * interval '1 minute' END
    FROM generate_series(1, 3000) n, unnest(ARRAY['q1', 'q2']) q, LATERAL (
      SELECT (ARRAY['completed', 'admitted', 'waiting'])[1 + (n - 1) / 1000] AS state) states;
  INSERT INTO queue_grant SELECT q, floor(extract(epoch FROM now())) - n, 1,
      now() - n * interval '1 second'
    FROM generate_series(1, 2000) n, unnest(ARRAY['q1', 'q2']) q;
  INSERT INTO queue_departure SELECT q, n, 0, n
    FROM generate_series(1, 2000) n, unnest(ARRAY['q1', 'q2']) q;
  INSERT INTO queue_exit (queue_id, exits)
    SELECT 'q' || 1 + n % 5, 1 FROM generate_series(1, 2000) n;
  INSERT INTO queue_presence SELECT q, 0, n % 10, now() - n * interval '1 minute', 0::bit(4096)
    FROM generate_series(1, 500) n, unnest(ARRAY['q1', 'q2']) q;
  INSERT INTO reservation (reservation_id, performance_id, user_id, seats, amount, currency, status,
      held_at, hold_expires_at, ended_at)
    SELECT gen_random_uuid(), 'p1', 'user' || n, '[{"seatId": "A1"}]', 1, 'KRW',
      CASE WHEN n % 2 = 0 THEN 'held' ELSE 'expired' END, now() - interval '1 day',
      now() + n * interval '1 second', CASE WHEN n % 2 = 1 THEN now() - n * interval '1 minute' END
    FROM generate_series(1, 6000) n;
  INSERT INTO seat (performance_id, seat_id, ordinal, section, seat_row, seat_number, price, currency,
      status)
    SELECT 'p1', 'A' || n, n, 'S', '1', '1', 1, 'KRW', 'available' FROM generate_series(1, 5000) n;
  INSERT INTO transfer (transfer_id, kind, user_id, counter_account, amount, currency, version,
      balance, reservation_id, made_at)
    SELECT gen_random_uuid(), 'payment', 'user' || n, 'revenue:show', -1, 'KRW', 2, 0,
      gen_random_uuid(), now() FROM generate_series(1, 3000) n;
  INSERT INTO command_outcome
    SELECT gen_random_uuid(), 'ann', 'pay', 'f', '{}', now() - n * interval '1 minute'
    FROM generate_series(1, 5000) n;
  INSERT INTO outbox (xid, occurred_at, events)
    SELECT (n + 2)::text::xid8, now() - n * interval '1 minute', '[]'
    FROM generate_series(1, 3000) n;
  INSERT INTO event_consumer (consumer, cluster, seen, batch_id, position, highest, leased_until,
      moved_at)
    SELECT 'c' || n, (SELECT system_identifier::text FROM pg_control_system()), '3000:3000:', 0, 0,
      0, now(), now() FROM generate_series(1, 3) n;
  INSERT INTO webhook_delivery (endpoint, event_id, aggregate, body, state, attempts, next_at,
      parked_at)
    SELECT 'e' || 1 + n % 2, n || '-1', 'wallet/' || n / 3, '{}',
      CASE WHEN n % 4 = 0 THEN 'dead' ELSE 'waiting' END, 1, now() + (n - 500) * interval '1 minute',
      now()
    FROM generate_series(1, 4000) n;`

let url: string
beforeAll(async () => {
  const database = await createTestDatabase()
  url = database.url
  await Effect.runPromise(Effect.provide(Migrator.migrate(), Migrator.layerUrl(url)))
  await onConnection((connection) =>
    Effect.andThen(
      connection.query(`DO $rows$ BEGIN ${rows} END $rows$`),
      connection.query("ANALYZE")
    )
  )
  return database.drop
}, 60_000)

const onConnection = <A, E>(
  use: (connection: PgConnection.PgConnection) => Effect.Effect<A, E>
): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(Effect.flatMap(PgConnection.make({ url: Redacted.make(url) }), use))
  )

const planOf = ({ sql, params }: Query<unknown>): Promise<string> =>
  onConnection((connection) =>
    Effect.andThen(
      connection.query("SET enable_seqscan = off"),
      runQuery(connection, {
        sql: `EXPLAIN (COSTS off) ${sql}`,
        params,
        read: (rows) => rows.map(([line]) => line as string).join("\n")
      })
    )
  )

/** By which condition each index is searched: `queue_pkey: (queue_id = 'q1'::text)`. */
const searches = (plan: string): ReadonlyArray<string> =>
  Array.from(
    plan.matchAll(
      /(?:Index|Index Only|Bitmap Index) Scan(?: Backward)? (?:using|on) (\w+).*\n *Index Cond: (.*)/g
    ),
    ([, index, condition]) => `${index}: ${condition}`
  )

const schema = schemaName("boxoffice")
const queueId = "q1" as QueueId
const plan = new LoadPlan()
plan.queues.add(queueId)
plan.addHeads(queueId, { limit: 100, drawn: undefined })

// The statements on deliveries, as their runner receives them.
const deliveries = makeDeliveries(schema)(
  (_, query) =>
    (...args) =>
      query(...args) as never
) as unknown as Record<string, (...args: ReadonlyArray<unknown>) => Query<unknown>>

const some = "00000000-0000-7000-8000-000000000001"
const asked = { tokenId: some as never, performanceId: "p1" as never }
const lease = { consumer: "c1", owner: some, leaseMs: 1, from: "now" } as const

// A time that was taken once: `clock.now`, or a subquery, which Postgres calls by a number.
const ago = String.raw`\(\(?(\$\d+|InitPlan \d+\)\.col1) - '24:00:00'::interval\)`
const lastMinute = /queue_grant_pkey: .*second >= .*clock\.now.*second <= .*clock\.now/
const anyLapsed =
  /queue_token_admitted: \(\(queue_id = q\.queue_id\) AND \(expires_at IS NOT NULL\)/
const lapsed =
  /queue_token_admitted: .*queue_id = (q(_1)?\.queue_id|\(named\.queue_id\)).*expires_at <= clock\.now/
const exits = /queue_exit_by_queue: \(queue_id = /

const statements: ReadonlyArray<
  readonly [name: string, query: Query<unknown>, searched: ReadonlyArray<RegExp>]
> = [
  [
    "lapsed",
    readLapsed(schema)(1_000),
    [/reservation_lapsing: \(hold_expires_at <= clock\.now\)/, anyLapsed, exits, lastMinute]
  ],
  [
    "line",
    readQueueSnapshot(schema)(queueId, 1_990n),
    [/queue_departure_pkey: .*queue_id = .*seq > /, anyLapsed, exits, lastMinute]
  ],
  ["queue", readQueue(schema)(queueId), [lapsed, exits, lastMinute]],
  ["queues", readQueues(schema)({ after: undefined, limit: 100 }), [lapsed, exits, lastMinute]],
  [
    "gates",
    readTokens(schema)([asked]),
    [
      /queue_token_pkey: \(token_id = asked\.token_id\)/,
      /queue_departure_once: .*lane = .*number < t\.number.*number > /,
      /performance_\w+: \(performance_id = asked\.performance_id\)/,
      /show_pkey: \(show_id = p\.show_id\)/
    ]
  ],
  [
    "counts of a queue",
    countQueues(schema)([queueId]),
    [exits, lastMinute, /queue_presence_by_time: .*queue_id = .*seen_until > \(clock\.now/]
  ],
  ["tokens of a batch", lockTokens(schema)(plan), [/queue_token_pkey: \(token_id = ANY/]],
  [
    "heads of a batch",
    lockHeads(schema)(plan.heads),
    [/queue_token_waiting: .*number > GREATEST/, /queue_token_pkey: \(token_id = ANY/]
  ],
  ["lapsed tokens of a batch", lockLapsed(schema)([queueId]), [lapsed]],
  ["outcomes", loadOutcomes(schema)([some as never]), [/command_outcome_pkey: /]],
  [
    "old admissions",
    deleteOldAdmissionCounts(schema)([{ queueId, admitted: 1 }]),
    [/queue_grant_pkey: .*second < .*- 120/]
  ],
  [
    "clearing of tokens",
    clearTokens(schema)(86_400_000, 1_000),
    [new RegExp(`queue_token_ended: .*ended_at <= ${ago}`), /queue_token_pkey: /]
  ],
  [
    "clearing of reservations",
    clearReservations(schema)(86_400_000, 1_000),
    [
      new RegExp(`reservation_ended: .*ended_at <= ${ago}`),
      /seat_pkey: .*performance_id = .*seat_id = /,
      /transfer_by_reservation: \(reservation_id = r\.reservation_id\)/,
      /reservation_pkey: /
    ]
  ],
  [
    "clearing of outcomes",
    clearOutcomes(schema)(86_400_000, 1_000),
    [new RegExp(`command_outcome_by_age: .*recorded_at <= ${ago}`), /command_outcome_pkey: /]
  ],
  [
    "clearing of dead letters",
    deliveries.clear!(86_400_000, 1_000),
    [new RegExp(`webhook_delivery_given_up: .*next_at <= ${ago}`), /webhook_delivery_pkey: /]
  ],
  [
    "clearing of departures",
    clearDepartures(schema)(1_000),
    [/queue_departure_pkey: \(queue_id = q\.queue_id\)/]
  ],
  [
    "clearing of presence",
    clearPresence(schema)(),
    [/queue_presence_by_time: .*queue_id = q\.queue_id.*seen_until < \(clock\.now/]
  ],
  ["pruning", pruneOutbox(schema)(86_400_000, 1_000), [/outbox_pkey: \(batch_id = ANY/]],
  [
    "the outbox",
    readOutbox(schema)("2000:2010:2003,2005 - 0 1990", 100),
    [
      /outbox_by_xid: \(xid >= '2010'::xid8\)/,
      /outbox_by_xid: \(xid = ANY/,
      /outbox_pkey: \(batch_id > /
    ]
  ],
  ["a lease", takeConsumerLease(schema)(lease), []],
  ["consumers", listConsumers(schema)(), []],
  [
    "the deliveries of an endpoint that is no more",
    deliveries.forget!("e1", 1_000),
    [/webhook_delivery_\w+: .*endpoint = /, /webhook_delivery_pkey: /]
  ],
  [
    "due deliveries",
    deliveries.due!("e1", 256),
    [
      /webhook_delivery_due: .*endpoint = .*next_at <= (\$\d+|\(InitPlan \d+\)\.col1)/,
      /webhook_delivery_due: .*endpoint = .*next_at > \((\$\d+|\(InitPlan \d+\)\.col1) \+/,
      /webhook_delivery_waiting: .*endpoint = head\.endpoint.*aggregate = head\.aggregate/
    ]
  ],
  [
    "a refused delivery",
    deliveries.refused!("e1", "1-1", { attempts: 1, delayMs: null, error: "" }),
    [/webhook_delivery_once: .*endpoint = .*event_id = /]
  ]
]

/**
 * Tables that are read from one end of an index as far as a LIMIT goes, and tables to which only
 * operators add rows.
 */
const few = /^(server_life|outbox|queue|event_consumer)$/
/**
 * Columns that a filter may test behind the index condition: a time behind a bound that the index
 * has, or in a row for each queue.
 */
const behind = /granted_at|opens_at|oldest\.occurred_at/

test.each(statements)("%s: searched by an index", async (_, query, searched) => {
  const plan = await planOf(query)
  for (const search of searched) {
    expect.soft(searches(plan), plan).toContainEqual(expect.stringMatching(search))
  }
  const whole = Array.from(
    plan.matchAll(/(?:Seq Scan on|Scan(?: Backward)? using \w+ on) (\w+).*(\n *Index Cond:)?/g)
  )
  const read = whole.filter(([, , condition]) => condition === undefined).map(([, table]) => table)
  expect
    .soft(
      read.filter((table) => !few.test(table!)),
      plan
    )
    .toEqual([])
  const filters =
    plan.match(/(?<!Conflict )Filter: .*(clock\.now|clock_timestamp|::interval).*/g) ?? []
  expect
    .soft(
      filters.filter((filter) => !behind.test(filter)),
      plan
    )
    .toEqual([])
})

test("a deletion finds the rows that refer to it by an index", async () => {
  const references = await onConnection((connection) =>
    runQuery(connection, {
      // Foreign keys to what rows are deleted from, and whether an index begins with their columns.
      sql: `SELECT conname, conrelid::regclass::text, EXISTS (
          SELECT FROM pg_index i WHERE i.indrelid = c.conrelid
            AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey
            AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) ~ 'IS NOT NULL'))
        FROM pg_constraint c
        WHERE contype = 'f' AND connamespace = 'boxoffice'::regnamespace
          AND confrelid::regclass::text = ANY($1::text[])`,
      params: [deletedFrom.map((table) => `boxoffice.${table}`)],
      read: (rows) => rows
    })
  )
  expect(references).toEqual([["transfer_for_reservation", "boxoffice.transfer", true]])
})

/** By the engine's own role: see `rights`. */
const deletedFrom = Object.keys(rights).filter((table) => rights[table]!.includes("DELETE"))
