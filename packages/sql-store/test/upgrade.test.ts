import { readdirSync, readFileSync } from "node:fs"
import { makeBoxOffice } from "@boxoffice/core"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { describe, expect, test } from "vitest"
import { Doctor, Migrator, SqlStore } from "../src/index.ts"
import { head, migrations } from "../src/migrator/steps.ts"
import { layerPglite } from "../src/pglite.ts"
import { emptyDatabase, openSql, type Sql } from "./support.ts"

// Every released version can be migrated, with rows in it, to the newest.

const directory = new URL("released/", import.meta.url)
const versions = readdirSync(directory)
  .filter((file) => file.endsWith(".sql"))
  .map((file) => ({ file, version: Number(file.slice(0, 4)) }))

/** A database as that version left it. */
const databaseAt = async (file: string) => {
  const url = await emptyDatabase()
  const sql = openSql(url)
  await sql(
    `DO $released$ BEGIN\n${readFileSync(new URL(file, directory), "utf8")}\nEND $released$`
  )
  return { url, sql }
}

const migrateTo = (url: string) =>
  Effect.runPromise(
    Effect.andThen(Migrator.migrate(), Doctor.examine()).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
    )
  )

/** Every row of every table, in the columns that were there, as text. */
const contents = async (sql: Sql, columns: ReadonlyArray<{ table: string; columns: string }>) => {
  const found: Record<string, unknown> = {}
  for (const { table, columns: names } of columns) {
    // Rewritten by version 2, and compared as events.
    if (table === "migration" || table === "outbox") continue
    found[table] = await sql(
      `SELECT (t)::text AS row FROM (SELECT ${names} FROM boxoffice.${table}) t ORDER BY 1`
    )
  }
  return found
}

/** The events, in order. */
const eventsOf = async (sql: Sql) => {
  const [view] = await sql("SELECT to_regclass('boxoffice.outbox_event') AS view")
  const [from, order] =
    view!.view === null ? ["outbox", "event_id"] : ["outbox_event", "batch_id, position"]
  return await sql(`SELECT event::jsonb::text AS event FROM boxoffice.${from} ORDER BY ${order}`)
}

const columnsOf = (sql: Sql) =>
  sql<{ table: string; columns: string }>(`
    SELECT relname AS table, string_agg(quote_ident(attname), ', ' ORDER BY attname) AS columns
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'boxoffice'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
      AND NOT attisdropped
    GROUP BY relname ORDER BY relname`)

describe.each(versions)("from version $version", { timeout: 60_000 }, ({ file, version }) => {
  test("the file is as it was released", () => {
    const released = readFileSync(new URL(file, directory), "utf8")
    for (const { version: one, sql } of migrations) {
      if (one <= version)
        expect(released).toContain(sql.replaceAll("{{schema}}", '"boxoffice"').trim())
    }
  })

  test("to the newest: every row is kept, and the doctor finds nothing", async () => {
    const { url, sql } = await databaseAt(file)
    const columns = await columnsOf(sql)
    const before = await contents(sql, columns)
    expect(Object.keys(before).length).toBeGreaterThan(8)
    const events = await eventsOf(sql)
    expect(events.length).toBeGreaterThan(25)
    const { version: reached, findings } = await migrateTo(url)
    expect(reached).toBe(head)
    expect(findings.filter(({ code }) => code !== "role_too_mighty")).toEqual([])
    expect(await contents(sql, columns)).toEqual(before)
    expect(await eventsOf(sql)).toEqual(events)
  })

  test("the engine goes on where it was", async () => {
    const { url, sql } = await databaseAt(file)
    await migrateTo(url)
    await using office = await makeBoxOffice(SqlStore.layerUrl({ url }), {
      signingKeys: { k1: "a secret of at least thirty-two bytes" },
      policies: { walletCeiling: 2n ** 60n }
    })
    const join = async (userId: string) => {
      const { token } = await office.queue.join({ queueId: "main", userId })
      return { userId, queueToken: token }
    }
    const performanceId = "gala-1"

    // The seats bought are still owned, to the last unit, and an old key still gives the old
    // answer.
    const owned = (await office.reservations.list({ userId: "ada" })).items
    expect(owned).toMatchObject([
      { status: "confirmed", seats: [{ seatId: "A1" }, { seatId: "A2" }] }
    ])
    const ada = await join("ada")
    const balance = { amount: { amount: 9_007_199_254_520_993n } }
    expect(await office.wallet.balance(ada)).toMatchObject({ balance: balance.amount })
    await office.wallet.charge({
      ...ada,
      amount: { amount: 2n ** 53n + 1n, currency: "KRW" },
      idempotencyKey: "charge-ada"
    })
    expect(await office.wallet.balance(ada)).toMatchObject({ balance: balance.amount })

    // The sold stay sold; what lapsed, was released or refunded is for sale.
    const free = await office.catalog.availableSeats({ ...ada, performanceId })
    expect(free.seats.map(({ seatId }) => seatId)).toEqual(["A3", "A4", "A5", "A6", "A7"])
    await expect(
      office.reservations.hold({ ...ada, performanceId, seatIds: ["A1"] })
    ).rejects.toMatchObject({ _tag: "SeatUnavailable" })

    // And a new one is sold.
    const hold = await office.reservations.hold({ ...ada, performanceId, seatIds: ["A6"] })
    const paid = await office.payments.pay({ ...ada, reservationId: hold.reservationId })
    expect(paid.balance.amount).toBe(9_007_199_254_410_993n)
    const wrong = await sql(`
      SELECT user_id FROM boxoffice.wallet w WHERE balance <>
        (SELECT sum(amount) FROM boxoffice.transfer t WHERE t.user_id = w.user_id)`)
    expect(wrong).toEqual([])
  })
})

test("every released version has its database", () => {
  // The newest version may have none yet: released/take.ts writes it at the release.
  expect(versions.map(({ version }) => version)).toContain(1)
  expect(new Set(versions.map(({ version }) => version)).size).toBe(versions.length)
})

test("in process as well", { timeout: 60_000 }, async () => {
  const report = await Effect.runPromise(
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const text = readFileSync(new URL(versions[0]!.file, directory), "utf8")
      yield* sql.unsafe(`DO $released$ BEGIN\n${text}\nEND $released$`)
      yield* Migrator.migrate()
      return yield* Doctor.examine()
    }).pipe(Effect.provide(layerPglite()))
  )
  expect(report.version).toBe(head)
  expect(report.findings.filter(({ subject }) => !/^(role|setting)/.test(subject))).toEqual([])
})
