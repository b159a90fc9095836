import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { PGlite } from "@electric-sql/pglite"
import { Effect, Exit, Redacted } from "effect"
import pg from "pg"
import postgres from "postgres"
import { describe, expect, test } from "vitest"
import { Doctor, Host, Migrator, migrate, SqlStore } from "../src/index.ts"
import { asOneStatement, head, migrations, nothingYet, stepsOf } from "../src/migrator/steps.ts"
import { layerPglite } from "../src/pglite.ts"
import { schemaName } from "../src/schemaName.ts"
import { addQueue, atEnd, emptyDatabase, openSql, openStore } from "./support.ts"

const names = migrations.map(({ name }) => name)

const on = <A, E>(url: string, effect: Effect.Effect<A, E, PgClient.PgClient>) =>
  Effect.runPromiseExit(
    Effect.provide(effect, PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
  )

const errorOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && exit.cause.reasons[0]?._tag === "Fail"
    ? exit.cause.reasons[0].error
    : exit

/** Applies the first migrations alone. */
const migrateTo = async (url: string, version: number) => {
  const sql = openSql(url)
  const steps = stepsOf(schemaName("boxoffice"), nothingYet, { to: version })
  for (const step of steps) await sql(asOneStatement(step))
  return sql
}

describe("Migrator", { timeout: 60_000 }, () => {
  test("an empty database is migrated, and migrating again does nothing", async () => {
    const url = await emptyDatabase()
    expect(await on(url, Migrator.migrate())).toMatchObject({ value: names })
    expect(await on(url, Migrator.migrate())).toMatchObject({ value: [] })
    expect(Exit.isSuccess(await on(url, Migrator.verify()))).toBe(true)
  })

  test("the pools of a host, and a URL, migrate with promises", async () => {
    const url = await emptyDatabase()
    const pool = new pg.Pool({ connectionString: url })
    const sql = postgres(url, { max: 2, onnotice: () => {} })
    const steps: Array<string> = []
    const options = { onStep: (title: string) => void steps.push(title) }
    const applied = await Promise.all([
      migrate(pool, options),
      migrate(Host.postgresJs(sql as Host.PostgresJs), options),
      migrate(url, options)
    ])
    expect(applied.filter((names) => names.length > 0)).toEqual([names])
    expect(steps).toContain("0001_schema.sql")
    expect(Exit.isSuccess(await on(url, Migrator.verify()))).toBe(true)

    // A table in use, and then a newer schema: the same errors as with Effect, whatever the pool
    // wraps them in.
    const other = await pool.connect()
    await pool.query("ALTER TABLE boxoffice.migration DROP COLUMN checksum")
    await other.query("BEGIN")
    await other.query("SELECT FROM boxoffice.migration")
    const blocked = migrate(pool, { lockTimeoutSeconds: 0.05 })
    await expect(blocked).rejects.toMatchObject({ _tag: "MigrationBlocked" })
    await other.query("ROLLBACK")
    other.release()
    expect(await migrate(pool)).toEqual([])
    await pool.query("INSERT INTO boxoffice.migration VALUES ($1, 'of tomorrow')", [head + 1])
    await expect(migrate(pool)).rejects.toMatchObject({ _tag: "SchemaMismatch", found: head + 1 })
    for (const database of [{}, undefined, "pglit"]) {
      await expect(migrate(database as never)).rejects.toMatchObject({ _tag: "DatabaseInvalid" })
    }
    await pool.end()
    await sql.end()
  })

  test("nodes that start at once migrate it once", async () => {
    const url = await emptyDatabase()
    const exits = await Promise.all(Array.from({ length: 5 }, () => on(url, Migrator.migrate())))
    const applied = exits.map((exit) => (Exit.isSuccess(exit) ? exit.value.length : exit))
    expect(applied.sort()).toEqual([0, 0, 0, 0, names.length])
  })

  test("a store does not start on a database that was not migrated, and leaves it alone", async () => {
    const url = await emptyDatabase()
    await expect(openStore(SqlStore.layerUrl({ url }))).rejects.toMatchObject({
      _tag: "SchemaMismatch",
      found: 0,
      expected: head,
      message: expect.stringContaining("npx --package @boxoffice/http-server boxoffice migrate")
    })
    const sql = openSql(url)
    expect(await sql("SELECT to_regnamespace('boxoffice') AS schema")).toEqual([{ schema: null }])
  })

  test("a database that cannot hold every name is refused, by its name", async () => {
    const url = await emptyDatabase()
    const sql = openSql(url)
    const database = `${new URL(url).pathname.slice(1)}_latin`
    await sql(
      `CREATE DATABASE ${database} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`
    )
    atEnd(() => sql(`DROP DATABASE ${database} WITH (FORCE)`))
    const latin = url.replace(/[^/]+$/, database)
    const refused = {
      _tag: "EncodingUnsupported",
      database,
      message: expect.stringMatching(`${database} is encoded in LATIN1.*ENCODING 'UTF8'`)
    }
    expect(errorOf(await on(latin, Migrator.verify()))).toMatchObject(refused)
    expect(errorOf(await on(latin, Migrator.migrate()))).toMatchObject(refused)
    for (const migrate of [true, false]) {
      const opening = openStore(SqlStore.layerUrl({ url: latin, migrate }))
      await expect(opening).rejects.toMatchObject(refused)
    }
  })

  test("a newer schema is refused by verify, migrate and the store", async () => {
    const url = await emptyDatabase()
    await on(url, Migrator.migrate())
    await openSql(url)("INSERT INTO boxoffice.migration (version, name) VALUES (99, 'later')")
    const newer = { _tag: "SchemaMismatch", found: 99, message: expect.stringContaining("newer") }
    expect(errorOf(await on(url, Migrator.verify()))).toMatchObject(newer)
    expect(errorOf(await on(url, Migrator.migrate()))).toMatchObject(newer)
    expect(errorOf(await on(url, Migrator.plan()))).toMatchObject(newer)
    await expect(openStore(SqlStore.layerUrl({ url }))).rejects.toMatchObject(newer)
  })

  test("two schemas of one database are two stores, whatever the search_path", async () => {
    const url = await emptyDatabase()
    const path = new URL(url)
    path.searchParams.set("options", "-c search_path=pg_catalog")
    const one = await openStore(SqlStore.layerUrl({ url: path.href, schema: "one", migrate: true }))
    const two = await openStore(SqlStore.layerUrl({ url: path.href, schema: "two", migrate: true }))
    const settings = {
      maxActive: 1,
      admitPerMinute: 1,
      claimSeconds: 1,
      sessionSeconds: 1,
      prioritySharePercent: 50,
      absenceSeconds: 300
    }
    await addQueue(one, "q" as never, settings)
    expect(await one.run(one.store.queue("q" as never))).toBeDefined()
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
    expect(await on(url, Migrator.migrate())).toMatchObject({ value: names.slice(1) })
    const events = await sql<{ at: string }>(`
      SELECT event ->> 'at' AS at FROM boxoffice.outbox_event
      WHERE aggregate_id = 'ann' ORDER BY batch_id, position`)
    expect(events.map(({ at }) => Number(at))).toEqual(Array.from({ length: 600 }, (_, i) => i + 1))
    expect(await sql("SELECT count(*) FROM boxoffice.outbox")).toEqual([{ count: 3n }])
    // Visible to every snapshot from now on, whichever transactions wrote them.
    expect(
      await sql(`SELECT FROM boxoffice.outbox
        WHERE NOT pg_visible_in_snapshot(xid, pg_current_snapshot())`)
    ).toEqual([])
  })

  test("a table in use for too long changes nothing, and is reported", async () => {
    const url = await emptyDatabase()
    await on(url, Migrator.migrate())
    const holder = openSql(url)
    // As it was before checksums were kept: to migrate is to alter this table.
    await holder("ALTER TABLE boxoffice.migration DROP COLUMN checksum")
    await holder("BEGIN")
    await holder("SELECT * FROM boxoffice.migration")
    expect(errorOf(await on(url, Migrator.migrate({ lockTimeoutSeconds: 0.05 })))).toMatchObject({
      _tag: "MigrationBlocked",
      message: expect.stringMatching(/left as it was: .* waited 0.05 seconds.*pg_blocking_pids/)
    })
    await holder("COMMIT")
    expect(await on(url, Migrator.migrate())).toMatchObject({ value: [] })
    const columns = "SELECT name, checksum FROM boxoffice.migration ORDER BY version"
    // What was applied before is not known.
    expect(await holder(columns)).toEqual(names.map((name) => ({ name, checksum: null })))
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

describe("plan", { timeout: 60_000 }, () => {
  test("shows the steps, and changes nothing", async () => {
    const url = await emptyDatabase()
    const planned = await on(url, Migrator.plan({ schema: "tickets", appRole: 'the "app"' }))
    expect(planned).toMatchObject({
      value: { schema: "tickets", from: 0, to: head, isEmpty: false }
    })
    const { sql, migrations: files } = Exit.isSuccess(planned) ? planned.value : expect.fail()
    expect(files[0]).toEqual({ file: "0001_schema.sql", locks: [] })
    expect(sql).toContain('CREATE SCHEMA "tickets";')
    expect(sql).toContain('GRANT USAGE ON SCHEMA "tickets" TO "the ""app""";')
    expect(sql).not.toContain("{{schema}}")
    expect(await openSql(url)("SELECT to_regnamespace('tickets') AS schema")).toEqual([
      { schema: null }
    ])
  })

  test("is empty if nothing is left to do, and starts at the schema's version", async () => {
    const url = await emptyDatabase()
    await on(url, Migrator.migrate())
    expect(await on(url, Migrator.plan())).toMatchObject({
      value: { from: head, isEmpty: true, migrations: [], sql: expect.stringMatching(/nothing/) }
    })
    await openSql(url)("ALTER TABLE boxoffice.migration DROP COLUMN checksum")
    expect(await on(url, Migrator.plan())).toMatchObject({
      value: { from: head, isEmpty: false, sql: expect.stringMatching(/ADD COLUMN checksum/) }
    })
  })

  test("runs as a script, and makes the same schema as migrate", async () => {
    const directory = mkdtempSync(join(tmpdir(), "boxoffice-plan-"))
    try {
      const database = await PGlite.create({ dataDir: directory })
      await database.exec(Migrator.planFromNothing({ schema: "tickets" }).sql)
      await database.close()
      const report = await Effect.runPromise(
        Doctor.examine({ schema: "tickets" }).pipe(
          Effect.provide(layerPglite({ dataDir: directory }))
        )
      )
      expect(report.version).toBe(head)
      expect(report.findings.filter(({ subject }) => !/^(role|setting)/.test(subject))).toEqual([])
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })

  const hasPsql = spawnSync("psql", ["--version"]).status === 0

  test.runIf(hasPsql)("is piped to psql; a second time it is refused as a whole", async () => {
    const url = await emptyDatabase()
    const script = Migrator.planFromNothing().sql
    const psql = () =>
      spawnSync("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", url], {
        input: script,
        encoding: "utf8"
      })
    expect(psql()).toMatchObject({ status: 0, stderr: "" })
    expect(Exit.isSuccess(await on(url, Migrator.verify()))).toBe(true)
    expect(psql()).toMatchObject({ status: 3, stderr: expect.stringContaining("already exists") })
    expect(Exit.isSuccess(await on(url, Migrator.verify()))).toBe(true)
  })
})
