/**
 * What a dump and its restore do to a schema: Postgres parses the text that it has itself written.
 */
import { execFile } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { describe, expect, test } from "vitest"
import { Doctor, Migrator } from "../src/index.ts"
import { atEnd, emptyDatabase, openSql, type Sql } from "./support.ts"

const run = promisify(execFile)

const client = (url: string) => PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
const migrated = async () => {
  const url = await emptyDatabase()
  await Effect.runPromise(Effect.provide(Migrator.migrate(), client(url)))
  return url
}
/**
 * Findings on the schema alone: the test server has settings, and a superuser, that are reported
 * every time.
 */
const findingsOn = async (url: string) => {
  const report = await Effect.runPromise(Effect.provide(Doctor.examine(), client(url)))
  return report.findings.filter(({ code }) => !/^(role|setting)_/.test(code))
}

/** Directories with the programs of Postgres, the newest first. */
const directories = () => {
  const packaged = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql") : []
  return [
    ...packaged
      .toSorted((a, b) => Number(b) - Number(a))
      .map((v) => `/usr/lib/postgresql/${v}/bin`),
    ...(process.env.PATH ?? "").split(delimiter)
  ].filter((directory) => existsSync(join(directory, "pg_dump")))
}

/** Programs that can dump this server: `pg_dump` refuses one that is newer than itself. */
const programsFor = async (sql: Sql) => {
  const [server] = await sql<{ major: number }>(
    "SELECT current_setting('server_version_num')::int4 / 10000 AS major"
  )
  for (const directory of directories()) {
    const { stdout } = await run(join(directory, "pg_dump"), ["--version"])
    if (Number(/(\d+)/.exec(stdout)?.[1]) >= server!.major) {
      return (name: string, ...args: ReadonlyArray<string>) => run(join(directory, name), [...args])
    }
  }
  return undefined
}

/**
 * What a restore does to everything that holds an expression, on any server: parse the text that
 * the server has written.
 */
const parseAgain = `
  DO $$
  DECLARE thing record;
  BEGIN
    SET LOCAL search_path = pg_catalog;
    FOR thing IN
      SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %3$s',
        conrelid::regclass, conname, pg_get_constraintdef(oid)) AS remake
      FROM pg_constraint WHERE connamespace = 'boxoffice'::regnamespace AND contype = 'c'
      UNION ALL
      SELECT format('DROP INDEX %s; %s', indexrelid::regclass, pg_get_indexdef(indexrelid))
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
      WHERE relnamespace = 'boxoffice'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
      UNION ALL
      SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'boxoffice'::regnamespace
      UNION ALL
      SELECT format('CREATE OR REPLACE VIEW %s AS %s', oid::regclass, pg_get_viewdef(oid))
      FROM pg_class WHERE relnamespace = 'boxoffice'::regnamespace AND relkind = 'v'
      UNION ALL
      SELECT format('DROP TRIGGER %I ON %s; %s', tgname, tgrelid::regclass,
        pg_get_triggerdef(pg_trigger.oid))
      FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      WHERE relnamespace = 'boxoffice'::regnamespace AND NOT tgisinternal
    LOOP
      EXECUTE thing.remake;
    END LOOP;
  END $$`

describe("a restored database is healthy", () => {
  test("as Postgres parses what it has written, and once more", async () => {
    const url = await migrated()
    const sql = openSql(url)
    for (const _ of ["first", "second"]) {
      await sql(parseAgain)
      expect(await findingsOn(url)).toEqual([])
    }
  })

  test("and its changes are reported, as for any other database", async () => {
    const url = await migrated()
    const sql = openSql(url)
    await sql(parseAgain)
    await sql("ALTER TABLE boxoffice.seat DISABLE TRIGGER seat_sold_owner_is_final")
    await sql(`ALTER TABLE boxoffice.queue DROP CONSTRAINT queue_cursor_in_line,
      ADD CONSTRAINT queue_cursor_in_line CHECK (cursor >= 0 AND cursor <= next_number - 1)`)
    const findings = await findingsOn(url)
    expect(findings.map(({ code, subject }) => [code, subject])).toEqual([
      ["constraint_changed", "constraint queue_cursor_in_line of queue"],
      ["trigger_disabled", "trigger seat_sold_owner_is_final of seat"]
    ])
    for (const { sql: remedy } of findings) {
      for (const statement of remedy!.split(/;\n/)) await sql(statement)
    }
    expect(await findingsOn(url)).toEqual([])
  })

  test.each(["plain", "custom"])("dumped as %s, and once more", async (format) => {
    let url = await migrated()
    const program = await programsFor(openSql(url))
    // Without such programs, the test above shows the same.
    if (program === undefined) return
    const directory = await mkdtemp(join(tmpdir(), "boxoffice-dump-"))
    atEnd(() => rm(directory, { recursive: true }))
    for (const file of ["first", "second"]) {
      const path = join(directory, file)
      await program("pg_dump", `--format=${format}`, `--file=${path}`, url)
      url = await emptyDatabase()
      const restore =
        format === "plain" ? ["psql", "-Xqv", "ON_ERROR_STOP=1", "-f"] : ["pg_restore"]
      const [name, ...args] = restore as [string, ...Array<string>]
      await program(name, ...args, path, "-d", url)
      expect(await findingsOn(url)).toEqual([])
    }
  })
})
