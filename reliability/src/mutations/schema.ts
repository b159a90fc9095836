/**
 * The guards of the schema: its constraints, triggers and unique indexes, as the catalogue of a
 * migrated database has them. Released migrations do not change, so their guards have no comments;
 * `packages/sql-store/test/schemaGuards.ts` says which test proves each.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Migrator } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import {
  schemaGuards as killedBy,
  notMutated
} from "../../../packages/sql-store/test/schemaGuards.ts"
import { createTestDatabase } from "../../../test-support/database.ts"
import { GuardInvalid, type KillingTest, root } from "./guards.ts"

export interface SchemaGuard {
  readonly name: string
  /** The statement that removes it; `{{schema}}` stands for the schema. */
  readonly drop: string
  readonly killedBy: KillingTest
}

/** Every guard that the schema has now. NOT NULL is left out: it belongs to its column. */
const catalogue = `
  SELECT conname AS name,
    format('ALTER TABLE {{schema}}.%I DROP CONSTRAINT %I CASCADE', c.relname, conname) AS drop
  FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
  WHERE connamespace = 'boxoffice'::regnamespace AND contype IN ('c', 'f', 'p', 'u', 'x')
  UNION ALL
  SELECT tgname, format('DROP TRIGGER %I ON {{schema}}.%I', tgname, c.relname)
  FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
  WHERE c.relnamespace = 'boxoffice'::regnamespace AND NOT tgisinternal
  UNION ALL
  SELECT c.relname, format('DROP INDEX {{schema}}.%I', c.relname)
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid
  WHERE c.relnamespace = 'boxoffice'::regnamespace AND indisunique
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
  ORDER BY name`

/** Migrates an empty database and reads its catalogue. */
const readSchema = async (
  serverUrl: string
): Promise<ReadonlyArray<{ readonly name: string; readonly drop: string }>> => {
  const database = await createTestDatabase(serverUrl)
  try {
    const read = Effect.andThen(
      Migrator.migrate(),
      PgClient.PgClient.use((sql) => sql.unsafe<{ name: string; drop: string }>(catalogue))
    )
    return await Effect.runPromise(Effect.provide(read, Migrator.layerUrl(database.url)))
  } finally {
    await database.drop()
  }
}

/** Each guard of the schema with its killing test. Refuses a guard without one. */
export const readSchemaGuards = async (serverUrl: string): Promise<ReadonlyArray<SchemaGuard>> => {
  const found = await readSchema(serverUrl)
  const tests = new Map(
    Object.entries(killedBy).flatMap(([title, names]) =>
      names.map((name) => [name, { file: testFile, title }] as const)
    )
  )
  const names = new Set(found.map(({ name }) => name))
  const unknown = [...tests.keys(), ...Object.keys(notMutated)].filter((name) => !names.has(name))
  const missing = [...names].filter((name) => !tests.has(name) && !(name in notMutated))
  if (unknown.length > 0) throw new GuardInvalid(`the schema has no ${unknown.join(", ")}`)
  if (missing.length > 0) {
    throw new GuardInvalid(`schemaGuards.ts names no killing test of ${missing.join(", ")}`)
  }
  return found.flatMap((guard) => {
    const killedBy = tests.get(guard.name)
    return killedBy === undefined ? [] : [{ ...guard, killedBy }]
  })
}

const testFile = "packages/sql-store/test/constraints.test.ts"
const embeddedFile = "packages/sql-store/src/migrator/embedded.ts"

/** The module of the migrations, whose last one ends with the statement. */
export const withoutGuard = ({ drop }: Pick<SchemaGuard, "drop">) => {
  const embedded = readFileSync(join(root, embeddedFile), "utf8")
  const end = embedded.lastIndexOf("`\n  }\n]")
  if (end < 0) throw new GuardInvalid(`${embeddedFile} ends in another way`)
  return { file: embeddedFile, source: `${embedded.slice(0, end)}${drop};\n${embedded.slice(end)}` }
}
