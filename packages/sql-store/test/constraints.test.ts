import { beforeEach, describe, expect, test } from "vitest"
import { charge, hold, id, openDatabase, pay, refund, type Sql, seedCatalog } from "./support.ts"

// What the schema refuses to every session, by raw SQL as its owner: each line breaks one rule.

let sql: Sql
let ids: { held: string; paid: string; payment: string; refunded: string; free: string }

beforeEach(async () => {
  const database = await openDatabase()
  sql = database.sql
  await seedCatalog(database)
  await charge(database, "ann", 100_000n)
  await charge(database, "bob", 100_000n)
  const held = await hold(database, "ann", ["A-1"])
  const paid = await hold(database, "ann", ["A-2", "A-3"])
  const payment = await pay(database, "ann", paid)
  const refunded = await hold(database, "bob", ["A-4"])
  await pay(database, "bob", refunded)
  await refund(database, "bob", refunded)
  ids = { held, paid, payment, refunded, free: id.reservation() }
  await sql("SET search_path = boxoffice")
  await sql(`
    INSERT INTO queue_token (token_id, queue_id, user_id, number, state, claimed, joined_at)
    VALUES (gen_random_uuid(), 'q', 'ann', 1, 'waiting', false, now())`)
})

const refusal = async (statement: string): Promise<string> => {
  try {
    await sql("BEGIN")
    await sql(statement)
    await sql("COMMIT")
    return "nothing refused it"
  } catch (error) {
    const { cause } = (error as { reason: { cause: { constraint?: string } } }).reason
    return cause.constraint ?? String(cause)
  } finally {
    await sql("ROLLBACK")
  }
}

const token = (state: string, columns = "", values = "") => `
  INSERT INTO queue_token (token_id, queue_id, user_id, number, state, claimed, joined_at${columns})
  VALUES (gen_random_uuid(), 'q', 'eve', 9, '${state}', false, now()${values})`
const seat = (change: string, which = "A-1") =>
  `UPDATE seat SET ${change} WHERE performance_id = 'p' AND seat_id = '${which}'`
const reservation =
  (change: string, which: "held" | "paid" = "held") =>
  () =>
    `UPDATE reservation SET ${change} WHERE reservation_id = '${ids[which]}'`
const wallet = (change: string) => `UPDATE wallet SET ${change} WHERE user_id = 'bob'`
/** Bob's wallet is at version 3 with 100,000. */
const transfer = (values: string) => `
  INSERT INTO transfer (transfer_id, kind, counter_account, reservation_id, user_id, amount,
    version, balance, currency, made_at)
  VALUES (gen_random_uuid(), ${values}, 'KRW', now())`

/** A cursor: the round's snapshot, the batch, the events of the next, the highest batch. */
const consumer = (place: string) => `
  INSERT INTO event_consumer (reading, batch_id, position, highest, consumer, cluster, seen,
    leased_until, moved_at)
  VALUES (${place}, 'mailer', 'here', '3:3:', now(), now())`

const delivery = (state: string, times = 1) => `
  INSERT INTO webhook_delivery (endpoint, event_id, aggregate, body, state, attempts, next_at,
    parked_at)
  SELECT 'crm', '1-1', 'wallet/ann', '{}', '${state}', 0, now(), now()
  FROM generate_series(1, ${times})`

const rules: ReadonlyArray<readonly [constraint: string, statement: string | (() => string)]> = [
  ["queue_pkey", "INSERT INTO queue SELECT * FROM queue"],
  ["queue_mode_known", "UPDATE queue SET mode = 'ajar'"],
  ["queue_settings_positive", "UPDATE queue SET max_active = 0"],
  ["queue_priority_share", "UPDATE queue SET priority_share_percent = 101"],
  ["queue_absence_not_negative", "UPDATE queue SET absence_seconds = -1"],
  ["queue_waiting_not_negative", "UPDATE queue SET waiting = -1"],
  ["queue_waiting_not_negative", "UPDATE queue SET priority_waiting = -1"],
  ["queue_cursor_in_line", "UPDATE queue SET next_number = 0"],
  ["queue_cursor_in_line", "UPDATE queue SET cursor = next_number"],
  ["queue_cursor_in_line", "UPDATE queue SET priority_cursor = priority_next_number"],
  ["queue_turn_of_hundred", "UPDATE queue SET turn = 100"],
  ["queue_opening_whole", "UPDATE queue SET opens_at = now()"],
  ["queue_opening_whole", "UPDATE queue SET opened_at = now()"],
  ["queue_opening_whole", "UPDATE queue SET drawn = 0, next_number = 9, opened_at = now()"],
  ["queue_grant_of_queue", "INSERT INTO queue_grant VALUES ('nowhere', 1, 1, now())"],
  ["queue_grant_positive", "INSERT INTO queue_grant VALUES ('q', 1, 0, now())"],
  ["queue_departure_of_queue", "INSERT INTO queue_departure VALUES ('nowhere', 1, 0, 1)"],
  ["queue_departure_once", "INSERT INTO queue_departure VALUES ('q', 1, 0, 1), ('q', 2, 0, 1)"],
  [
    "queue_presence_of_queue",
    "INSERT INTO queue_presence VALUES ('nowhere', 0, 0, now(), 0::bit(4096))"
  ],
  ["queue_exit_positive", "INSERT INTO queue_exit (queue_id, exits) VALUES ('q', 0)"],
  ["queue_code_of_queue", "INSERT INTO queue_code VALUES ('nowhere', 'x', 1)"],
  ["queue_code_not_overused", "INSERT INTO queue_code VALUES ('q', 'x', -1)"],
  ["queue_token_lane_known", token("waiting", ", lane", ", 2")],
  ["queue_token_in_queue", token("waiting").replace("'q'", "'nowhere'")],
  ["queue_token_number_once", token("waiting").replace("9", "1")],
  ["queue_token_live_once", token("waiting").replace("eve", "ann")],
  ["queue_token_state_known", token("napping")],
  ["queue_token_state_instants", token("waiting", ", admitted_at", ", now()")],
  ["queue_token_state_instants", token("admitted", ", admitted_at", ", now()")],
  ["queue_token_state_instants", token("completed", ", ended_at", ", now()")],
  ["queue_token_state_instants", token("left")],
  ["queue_token_state_instants", token("expired")],
  ["show_behind_queue", "UPDATE show SET queue_id = 'nowhere'"],
  ["show_sales_window", "UPDATE show SET sales_open_at = now(), sales_close_at = now()"],
  ["performance_of_show", "UPDATE performance SET show_id = 'nowhere'"],
  ["seat_of_performance", "DELETE FROM performance"],
  ["reservation_facts_are_final", reservation("user_id = 'bob'")],
  ["reservation_facts_are_final", reservation("performance_id = 'p2'", "paid")],
  ["reservation_facts_are_final", reservation("reservation_id = gen_random_uuid()")],
  ["server_life_is_one", "INSERT INTO server_life VALUES (false, gen_random_uuid())"],
  ["reservation_has_seats", reservation("seats = '[]'")],
  ["reservation_amount_not_negative", reservation("amount = -1")],
  ["reservation_currency_code", reservation("currency = 'won'")],
  ["reservation_hold_ends_later", reservation("hold_expires_at = held_at")],
  ["reservation_status_known", reservation("status = 'lost'")],
  ["reservation_status_instants", reservation("status = 'confirmed'")],
  ["reservation_status_instants", reservation("status = 'expired'")],
  ["reservation_status_instants", reservation("status = 'held'", "paid")],
  ["reservation_status_instants", reservation("ended_at = now()", "paid")],
  [
    "reservation_payment_once",
    () => `
      UPDATE reservation SET status = 'confirmed', confirmed_at = now(),
        payment_id = '${ids.payment}' WHERE reservation_id = '${ids.held}'`
  ],
  [
    "reservation_paid_by_transfer",
    reservation("status = 'confirmed', confirmed_at = now(), payment_id = gen_random_uuid()")
  ],
  // A seat has one row, and its row one owner.
  ["seat_pkey", "INSERT INTO seat SELECT * FROM seat WHERE seat_id = 'A-1'"],
  ["seat_status_owner", seat("reservation_id = NULL")],
  ["seat_status_owner", seat("held_until = NULL")],
  ["seat_status_owner", seat("status = 'available'")],
  ["seat_status_owner", seat("status = 'blocked'")],
  ["seat_status_known", seat("status = 'lost', reservation_id = NULL, held_until = NULL")],
  ["seat_with_reservation", seat("reservation_id = gen_random_uuid()")],
  // One that there is, and has ended.
  ["seat_with_reservation", () => seat(`reservation_id = '${ids.refunded}'`)],
  [
    "seat_with_reservation",
    () => `INSERT INTO seat (performance_id, seat_id, ordinal, section, seat_row, seat_number, price,
      currency, status, reservation_id, held_until)
      VALUES ('p', 'new', 99, 'S', '1', '1', 5, 'KRW', 'held', gen_random_uuid(), now())`
  ],
  ["seat_price_not_negative", seat("price = -1")],
  ["seat_currency_code", seat("currency = 'won'")],
  ["seat_sold_to_confirmed", seat("status = 'sold', held_until = NULL")],
  [
    "seat_sold_to_confirmed",
    () => `INSERT INTO seat (performance_id, seat_id, ordinal, section, seat_row, seat_number, price,
      currency, status, reservation_id)
      VALUES ('p', 'new', 99, 'S', '1', '1', 5, 'KRW', 'sold', '${ids.held}')`
  ],
  ["seat_in_currency_of_performance", seat("currency = 'USD'")],
  ["performance_currency_code", "UPDATE performance SET currency = 'won'"],
  // A reservation is confirmed with all of its seats, and keeps them.
  // What was ever paid stays, and so does what seats still belong to.
  ["reservation_is_kept", () => `DELETE FROM reservation WHERE reservation_id = '${ids.held}'`],
  ["reservation_is_kept", () => `DELETE FROM reservation WHERE reservation_id = '${ids.paid}'`],
  ["reservation_is_kept", () => `DELETE FROM reservation WHERE reservation_id = '${ids.refunded}'`],
  [
    "reservation_is_kept",
    () => `DO $$ BEGIN
      UPDATE reservation SET status = 'expired', ended_at = now()
        WHERE reservation_id = '${ids.held}';
      DELETE FROM reservation WHERE reservation_id = '${ids.held}'; END $$`
  ],
  ["cleared_kind_known", "INSERT INTO cleared VALUES ('wallet', now())"],
  [
    "reservation_confirmed_has_seats",
    () => `DO $$ BEGIN
      UPDATE seat SET status = 'available', reservation_id = NULL, held_until = NULL
        WHERE reservation_id = '${ids.held}';
      UPDATE reservation SET status = 'confirmed', confirmed_at = now(),
        payment_id = gen_random_uuid() WHERE reservation_id = '${ids.held}'; END $$`
  ],
  [
    "seat_of_confirmed_stays",
    () => `DO $$ BEGIN
      ALTER TABLE reservation DISABLE TRIGGER reservation_facts_are_final;
      UPDATE reservation SET amount = 0, status = 'confirmed', confirmed_at = now(),
        payment_id = gen_random_uuid() WHERE reservation_id = '${ids.held}';
      UPDATE seat SET status = 'available', reservation_id = NULL, held_until = NULL
        WHERE reservation_id = '${ids.held}'; END $$`
  ],
  // A sold seat stays its owner's, in one statement and in two.
  ["seat_sold_owner_is_final", () => seat(`reservation_id = '${ids.held}'`, "A-2")],
  ["seat_sold_owner_is_final", seat("status = 'held', held_until = now()", "A-2")],
  ["seat_sold_owner_is_final", seat("status = 'available', reservation_id = NULL", "A-2")],
  ["seat_sold_owner_is_final", seat("status = 'blocked', reservation_id = NULL", "A-2")],
  ["seat_sold_owner_is_final", seat("seat_id = 'elsewhere'", "A-2")],
  ["seat_sold_owner_is_final", "DELETE FROM seat WHERE seat_id = 'A-2'"],
  ["wallet_not_negative", wallet("balance = -1")],
  ["wallet_currency_code", wallet("currency = 'won'")],
  ["wallet_version_positive", wallet("version = 0")],
  // A balance equals the sum of the ledger, to the last unit.
  ["wallet_is_what_the_ledger_says", wallet("balance = balance + 1")],
  ["wallet_is_what_the_ledger_says", wallet("version = version - 1")],
  ["wallet_is_what_the_ledger_says", "INSERT INTO wallet VALUES ('eve', 'KRW', 1000000, 1)"],
  ["transfer_is_append_only", "UPDATE transfer SET amount = amount + 1"],
  ["transfer_is_append_only", "UPDATE transfer SET made_at = now() WHERE false"],
  ["transfer_is_append_only", "DELETE FROM transfer"],
  ["transfer_is_append_only", "TRUNCATE transfer CASCADE"],
  ["transfer_of_wallet", transfer("'charge', 'cash', NULL, 'eve', 5, 1, 5")],
  ["transfer_version_once", transfer("'charge', 'cash', NULL, 'bob', 5, 3, 5")],
  ["transfer_version_positive", transfer("'charge', 'cash', NULL, 'bob', 5, 0, 5")],
  ["transfer_first_starts_at_zero", transfer("'charge', 'cash', NULL, 'bob', 5, 1, 6")],
  ["transfer_follows_the_one_before", transfer("'charge', 'cash', NULL, 'bob', 5, 4, 100006")],
  ["transfer_follows_the_one_before", transfer("'charge', 'cash', NULL, 'bob', 5, 9, 100005")],
  [
    "transfer_follows_the_one_before",
    transfer("'charge', 'cash', NULL, 'bob', 5, 4, 100005").replace("KRW", "USD")
  ],
  [
    "transfer_balance_not_negative",
    () => transfer(`'payment', 'revenue:show', '${ids.held}', 'bob', -100001, 4, -1`)
  ],
  [
    "transfer_currency_code",
    transfer("'charge', 'cash', NULL, 'bob', 5, 4, 100005").replace("KRW", "won")
  ],
  ["transfer_kind_known", transfer("'gift', 'revenue:x', NULL, 'bob', 5, 4, 100005")],
  ["transfer_sign_by_kind", transfer("'charge', 'cash', NULL, 'bob', -5, 4, 99995")],
  [
    "transfer_sign_by_kind",
    () => transfer(`'payment', 'revenue:show', '${ids.held}', 'bob', 5, 4, 100005`)
  ],
  [
    "transfer_sign_by_kind",
    () => transfer(`'refund', 'revenue:show', '${ids.paid}', 'bob', -5, 4, 99995`)
  ],
  [
    "transfer_counter_account_by_kind",
    transfer("'charge', 'revenue:show', NULL, 'bob', 5, 4, 100005")
  ],
  [
    "transfer_counter_account_by_kind",
    () => transfer(`'payment', 'cash', '${ids.held}', 'bob', -5, 4, 99995`)
  ],
  [
    "transfer_reservation_by_kind",
    transfer("'payment', 'revenue:show', NULL, 'bob', -5, 4, 99995")
  ],
  [
    "transfer_for_reservation",
    () => transfer(`'payment', 'revenue:show', '${ids.free}', 'bob', -5, 4, 99995`)
  ],
  [
    "transfer_payment_once",
    () => transfer(`'payment', 'revenue:show', '${ids.paid}', 'bob', -5, 4, 99995`)
  ],
  [
    "transfer_refund_once",
    () => transfer(`'refund', 'revenue:show', '${ids.refunded}', 'bob', 5, 4, 100005`)
  ],
  [
    "outbox_event_version_positive",
    "INSERT INTO outbox (occurred_at, event_version, events) VALUES (now(), 0, '[]')"
  ],
  ["event_consumer_place_not_negative", consumer("'3:3:', 0, -1, 0")],
  ["event_consumer_between_rounds_at_none", consumer("NULL, 5, 0, 5")],
  ["event_consumer_between_rounds_at_none", consumer("NULL, 0, 1, 5")],
  // Each key once.
  ["cleared_pkey", "INSERT INTO cleared VALUES ('outbox', now()), ('outbox', now())"],
  [
    "command_outcome_pkey",
    () => `INSERT INTO command_outcome (command_id, user_id, operation, fingerprint, outcome)
      SELECT '${ids.free}', 'ann', 'pay', 'f', '{}' FROM generate_series(1, 2)`
  ],
  [
    "event_consumer_pkey",
    `${consumer("NULL, 0, 0, 0")}, (NULL, 0, 0, 0, 'mailer', 'here', '3:3:', now(), now())`
  ],
  ["migration_pkey", "INSERT INTO migration SELECT * FROM migration"],
  ["outbox_pkey", "INSERT INTO outbox OVERRIDING SYSTEM VALUE SELECT * FROM outbox"],
  ["queue_code_pkey", "INSERT INTO queue_code VALUES ('q', 'x', 1), ('q', 'x', 2)"],
  ["queue_departure_pkey", "INSERT INTO queue_departure VALUES ('q', 1, 0, 1), ('q', 1, 0, 2)"],
  [
    "queue_exit_pkey",
    `INSERT INTO queue_exit (exit_id, queue_id, exits) OVERRIDING SYSTEM VALUE
      VALUES (1, 'q', 1), (1, 'q', 1)`
  ],
  ["queue_grant_pkey", "INSERT INTO queue_grant VALUES ('q', 1, 1, now()), ('q', 1, 2, now())"],
  [
    "queue_presence_pkey",
    `INSERT INTO queue_presence SELECT 'q', 0, 0, now(), 0::bit(4096) FROM generate_series(1, 2)`
  ],
  ["queue_token_pkey", "INSERT INTO queue_token SELECT * FROM queue_token"],
  [
    "server_life_pkey",
    "INSERT INTO server_life VALUES (true, gen_random_uuid()), (true, gen_random_uuid())"
  ],
  [
    "webhook_delivery_pkey",
    `INSERT INTO webhook_delivery (delivery_id, endpoint, event_id, aggregate, body, state,
      attempts, next_at, parked_at) OVERRIDING SYSTEM VALUE
      SELECT 1, 'crm', n || '-1', 'wallet/ann', '{}', 'waiting', 0, now(), now()
      FROM generate_series(1, 2) n`
  ],
  // A reservation that is added as confirmed has seats as well.
  [
    "reservation_confirmed_has_seats",
    `INSERT INTO reservation (reservation_id, performance_id, user_id, seats, amount, currency,
      status, held_at, hold_expires_at, confirmed_at, payment_id)
      VALUES (gen_random_uuid(), 'p', 'ann', '[{"seatId": "A-9"}]', 0, 'KRW', 'confirmed', now(),
        now() + interval '1 hour', now(), gen_random_uuid())`
  ],
  ["webhook_delivery_once", delivery("waiting", 2)],
  ["webhook_delivery_state_known", delivery("lost")],
  ["webhook_delivery_dead_was_tried", delivery("dead")]
]

describe("the schema is the last guard", () => {
  // One database for all: every statement is rolled back.
  test("each rule refuses the statement that breaks it", async () => {
    for (const [constraint, rule] of rules) {
      const statement = typeof rule === "string" ? rule : rule()
      expect.soft(await refusal(statement), statement).toBe(constraint)
    }
  })

  test("every rule of the tables is among those above", async () => {
    const named = await sql<{ name: string }>(`
      SELECT conname AS name FROM pg_constraint
      WHERE connamespace = 'boxoffice'::regnamespace AND contype <> 'n'
      UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
      UNION SELECT indexrelid::regclass::text FROM pg_index
      WHERE indisunique AND indexrelid::regclass::text !~ '^pg_'
        AND (SELECT relnamespace FROM pg_class WHERE oid = indexrelid)
          = 'boxoffice'::regnamespace`)
    // Left out: plain keys of rows that are inserted by an id of their own, a guard with the name
    // of another, and keys that only other constraints refer to.
    const elsewhere = [
      "_pkey$",
      "^seat_sold_stays$",
      "^(seat|reservation)_added_",
      "^transfer_leaves_balance$",
      "^performance_currency_once$"
    ].join("|")
    const tested = new Set(rules.map(([constraint]) => constraint))
    const untested = named.map((row) => row.name).filter((name) => !tested.has(name))
    expect(untested.filter((name) => !new RegExp(elsewhere).test(name))).toEqual([])
  })

  test("a refund frees the seat, which can be sold again", async () => {
    const rows = await sql("SELECT status, reservation_id FROM seat WHERE seat_id = 'A-4'")
    expect(rows).toEqual([{ status: "available", reservation_id: null }])
  })

  test("the two entries of every transfer sum to zero, and a wallet's to its balance", async () => {
    const sums = await sql(`
      SELECT transfer_id FROM ledger_entry GROUP BY transfer_id
      HAVING sum(amount) <> 0 OR count(*) <> 2`)
    expect(sums).toEqual([])
    const accounts = await sql(`
      SELECT account, sum(amount)::int8 AS sum FROM ledger_entry GROUP BY account ORDER BY account`)
    expect(accounts).toEqual([
      { account: "cash", sum: -200_000n },
      { account: "revenue:show", sum: 10_000n },
      { account: "wallet:ann", sum: 90_000n },
      { account: "wallet:bob", sum: 100_000n }
    ])
  })
})
