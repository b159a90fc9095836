import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { beforeAll, describe, expect, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { Invariants, Migrator } from "../src/index.ts"

// A checker that has never found anything proves nothing: each break must be found by the check for
// it. The rules of the schema are off meanwhile.

let url: string
beforeAll(async () => {
  const database = await createTestDatabase()
  url = database.url
  const client = PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
  await Effect.runPromise(Effect.provide(Migrator.migrate(), client))
  return database.drop
})

const id = (n: number) => `00000000-0000-7000-8000-00000000000${n}`
const uuid = (n: number) => `'${id(n)}'`
const at = (second: number) => `timestamptz '2020-01-01 00:00:00Z' + interval '${second} seconds'`
const instant = (second: number) => Date.parse("2020-01-01T00:00:00Z") + second * 1_000
const event = (second: number, _tag: string, fields: object) => ({
  _tag,
  at: instant(second),
  ...fields
})
const told = (...events: ReadonlyArray<object>) =>
  `INSERT INTO outbox (occurred_at, events) VALUES (now(), '${JSON.stringify(events)}');`
const token = (n: number, user: string, joined: number, admitted: number | null, ended = 900) => {
  const fields = { tokenId: id(n), queueId: "q", userId: user }
  const expiresAt = instant((admitted ?? 0) + 600)
  return `
  INSERT INTO queue_token VALUES (${uuid(n)}, 'q', '${user}', ${n},
    '${admitted === null ? "waiting" : "completed"}', ${admitted !== null}, ${at(joined)},
    ${admitted === null ? "NULL, NULL, NULL" : `${at(admitted)}, ${at(admitted + 600)}, ${at(ended)}`});
  ${told(
    event(joined, "QueueTokenIssued", { ...fields, number: String(n) }),
    ...(admitted === null
      ? []
      : [
          event(admitted, "QueueTokenAdmitted", { ...fields, claimed: true, expiresAt }),
          event(ended, "QueueTokenCompleted", fields)
        ])
  )}`
}
const krw = (amount: number) => ({ amount: String(amount), currency: "KRW" })
const seat = { seatId: "A", section: "S", row: "1", number: "1" }
const reservation = (n: number, status: string, until: string, payment = "NULL") => `
  INSERT INTO reservation VALUES (${uuid(n)}, 'p', 'ann',
    '${JSON.stringify([{ ...seat, ...krw(10) }])}', 10, 'KRW',
    '${status}', ${at(0)}, ${until}, ${status === "confirmed" ? at(2) : "NULL"}, NULL, ${payment});`
const transfer = (n: number, kind: string, amount: number, version: number, balance: number) => `
  INSERT INTO transfer VALUES (${uuid(n)}, '${kind}', 'ann',
    '${kind === "charge" ? "cash" : "revenue:s"}', ${amount}, 'KRW', ${version}, ${balance},
    ${kind === "charge" ? "NULL" : uuid(1)}, ${at(version)});`

/** Ann has bought seat A: 10 of her 30. */
const sound = `
  INSERT INTO queue VALUES ('q', 'open', 2, 2, 60, 600, 9);
  INSERT INTO show VALUES ('s', 'A show', 'q');
  INSERT INTO performance VALUES ('p', 's', now(), 'UTC', 'KRW');
  ${token(1, "ann", 0, 1)}
  ${reservation(1, "confirmed", at(60), uuid(3))}
  ${transfer(2, "charge", 30, 1, 30)} ${transfer(3, "payment", -10, 2, 20)}
  INSERT INTO wallet VALUES ('ann', 'KRW', 20, 2);
  INSERT INTO seat VALUES ('p', 'A', 1, 'S', '1', '1', 10, 'KRW', 'sold', ${uuid(1)}, NULL);
  ${told(event(1, "WalletCharged", { transferId: id(2), userId: "ann", amount: krw(30) }))}
  ${told(
    event(0, "SeatsHeld", {
      ...{ reservationId: id(1), performanceId: "p", userId: "ann", amount: krw(10) },
      ...{ seats: [{ ...seat, price: krw(10) }], holdExpiresAt: instant(60) }
    }),
    event(2, "ReservationPaid", {
      ...{ reservationId: id(1), performanceId: "p", userId: "ann", amount: krw(10) },
      ...{ paymentId: id(3), showId: "s", seatIds: ["A"] }
    })
  )}`

const ended = "confirmed_at = NULL, payment_id = NULL, ended_at = now()"

const violated = (statements: string) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      return yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql.unsafe("SET LOCAL session_replication_role = replica")
          yield* sql.unsafe("SET LOCAL search_path = boxoffice")
          yield* sql.unsafe(`DO $$ BEGIN ${sound} ${statements} END $$`)
          const checks = yield* Invariants.check()
          // Nothing is kept.
          return yield* Effect.fail(checks.filter(({ violations }) => violations > 0))
        })
      )
    }).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
      Effect.flip
    )
  ) as Promise<ReadonlyArray<Invariants.Check>>

describe("the checker", { timeout: 60_000 }, () => {
  test("finds nothing in a sound database", async () => {
    expect(await violated("")).toEqual([])
  })

  test.each([
    ["a balance is the sum of its entries", "UPDATE wallet SET balance = 21;"],
    [
      "each entry goes on from the one before",
      "UPDATE transfer SET balance = 21 WHERE version = 2;"
    ],
    ["each entry goes on from the one before", "UPDATE wallet SET currency = 'USD';"],
    ["a payment is the one that", `UPDATE reservation SET payment_id = ${uuid(2)};`],
    ["a payment is the one that", "UPDATE transfer SET user_id = 'bob' WHERE version = 2;"],
    [
      "a payment is the one that",
      "UPDATE transfer SET counter_account = 'revenue:x' WHERE version = 2;"
    ],
    ["a reservation costs what its seats cost", "UPDATE reservation SET amount = 11;"],
    ["a reservation costs what its seats cost", "UPDATE reservation SET currency = 'USD';"],
    [
      "a seat belongs to a live reservation",
      `UPDATE reservation SET status = 'expired', ${ended};`
    ],
    ["a seat belongs to a live reservation", "UPDATE seat SET seat_id = 'B';"],
    [
      "a seat belongs to a live reservation",
      `UPDATE reservation SET status = 'held', confirmed_at = NULL, payment_id = NULL;
       UPDATE seat SET status = 'held', held_until = ${at(61)};`
    ],
    ["a hold that has not lapsed", reservation(4, "held", "timestamptz '2999-01-01'")],
    ["a transfer is what its event says", "UPDATE transfer SET made_at = now() WHERE version = 2;"],
    [
      "a transfer is what its event says",
      `UPDATE transfer SET transfer_id = ${uuid(9)} WHERE version = 1;`
    ],
    ["a transfer is what its event says", transfer(4, "charge", 5, 3, 25)],
    ["a transfer is what its event says", "DELETE FROM transfer WHERE version = 2;"],
    ["a reservation is what its events say", "UPDATE reservation SET user_id = 'bob';"],
    [
      "a reservation is what its events say",
      "UPDATE reservation SET status = 'cancelled', ended_at = now();"
    ],
    ["a queue token is what its events say", "UPDATE queue_token SET user_id = 'bob';"],
    [
      "a queue token is what its events say",
      "UPDATE queue_token SET state = 'admitted', ended_at = NULL;"
    ],
    [
      "a queue is as its operators left it",
      told(event(0, "QueueModeChanged", { queueId: "q", mode: "paused", before: "open" }))
    ],
    ["rows were deleted up to an instant", "INSERT INTO cleared VALUES ('outbox', 'infinity');"],
    ["the counts of a queue", "UPDATE queue SET waiting = 1;"],
    ["the counts of a queue", "UPDATE queue SET active = 1;"],
    ["the counts of a queue", "UPDATE queue SET next_number = 1;"],
    [
      "the counts of a queue",
      `${token(2, "bob", 1, null)} UPDATE queue SET waiting = 1, cursor = 2;`
    ],
    ["the counts of a queue", "INSERT INTO queue_departure VALUES ('q', 1, 0, 1);"],
    ["a balance is the sum of its entries", "UPDATE transfer SET version = 5 WHERE version = 2;"],
    [
      "a reservation is paid once at the most",
      `DROP INDEX transfer_payment_once; ${transfer(4, "payment", -10, 3, 10)}`
    ],
    [
      "a reservation is confirmed exactly when",
      "UPDATE transfer SET amount = -11 WHERE version = 2;"
    ],
    [
      "a reservation is confirmed exactly when",
      "UPDATE reservation SET status = 'cancelled', ended_at = now();"
    ],
    ["a seat is sold exactly when", "UPDATE seat SET status = 'available', reservation_id = NULL;"],
    ["a seat is sold exactly when", `UPDATE seat SET reservation_id = ${uuid(9)};`],
    ["nothing is paid after it expired", `UPDATE reservation SET confirmed_at = ${at(60)};`],
    ["numbers follow the order of joining", token(2, "bob", -1, 2)],
    [
      "numbers follow the order of joining",
      `UPDATE transfer SET made_at = ${at(0)} WHERE version = 2;`
    ],
    [
      "one event for each change",
      "DELETE FROM outbox WHERE events::text LIKE '%ReservationPaid%';"
    ],
    [
      "each event follows one that it may follow",
      "UPDATE outbox SET events = replace(events::text, 'ReservationPaid', 'SeatsHeld')::json;"
    ],
    [
      "a reservation's events begin with its hold",
      "UPDATE outbox SET events = replace(events::text, 'SeatsHeld', 'HoldReleased')::json;"
    ],
    [
      "each event follows one that it may follow",
      told(event(901, "QueueTokenLeft", { tokenId: id(1), queueId: "q", userId: "ann" }))
    ],
    ["refunds never pass payments", transfer(4, "refund", 11, 3, 31)],
    ["never more users inside than", `${token(2, "bob", 1, 2)} ${token(3, "cid", 1, 100)}`],
    [
      "never more users admitted within 60",
      `${token(2, "bob", 1, 2, 3)} ${token(3, "cid", 1, 4, 5)}`
    ],
    [
      "no user is admitted before a user in front",
      `${token(2, "bob", 1, null)} ${token(3, "cid", 2, 3)}`
    ],
    [
      "no user is admitted before a user in front",
      `${token(2, "bob", 1, 9)} ${token(3, "cid", 2, 3)}`
    ]
  ])("%s: found after %s", async (meaning, statements) => {
    const found = (await violated(statements)).map((check) => check.meaning)
    expect(found).toContainEqual(expect.stringContaining(meaning))
  })

  // Rows deleted because of their age cause no finding, and rows missing beside them do.
  const cleared = (kind: string, second: number) =>
    `INSERT INTO cleared VALUES ('${kind}', ${at(second)});`

  const narrowed = {
    ...{ maxActive: 1, admitPerMinute: 2, claimSeconds: 60, sessionSeconds: 600 },
    ...{ prioritySharePercent: 50, absenceSeconds: 300 }
  }

  test.each([
    ["all events", `DELETE FROM outbox; ${cleared("outbox", 100)}`],
    ["tokens", `DELETE FROM queue_token; ${cleared("queue_token", 900)}`],
    [
      "a reservation and the first of its events",
      `DELETE FROM outbox; ${cleared("outbox", 100)}
       ${told(event(101, "HoldLapsed", { reservationId: "r2" }))} ${cleared("reservation", 102)}`
    ],
    [
      "events, of a queue whose limits were narrowed",
      `UPDATE queue SET max_active = 1; ${token(2, "bob", 1, 2)}
       ${told(event(3, "QueueConfigured", { queueId: "q", settings: narrowed }))}`
    ]
  ])("finds nothing where the sweeper has deleted %s", async (_, statements) => {
    expect(await violated(statements)).toEqual([])
  })

  test.each([
    ["an event", cleared("outbox", 1), `DELETE FROM outbox;`],
    [
      "a reservation",
      cleared("reservation", 100),
      told(event(101, "SeatsHeld", { reservationId: "r2" }))
    ],
    [
      "a token",
      cleared("queue_token", 100),
      told(event(101, "QueueTokenIssued", { tokenId: "t2", queueId: "q" }))
    ]
  ])("finds %s missing that is later than what was deleted", async (_, clearing, statements) => {
    const found = await violated(`${clearing} ${statements}`)
    expect(found.map(({ meaning }) => meaning)).toContain("one event for each change")
  })

  // No statement can break these invariants while the tables are as they are: a transfer is one
  // row.
  test("has checks that the tables leave no way to break", async () => {
    expect(await violated("")).toEqual([])
    const checks = await Effect.runPromise(
      Effect.provide(
        Invariants.check(),
        PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
      )
    )
    expect(new Set(checks.map(({ invariant }) => invariant))).toEqual(
      new Set(["I1", "I2", "I3", "I4", "I5", "I7", "I8", "I9", "I10", "I12", "I13"])
    )
  })
})
