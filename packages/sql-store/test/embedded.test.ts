import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { PGlite } from "@electric-sql/pglite"
import { expect, test } from "vitest"

// The package carries its migrations as a module, so that bundlers take them along. After a change
// in migrations/ this test writes it again: `npx pnpm@12 test packages/sql-store/test/embedded -u`.

const directory = new URL("../migrations/", import.meta.url)

/**
 * The existing tables that a transaction has locked, beyond what reading and writing rows takes.
 */
const locksHeld = `
  SELECT name AS table, l.mode,
    -- Of what has its name now: a table may be replaced by another one.
    coalesce(was <> pg_relation_filenode(to_regclass('scratch.' || name)), false) AS rewrites
  FROM pg_locks l JOIN before f ON f.oid = l.relation
  WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.mode IN ('ShareLock',
    'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  ORDER BY name, array_position(ARRAY['AccessExclusiveLock', 'ExclusiveLock',
    'ShareRowExclusiveLock', 'ShareLock', 'ShareUpdateExclusiveLock'], l.mode)`

const template = (text: string) => `\`${text.replaceAll(/[\\`]|\$\{/g, "\\$&")}\``

test("the migrations are embedded as they stand", { timeout: 60_000 }, async () => {
  const db = await PGlite.create()
  await db.exec("CREATE SCHEMA scratch")
  const entries: Array<string> = []
  for (const file of readdirSync(directory).sort()) {
    const [, version, name] = file.match(/^(\d{4})_([a-z_]+)\.sql$/)!
    const sql = readFileSync(new URL(file, directory), "utf8")
    // Numbered without a gap.
    expect(Number(version)).toBe(entries.length + 1)
    await db.exec(`BEGIN;
      CREATE TEMP TABLE before ON COMMIT DROP AS
        SELECT oid, relname::text AS name, pg_relation_filenode(oid) AS was FROM pg_class
        WHERE relnamespace = 'scratch'::regnamespace AND relkind IN ('r', 'p')`)
    await db.exec(sql.replaceAll("{{schema}}", "scratch"))
    const { rows } = await db.query<{ table: string; mode: string; rewrites: boolean }>(locksHeld)
    await db.exec("COMMIT")
    // Of several on one table, the strongest.
    const locks = rows
      .filter(({ table }, i) => rows.findIndex((row) => row.table === table) === i)
      .map(
        (row) => `      { table: "${row.table}", mode: "${row.mode}", rewrites: ${row.rewrites} }`
      )
    entries.push(`  {
    version: ${entries.length + 1},
    name: "${name}",
    checksum: "${createHash("sha256").update(sql).digest("hex")}",
    locks: [${locks.length === 0 ? "" : `\n${locks.join(",\n")}\n    `}],
    sql: ${template(sql)}
  }`)
  }
  await db.close()
  const module = `// Written by test/embedded.test.ts from migrations/: change those instead.
import type { Migration } from "./steps.ts"

export const embedded: ReadonlyArray<Migration> = [
${entries.join(",\n")}
]
`
  await expect(module).toMatchFileSnapshot("../src/migrator/embedded.ts")
})
