/**
 * Brings a schema to the version that this package knows, from the numbered files of
 * `migrations/`. Nothing here runs unasked: by default a store only looks, and says what is amiss.
 */
import { readdirSync, readFileSync } from "node:fs"
import { PgClient } from "@effect/sql-pg"
import { Effect, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { type SchemaName, schemaName } from "./schemaName.ts"

/** The schema is not at the version that this package knows. */
export class SchemaMismatch extends Schema.TaggedError<SchemaMismatch>()("SchemaMismatch", {
  schema: Schema.String,
  /** 0 where there is nothing yet. */
  found: Schema.Int,
  expected: Schema.Int
}) {
  override get message() {
    const at = `Schema ${this.schema} is at version ${this.found}, and this package knows ${this.expected}`
    return this.found > this.expected
      ? `${at}: it was migrated by a newer @boxoffice/sql-store. Update the package.`
      : `${at}: migrate it, by Migrator.migrate or SqlStore.layer({ migrate: true }).`
  }
}

export interface MigratorOptions {
  /** The schema that holds the tables: 1 to 63 of `a-z 0-9 _`. Default `boxoffice`. */
  readonly schema?: string | undefined
}

interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

// Beside src/ as well as beside dist/.
const directory = new URL("../migrations/", import.meta.url)

const readMigrations = (): ReadonlyArray<Migration> =>
  readdirSync(directory)
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .sort()
    .map((file) => ({
      version: Number(file.slice(0, 4)),
      name: file.slice(5, -4),
      sql: readFileSync(new URL(file, directory), "utf8")
    }))

/** The statements of a migration as one, for the schema. */
const statementOf = ({ sql }: Migration, schema: SchemaName): string =>
  `DO $boxoffice_migration$ BEGIN\n${sql.replaceAll("{{schema}}", schema)}\nEND $boxoffice_migration$`

/** The version a schema is at; 0 where there is nothing yet. */
const currentVersion = (
  sql: PgClient.PgClient,
  schema: SchemaName
): Effect.Effect<number, SqlError> =>
  Effect.gen(function* () {
    const [exists] = yield* sql<{ found: boolean }>`
      SELECT to_regclass(${`${schema}.migration`}) IS NOT NULL AS found`
    if (!exists!.found) return 0
    const [newest] = yield* sql<{ version: number }>`
      SELECT coalesce(max(version), 0)::int4 AS version FROM ${sql.literal(schema)}.migration`
    return newest!.version
  })

/** What would be run to bring the schema up to date, without running it. */
export const plan = (
  options: MigratorOptions = {}
): Effect.Effect<ReadonlyArray<string>, SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const schema = schemaName(options.schema ?? "boxoffice")
    const version = yield* currentVersion(yield* PgClient.PgClient, schema)
    return readMigrations()
      .filter((migration) => migration.version > version)
      .map((migration) => statementOf(migration, schema))
  })

/** Fails unless the schema is exactly at the version that this package knows. */
export const verify = (
  options: MigratorOptions = {}
): Effect.Effect<void, SchemaMismatch | SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const schema = schemaName(options.schema ?? "boxoffice")
    const found = yield* currentVersion(yield* PgClient.PgClient, schema)
    const expected = readMigrations().at(-1)!.version
    if (found !== expected) return yield* new SchemaMismatch({ schema, found, expected })
  })

/**
 * Applies what is missing, in order and in one transaction: all of it, or nothing. Succeeds with
 * the names of what was applied. Any number of nodes may do so at once: one works, the others
 * wait for it and find nothing left to do. Refuses a schema that is newer.
 */
export const migrate = (
  options: MigratorOptions = {}
): Effect.Effect<ReadonlyArray<string>, SchemaMismatch | SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const schema = schemaName(options.schema ?? "boxoffice")
    const sql = yield* PgClient.PgClient
    return yield* sql.withTransaction(apply(sql, schema))
  })

const apply = (sql: PgClient.PgClient, schema: SchemaName) =>
  Effect.gen(function* () {
    const migrations = readMigrations()
    // The lock is waited for in a statement of its own: the next one sees what it was held for.
    yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${`boxoffice migrate ${schema}`}, 0))`
    const found = yield* currentVersion(sql, schema)
    const expected = migrations.at(-1)!.version
    if (found > expected) return yield* new SchemaMismatch({ schema, found, expected })
    if (found === 0) yield* createBookkeeping(sql, schema)
    const missing = migrations.filter((migration) => migration.version > found)
    for (const migration of missing) {
      yield* sql.unsafe(statementOf(migration, schema))
      yield* sql`
        INSERT INTO ${sql.literal(schema)}.migration (version, name)
        VALUES (${migration.version}, ${migration.name})`
    }
    return missing.map((migration) => migration.name)
  })

const createBookkeeping = (sql: PgClient.PgClient, schema: SchemaName) =>
  Effect.gen(function* () {
    // Asked first: CREATE SCHEMA wants a right on the database even where the schema exists.
    const [exists] = yield* sql<{ found: boolean }>`
      SELECT to_regnamespace(${schema}) IS NOT NULL AS found`
    if (!exists!.found) yield* sql.unsafe(`CREATE SCHEMA ${schema}`)
    yield* sql.unsafe(`
      CREATE TABLE ${schema}.migration (
        version integer CONSTRAINT migration_pkey PRIMARY KEY,
        name text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
      )`)
  })
