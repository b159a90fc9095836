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

const uuid = (n: number) => `'00000000-0000-7000-8000-00000000000${n}'`
const at = (second: number) => `timestamptz '2030-01-01 00:00:00Z' + interval '${second} seconds'`
const events = (aggregate: string, ...types: ReadonlyArray<string>) => `
  INSERT INTO outbox (occurred_at, events) VALUES (now(), '${JSON.stringify(
    types.map((_tag) => ({ _tag, at: 0, ...JSON.parse(aggregate) }))
  )}');`
const token = (n: number, user: string, joined: number, admitted: number | null, ended = 900) => `
  INSERT INTO queue_token VALUES (${uuid(n)}, 'q', '${user}', ${n},
    '${admitted === null ? "waiting" : "completed"}', ${admitted !== null}, ${at(joined)},
    ${admitted === null ? "NULL, NULL, NULL" : `${at(admitted)}, ${at(admitted + 600)}, ${at(ended)}`});
  ${events('{"tokenId": "t"}', "QueueTokenIssued", ...(admitted === null ? [] : ["QueueTokenAdmitted"]))}`
const reservation = (status: string, payment: string) => `
  INSERT INTO reservation VALUES (${uuid(1)}, 'p', 'ann', '[{"seatId": "A"}]', 10, 'KRW',
    '${status}', ${at(0)}, ${at(60)}, ${status === "confirmed" ? at(5) : "NULL"}, NULL, ${payment});`
const transfer = (n: number, kind: string, amount: number, version: number, balance: number) => `
  INSERT INTO transfer VALUES (${uuid(n)}, '${kind}', 'ann',
    '${kind === "charge" ? "cash" : "revenue:s"}', ${amount}, 'KRW', ${version}, ${balance},
    ${kind === "charge" ? "NULL" : uuid(1)}, ${at(version)});
  ${kind === "charge" ? events('{"userId": "ann"}', "WalletCharged") : ""}`

/** Ann has bought seat A: 10 of her 30. */
const sound = `
  INSERT INTO queue VALUES ('q', 'open', 2, 2, 60, 600, 9);
  ${token(1, "ann", 0, 1)}
  ${reservation("confirmed", uuid(3))}
  ${transfer(2, "charge", 30, 1, 30)} ${transfer(3, "payment", -10, 2, 20)}
  INSERT INTO wallet VALUES ('ann', 'KRW', 20, 2);
  INSERT INTO seat VALUES ('p', 'A', 1, 'S', '1', '1', 10, 'KRW', 'sold', ${uuid(1)}, NULL);
  ${events('{"reservationId": "r"}', "SeatsHeld", "ReservationPaid")}`

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
      "a reservation's events come in order",
      "UPDATE outbox SET events = replace(events::text, 'ReservationPaid', 'SeatsHeld')::json;"
    ],
    ["refunds never pass payments", transfer(4, "refund", 11, 3, 31)],
    ["never more inside than", `${token(2, "bob", 1, 2)} ${token(3, "cid", 1, 100)}`],
    ["never more let in within 60", `${token(2, "bob", 1, 2, 3)} ${token(3, "cid", 1, 4, 5)}`],
    [
      "nobody is let in before somebody in front",
      `${token(2, "bob", 1, null)} ${token(3, "cid", 2, 3)}`
    ],
    [
      "nobody is let in before somebody in front",
      `${token(2, "bob", 1, 9)} ${token(3, "cid", 2, 3)}`
    ]
  ])("%s: found after %s", async (meaning, statements) => {
    const found = (await violated(statements)).map((check) => check.meaning)
    expect(found).toContainEqual(expect.stringContaining(meaning))
  })

  // Rows deleted because of their age cause no finding, and rows missing beside them do.
  const cleared = (kind: string, second: number) =>
    `INSERT INTO cleared VALUES ('${kind}', ${at(second)});`
  const late = (second: number) => Date.parse("2030-01-01T00:00:00Z") + second * 1_000
  const event = (second: number, fields: object) => `
    INSERT INTO outbox (occurred_at, events)
    VALUES (now(), '${JSON.stringify([{ at: late(second), ...fields }])}');`

  test.each([
    ["all events", `DELETE FROM outbox; ${cleared("outbox", 100)}`],
    ["tokens", `DELETE FROM queue_token; ${cleared("queue_token", 900)}`],
    [
      "a reservation and the first of its events",
      `DELETE FROM outbox; ${cleared("outbox", 100)} ${event(101, {
        _tag: "HoldLapsed",
        reservationId: "r2"
      })} ${cleared("reservation", 102)}`
    ],
    [
      "events, of a queue whose limits were narrowed",
      `UPDATE queue SET max_active = 1; ${token(2, "bob", 1, 2)}
       ${event(3, { _tag: "QueueConfigured", queueId: "q" })}`
    ]
  ])("finds nothing where the sweeper has deleted %s", async (_, statements) => {
    expect(await violated(statements)).toEqual([])
  })

  test.each([
    ["an event", cleared("outbox", 1), `DELETE FROM outbox;`],
    [
      "a reservation",
      cleared("reservation", 100),
      event(101, { _tag: "SeatsHeld", reservationId: "r2" })
    ],
    [
      "a token",
      cleared("queue_token", 100),
      event(101, { _tag: "QueueTokenIssued", tokenId: "t2", queueId: "q" })
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
