/** The steps that migrate a schema from one version to a later one, as SQL. */
import type { SchemaName } from "../schemaName.ts"
import { embedded } from "./embedded.ts"
import { grantStatements } from "./rights.ts"

/** A numbered file of `migrations/`. */
export interface Migration {
  readonly version: number
  readonly name: string
  /** The SHA-256 of the file. */
  readonly checksum: string
  /** The tables that it locks, of those that existed before it. */
  readonly locks: ReadonlyArray<TableLock>
  /** Its statements; `{{schema}}` stands for the quoted name of the schema. */
  readonly sql: string
}

/** A lock that is held until the migration commits. */
export interface TableLock {
  readonly table: string
  /** As Postgres names it, such as `AccessExclusiveLock`. */
  readonly mode: string
  /** Whether it rewrites every row, which takes time and space in proportion. */
  readonly rewrites: boolean
}

export const migrations: ReadonlyArray<Migration> = embedded

/** The version that this package knows. */
export const head = migrations.at(-1)!.version

/** The version of a schema, and what its record of migrations holds. */
export interface Progress {
  /** 0 if it has no tables yet. */
  readonly version: number
  readonly schemaExists: boolean
  /** Whether the record of migrations has checksums; the first versions had none. */
  readonly keepsChecksums: boolean
}

export const nothingYet: Progress = { version: 0, schemaExists: false, keepsChecksums: false }

export interface Step {
  /** The migration that this step is, or belongs to. */
  readonly migration?: Migration
  /** Its purpose, in a few words. */
  readonly title: string
  /** One statement or more, valid in a script as well as in a block of PL/pgSQL. */
  readonly sql: string
}

export const stepsOf = (
  schema: SchemaName,
  progress: Progress,
  options: { readonly to?: number | undefined; readonly appRole?: string | undefined } = {}
): ReadonlyArray<Step> => {
  const steps: Array<Step> = []
  if (progress.version === 0) {
    // Left out if the schema exists: even `IF NOT EXISTS` needs a right on the database.
    if (!progress.schemaExists) {
      steps.push({ title: "the schema", sql: `CREATE SCHEMA ${schema};` })
    }
    steps.push({ title: "the record of migrations", sql: createRecord(schema) })
  } else if (!progress.keepsChecksums) {
    steps.push({
      title: "the record of migrations keeps checksums from now on",
      sql: `ALTER TABLE ${schema}.migration ADD COLUMN checksum text;`
    })
  }
  for (const migration of migrations) {
    const { version, name, checksum, sql } = migration
    if (version <= progress.version || version > (options.to ?? head)) continue
    steps.push({
      migration,
      title: fileName(migration),
      // Recorded first: if another session has applied it meanwhile, the key refuses it before
      // anything is done.
      sql: `INSERT INTO ${schema}.migration (version, name, checksum)
  VALUES (${version}, '${name}', '${checksum}');

${sql.replaceAll("{{schema}}", schema).trim()}`
    })
  }
  if (options.appRole !== undefined) {
    const grants = grantStatements(schema, options.appRole)
    steps.push({ title: `the rights of ${options.appRole}`, sql: `${grants.join(";\n")};` })
  }
  return steps
}

const createRecord = (schema: SchemaName): string => `CREATE TABLE ${schema}.migration (
  version integer CONSTRAINT migration_pkey PRIMARY KEY,
  name text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  checksum text
);`

export const fileName = ({ version, name }: Pick<Migration, "version" | "name">): string =>
  `${String(version).padStart(4, "0")}_${name}.sql`

/** The statements of a step as a single one, since the driver sends one at a time. */
export const asOneStatement = ({ sql }: Step): string =>
  `DO $boxoffice_migration$ BEGIN\n${sql}\nEND $boxoffice_migration$`

/**
 * The key of the advisory lock that a migration of this schema holds until its transaction ends.
 */
export const lockKey = (schema: SchemaName): string =>
  `hashtextextended('boxoffice migrate ${schema}', 0)`
