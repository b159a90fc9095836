import { openBoxOffice } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll, expect, test } from "vitest"
import { createTestDatabase, type TestDatabase } from "../../../test-support/database.ts"
import { boxoffice } from "./command.ts"

// The commands for maintaining a database: clear deletes old rows, verify checks the invariants.

let database: TestDatabase
let env: Record<string, string>

const sql = (statement: string) =>
  Effect.runPromise(
    Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe<Record<string, unknown>>(statement)).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 }))
    )
  )

beforeAll(async () => {
  database = await createTestDatabase()
  env = { DATABASE_URL: database.url }
  const office = await openBoxOffice({
    database: database.url,
    migrate: true,
    signingKeys: { k1: "a secret of at least thirty-two bytes" },
    policies: { gate: [] }
  })
  const amount = { amount: 500n, currency: "KRW" }
  await office.wallet.charge({ userId: "ada", amount, idempotencyKey: "k" })
  await office.close()
  await sql(`UPDATE boxoffice.command_outcome SET recorded_at = now() - interval '2 days'`)
}, 60_000)
afterAll(() => database.drop())

test("clear deletes what is older than the environment says, and says how much", async () => {
  const nothing = { tokens: 0, reservations: 0, outcomes: 0, events: 0, deadLetters: 0 }
  const kept = await boxoffice("clear --json", env)
  expect(kept).toMatchObject({ code: 0, err: "" })
  expect(JSON.parse(kept.out)).toEqual(nothing)

  const refused = await boxoffice("clear", { ...env, BOXOFFICE_IDEMPOTENCY_KEY_SECONDS: "3600" })
  expect(refused).toMatchObject({ code: 1, out: "" })
  expect(refused.err).toMatch(/BOXOFFICE_IDEMPOTENCY_KEY_SECONDS must be .* from 86400/)

  const day = { ...env, BOXOFFICE_IDEMPOTENCY_KEY_SECONDS: "86400" }
  const { out } = await boxoffice("clear", day)
  expect(out).toMatch(/^answers to idempotency keys +1$/m)
  expect(JSON.parse((await boxoffice("clear --json", day)).out)).toEqual(nothing)
}, 60_000)

test("verify counts each invariant, and ends with 2 where one is broken", async () => {
  const sound = await boxoffice("verify", env)
  expect(sound).toMatchObject({ code: 0, err: "" })
  expect(sound.out).toMatch(/^I4 +0 +no wallet is negative$/m)
  expect(sound.out).toMatch(/Every invariant holds\.\n$/)

  await sql("DELETE FROM boxoffice.outbox")
  const broken = await boxoffice("verify --json", env)
  expect(broken).toMatchObject({ code: 2, err: "" })
  const { holds, checks } = JSON.parse(broken.out)
  expect(holds).toBe(false)
  expect(checks).toContainEqual({
    invariant: "I9",
    meaning: "one event for each change",
    violations: 1
  })
  expect((await boxoffice("verify", env)).out).toMatch(/^Broken: 2 of \d+\.$/m)
}, 60_000)

test("verify refuses a schema that is older than it knows", async () => {
  const empty = await createTestDatabase()
  const { code, err } = await boxoffice("verify", { DATABASE_URL: empty.url })
  await empty.drop()
  expect(code).toBe(1)
  expect(err).toContain("migrate")
}, 60_000)
