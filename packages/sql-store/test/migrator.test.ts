import { PgClient } from "@effect/sql-pg"
import { Effect, Exit, Redacted } from "effect"
import { describe, expect, test } from "vitest"
import { Migrator, SqlStore } from "../src/index.ts"
import { schemaName } from "../src/schemaName.ts"
import { emptyDatabase, openSql, openStore } from "./support.ts"

const on = <A, E>(url: string, effect: Effect.Effect<A, E, PgClient.PgClient>) =>
  Effect.runPromiseExit(
    Effect.provide(effect, PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
  )

const errorOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && exit.cause.reasons[0]?._tag === "Fail"
    ? exit.cause.reasons[0].error
    : exit

/** Applies the first migrations alone, as a package of back then did. */
const migrateTo = async (url: string, version: number) => {
  const sql = openSql(url)
  const plan = await on(url, Migrator.plan())
  if (Exit.isFailure(plan)) throw new Error("no plan")
  await sql("CREATE SCHEMA boxoffice")
  await sql(`CREATE TABLE boxoffice.migration (version integer PRIMARY KEY, name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now())`)
  for (const statement of plan.value.slice(0, version)) await sql(statement)
  await sql(`INSERT INTO boxoffice.migration SELECT n, 'n' FROM generate_series(1, ${version}) n`)
  return sql
}

describe("Migrator", () => {
  test("an empty database is migrated, and migrating again does nothing", async () => {
    const url = await emptyDatabase()
    expect(await on(url, Migrator.plan())).toMatchObject({
      value: [expect.stringMatching(/seat/), expect.stringMatching(/outbox/)]
    })
    expect(await on(url, Migrator.migrate())).toMatchObject({ value: ["schema", "outbox_batches"] })
    expect(await on(url, Migrator.migrate())).toMatchObject({ value: [] })
    expect(await on(url, Migrator.plan())).toMatchObject({ value: [] })
    expect(Exit.isSuccess(await on(url, Migrator.verify()))).toBe(true)
  })

  test("nodes that start at once migrate it once", async () => {
    const url = await emptyDatabase()
    const exits = await Promise.all(Array.from({ length: 5 }, () => on(url, Migrator.migrate())))
    const applied = exits.map((exit) => (Exit.isSuccess(exit) ? exit.value.length : exit))
    expect(applied.sort()).toEqual([0, 0, 0, 0, 2])
  })

  test("a store does not start on a database that was not migrated, and leaves it alone", async () => {
    const url = await emptyDatabase()
    await expect(openStore(SqlStore.layerUrl({ url }))).rejects.toMatchObject({
      _tag: "SchemaMismatch",
      found: 0,
      expected: 2,
      message: expect.stringContaining("migrate it")
    })
    const sql = openSql(url)
    expect(await sql("SELECT to_regnamespace('boxoffice') AS schema")).toEqual([{ schema: null }])
  })

  test("a newer schema is refused by verify, migrate and the store", async () => {
    const url = await emptyDatabase()
    await on(url, Migrator.migrate())
    await openSql(url)("INSERT INTO boxoffice.migration (version, name) VALUES (99, 'later')")
    const newer = { _tag: "SchemaMismatch", found: 99, message: expect.stringContaining("newer") }
    expect(errorOf(await on(url, Migrator.verify()))).toMatchObject(newer)
    expect(errorOf(await on(url, Migrator.migrate()))).toMatchObject(newer)
    await expect(openStore(SqlStore.layerUrl({ url }))).rejects.toMatchObject(newer)
  })

  test("two schemas of one database are two stores, whatever the search_path", async () => {
    const url = await emptyDatabase()
    const path = new URL(url)
    path.searchParams.set("options", "-c search_path=pg_catalog")
    const one = await openStore(SqlStore.layerUrl({ url: path.href, schema: "one", migrate: true }))
    const two = await openStore(SqlStore.layerUrl({ url: path.href, schema: "two", migrate: true }))
    const settings = { maxActive: 1, admitPerMinute: 1, claimSeconds: 1, sessionSeconds: 1 }
    expect(await one.run(one.store.addQueue("q" as never, settings))).toBe("added")
    expect(await two.run(two.store.queue("q" as never))).toBeUndefined()
    expect(await openSql(url)("SELECT to_regnamespace('boxoffice') AS schema")).toEqual([
      { schema: null }
    ])
  })

  test("a migration that fails leaves nothing behind", async () => {
    const url = await emptyDatabase()
    const sql = openSql(url)
    // The name is taken by something else, half-way through.
    await sql("CREATE SCHEMA boxoffice")
    await sql("CREATE TABLE boxoffice.outbox ()")
    expect(errorOf(await on(url, Migrator.migrate()))).toMatchObject({ _tag: "SqlError" })
    const tables = "SELECT relname FROM pg_class WHERE relnamespace = 'boxoffice'::regnamespace"
    expect(await sql(tables)).toEqual([{ relname: "outbox" }])
  })

  test("version 2 takes over the events of version 1, in order", async () => {
    const url = await emptyDatabase()
    const sql = await migrateTo(url, 1)
    await sql(`INSERT INTO boxoffice.outbox (aggregate_kind, aggregate_id, type, event, occurred_at)
      SELECT 'wallet', 'ann', 'WalletCharged',
        jsonb_build_object('_tag', 'WalletCharged', 'userId', 'ann', 'at', n), now()
      FROM generate_series(1, 600) n`)
    expect(await on(url, Migrator.migrate())).toMatchObject({ value: ["outbox_batches"] })
    const events = await sql<{ at: string }>(`
      SELECT event ->> 'at' AS at FROM boxoffice.outbox_event
      WHERE aggregate_id = 'ann' ORDER BY batch_id, position`)
    expect(events.map(({ at }) => Number(at))).toEqual(Array.from({ length: 600 }, (_, i) => i + 1))
    expect(await sql("SELECT count(*) FROM boxoffice.outbox")).toEqual([{ count: 3n }])
    // Visible to whoever looks from now on, whichever transactions wrote them.
    expect(
      await sql(`SELECT FROM boxoffice.outbox
        WHERE NOT pg_visible_in_snapshot(xid, pg_current_snapshot())`)
    ).toEqual([])
  })

  test.each([
    "",
    "A",
    "1a",
    'x"; DROP SCHEMA public; --',
    "pg_x",
    "information_schema",
    "a".repeat(64)
  ])("%j cannot name a schema", (name) =>
    expect(() => schemaName(name)).toThrow(/cannot name the schema/)
  )
})
