import { PgClient } from "@effect/sql-pg"
import { Clock, Effect, type Layer, Redacted } from "effect"
import { describe, expect, test } from "vitest"
import { Doctor, Migrator } from "../src/index.ts"
import { embedded } from "../src/migrator/embedded.ts"
import { layerPglite } from "../src/pglite.ts"
import { emptyDatabase, openSql } from "./support.ts"

const client = (url: string): Layer.Layer<PgClient.PgClient, unknown> =>
  PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })

/** The test server's user is a superuser, which is worth a warning every time. */
const findingsOn = async (url: string, options: Doctor.DoctorOptions = {}) => {
  const report = await Effect.runPromise(Effect.provide(Doctor.examine(options), client(url)))
  return report.findings.filter(({ code }) => code !== "role_too_mighty")
}

const migrated = async (schema?: string) => {
  const url = await emptyDatabase()
  await Effect.runPromise(Effect.provide(Migrator.migrate({ schema }), client(url)))
  return { url, sql: openSql(url) }
}

describe("the schema", { timeout: 60_000 }, () => {
  // The last is a word of SQL, and has to be quoted.
  test.each(["boxoffice", "tickets", "user"])("%s, just migrated, is healthy", async (schema) => {
    const { url } = await migrated(schema)
    expect(await findingsOn(url, { schema })).toEqual([])
  })

  test("is healthy in process, too", async () => {
    const report = await Effect.runPromise(
      Effect.andThen(Migrator.migrate(), Doctor.examine()).pipe(Effect.provide(layerPglite()))
    )
    // PGlite does not sync, and has one user with all rights.
    expect(report.findings.filter(({ subject }) => !/^(role|setting)/.test(subject))).toEqual([])
  })

  test("leaves nothing of its own behind", async () => {
    const { url, sql } = await migrated()
    await findingsOn(url)
    expect(await sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%doctor%'")).toEqual([])
  })

  test("that is missing, or newer, is reported", async () => {
    const url = await emptyDatabase()
    expect(await findingsOn(url)).toMatchObject([{ level: "problem", code: "schema_missing" }])
    const { url: other, sql } = await migrated()
    await sql("INSERT INTO boxoffice.migration (version, name) VALUES (99, 'later')")
    expect(await findingsOn(other)).toMatchObject([{ code: "schema_newer" }])
  })

  test("whose record differs from the files is reported", async () => {
    const { url, sql } = await migrated()
    await sql("UPDATE boxoffice.migration SET checksum = 'edited' WHERE version = 1")
    expect(await findingsOn(url)).toMatchObject([
      { level: "problem", code: "migration_edited", subject: "migration 0001_schema.sql" }
    ])
    // A migration applied before checksums were kept has none, so it is not reported.
    await sql("UPDATE boxoffice.migration SET checksum = NULL WHERE version = 1")
    expect(await findingsOn(url)).toEqual([])
  })

  type Drift = readonly [code: string, subject: string, breaks: string, message: RegExp]
  const drifts: ReadonlyArray<Drift> = [
    [
      "column_missing",
      "column title of show",
      "ALTER TABLE boxoffice.show DROP COLUMN title",
      /missing/
    ],
    [
      "column_changed",
      "column title of show",
      "ALTER TABLE boxoffice.show ALTER COLUMN title TYPE varchar(20)",
      /expected: title text .*NOT NULL\nfound: +title character varying\(20\)/
    ],
    [
      "column_changed",
      "column changes of seat",
      "ALTER TABLE boxoffice.seat ALTER COLUMN changes DROP DEFAULT",
      /DEFAULT 1/
    ],
    [
      "column_changed",
      "column title of show",
      "ALTER TABLE boxoffice.show ALTER COLUMN title DROP NOT NULL",
      /NOT NULL/
    ],
    [
      "column_changed",
      "column user_id of queue_token",
      `ALTER TABLE boxoffice.queue_token ALTER COLUMN user_id TYPE text COLLATE "default"`,
      /COLLATE/
    ],
    [
      "column_unexpected",
      "column note of seat",
      "ALTER TABLE boxoffice.seat ADD note text",
      /none of/
    ],
    [
      "constraint_missing",
      "constraint wallet_not_negative of wallet",
      "ALTER TABLE boxoffice.wallet DROP CONSTRAINT wallet_not_negative",
      /missing/
    ],
    [
      "constraint_changed",
      "constraint wallet_not_negative of wallet",
      `ALTER TABLE boxoffice.wallet DROP CONSTRAINT wallet_not_negative,
        ADD CONSTRAINT wallet_not_negative CHECK (balance >= -100)`,
      /expected: .*balance >= 0[\s\S]*found: .*-100/
    ],
    [
      "constraint_not_valid",
      "constraint wallet_not_negative of wallet",
      `ALTER TABLE boxoffice.wallet DROP CONSTRAINT wallet_not_negative,
        ADD CONSTRAINT wallet_not_negative CHECK (balance >= 0) NOT VALID`,
      /never checked/
    ],
    [
      "constraint_changed",
      "constraint wallet_is_what_the_ledger_says of wallet",
      "ALTER TABLE boxoffice.wallet ALTER CONSTRAINT wallet_is_what_the_ledger_says NOT DEFERRABLE",
      /DEFERRABLE/
    ],
    [
      "constraint_unexpected",
      "constraint polite of show",
      "ALTER TABLE boxoffice.show ADD CONSTRAINT polite CHECK (title <> '')",
      /refuse/
    ],
    [
      "index_missing",
      "index reservation_by_user of reservation",
      "DROP INDEX boxoffice.reservation_by_user",
      /missing/
    ],
    [
      "index_changed",
      "index queue_token_live_once of queue_token",
      `DROP INDEX boxoffice.queue_token_live_once;
       CREATE INDEX queue_token_live_once ON boxoffice.queue_token (queue_id, user_id)`,
      /expected: CREATE UNIQUE INDEX/
    ],
    [
      "index_invalid",
      "index reservation_by_user of reservation",
      `UPDATE pg_index SET indisvalid = false
       WHERE indexrelid = 'boxoffice.reservation_by_user'::regclass`,
      /half-way/
    ],
    [
      "index_unexpected",
      "index mine of seat",
      "CREATE INDEX mine ON boxoffice.seat (price)",
      /pays/
    ],
    [
      "trigger_missing",
      "trigger transfer_is_append_only of transfer",
      "DROP TRIGGER transfer_is_append_only ON boxoffice.transfer",
      /missing/
    ],
    [
      "trigger_disabled",
      "trigger transfer_is_append_only of transfer",
      "ALTER TABLE boxoffice.transfer DISABLE TRIGGER transfer_is_append_only",
      /let through/
    ],
    [
      "function_changed",
      "function refuse_ledger_change()",
      `CREATE OR REPLACE FUNCTION boxoffice.refuse_ledger_change() RETURNS trigger
       LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`,
      /RAISE EXCEPTION/
    ],
    ["view_missing", "view ledger_entry", "DROP VIEW boxoffice.ledger_entry", /missing/],
    ["table_missing", "table outbox", "DROP TABLE boxoffice.outbox CASCADE", /missing/],
    ["table_unexpected", "table mine", "CREATE TABLE boxoffice.mine (id integer)", /none of ours/],
    [
      "table_changed",
      "table show",
      "ALTER TABLE boxoffice.show ENABLE ROW LEVEL SECURITY",
      /ROW LEVEL/
    ],
    [
      "storage_changed",
      "storage settings of seat",
      "ALTER TABLE boxoffice.seat SET (fillfactor = 100)",
      /fillfactor=100/
    ]
  ]

  test.each(drifts)("%s: %s", async (code, subject, breaks, message) => {
    const { url, sql } = await migrated()
    for (const statement of breaks.split(/;\n/)) await sql(statement)
    const findings = await findingsOn(url)
    const finding = findings.find((one) => one.code === code)
    expect(finding).toMatchObject({ subject, message: expect.stringMatching(message) })
    expect(finding!.remedy).not.toBe("")
    if (finding!.sql === undefined) return
    // The statement that the finding gives repairs it.
    for (const statement of finding!.sql.split(/;\n(?=ALTER|CREATE)/)) await sql(statement)
    expect(await findingsOn(url)).toEqual([])
  })

  test("that is behind is compared with the migrations up to its version", async () => {
    const { url, sql } = await migrated()
    await sql("DELETE FROM boxoffice.migration WHERE version > 1")
    const codes = (await findingsOn(url)).map(({ code }) => code)
    if (embedded.length > 1) expect(codes).toContain("schema_behind")
    else expect(codes).toEqual([])
  })
})

describe("the server", { timeout: 60_000 }, () => {
  test.each([
    ["default_transaction_isolation", "serializable", "note"],
    ["synchronous_commit", "off", "problem"],
    ["statement_timeout", "500", "warning"],
    ["default_transaction_read_only", "on", "problem"]
  ] as const)("%s = %s is a %s", async (name, value, level) => {
    const { url, sql } = await migrated()
    const database = new URL(url).pathname.slice(1)
    await sql(`ALTER DATABASE ${database} SET ${name} = '${value}'`)
    expect(await findingsOn(url)).toContainEqual(
      expect.objectContaining({ level, code: `setting_${name}` })
    )
  })

  test("whose clock differs is reported", async () => {
    const { url } = await migrated()
    const report = await Effect.clockWith((clock) =>
      Doctor.examine().pipe(
        Effect.provideService(
          Clock.Clock,
          // Its methods are its prototype's.
          Object.assign(Object.create(clock), {
            currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + 300_000)
          })
        )
      )
    ).pipe(Effect.provide(client(url)), Effect.runPromise)
    expect(report.findings).toContainEqual(
      expect.objectContaining({
        code: "clock_skew",
        message: expect.stringMatching(/ (299|300)\.\d s away/)
      })
    )
  })
})
