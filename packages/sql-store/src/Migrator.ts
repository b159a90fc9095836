/**
 * Migrates a schema to the version that this package knows, with the numbered files of
 * `migrations/`. Nothing here runs unless asked: by default a store only verifies the schema and
 * reports what is wrong.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, type Layer, Redacted, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { scriptOf } from "./migrator/script.ts"
import {
  asOneStatement,
  fileName,
  head,
  lockKey,
  nothingYet,
  type Progress,
  stepsOf,
  type TableLock
} from "./migrator/steps.ts"
import type { Row } from "./Query.ts"
import { isSchemaName, type SchemaName, schemaName } from "./schemaName.ts"
import { sqlState } from "./sqlFailure.ts"

export { isSchemaName }

/** @internal Names the package: `npx boxoffice` would fetch another package of that name. */
export const commandLine = "npx --package @boxoffice/http-server boxoffice"

/** The schema is not at the version that this package knows. */
export class SchemaMismatch extends Schema.TaggedError<SchemaMismatch>()("SchemaMismatch", {
  schema: Schema.String,
  /** 0 if it has no tables yet. */
  found: Schema.Int,
  expected: Schema.Int
}) {
  override get message() {
    const at = `Schema ${this.schema} is at version ${this.found}, and this package knows ${this.expected}`
    return this.found > this.expected
      ? `${at}: it was migrated by a newer @boxoffice/sql-store. Update the package.`
      : `${at}: migrate it, by migrate(pool) of @boxoffice/sql-store, by Migrator.migrate, by the option \`migrate: true\`, or by \`${commandLine} migrate\`.`
  }
}

/**
 * The database's encoding cannot store every name and title. Only another database can: create one
 * with `ENCODING 'UTF8'`, and restore into it.
 */
export class EncodingUnsupported extends Schema.TaggedError<EncodingUnsupported>()(
  "EncodingUnsupported",
  { database: Schema.String, encoding: Schema.String }
) {
  override get message() {
    return (
      `The database ${this.database} is encoded in ${this.encoding}, and cannot hold every name: ` +
      "create one with ENCODING 'UTF8' TEMPLATE template0, restore into it, and use that."
    )
  }
}

/** Another session used a table that has to be changed for too long. Nothing was changed. */
export class MigrationBlocked extends Schema.TaggedError<MigrationBlocked>()("MigrationBlocked", {
  schema: Schema.String,
  /** The file, or other step, that had to wait. */
  step: Schema.String,
  lockTimeoutSeconds: Schema.Number
}) {
  override get message() {
    return (
      `Schema ${this.schema} was left as it was: ${this.step} waited ${this.lockTimeoutSeconds} ` +
      "seconds for a table that another session holds. End that session's transaction (see " +
      "pg_blocking_pids and pg_stat_activity), or allow a longer wait, and migrate again."
    )
  }
}

export interface MigratorOptions {
  /** The schema that holds the tables: 1 to 63 of `a-z 0-9 _`. Default `boxoffice`. */
  readonly schema?: string | undefined
}

export interface MigrateOptions extends MigratorOptions {
  /**
   * The role that the engine connects as, if it is not the owner. It gets exactly the rights that
   * the engine needs in this schema, and loses any other that it had in it.
   */
  readonly appRole?: string | undefined
  /**
   * How long to wait for a table that another session uses; after that, nothing is changed. Default
   * 5.
   */
  readonly lockTimeoutSeconds?: number | undefined
  /** Called before each step of {@link migrate}, with the name of its file if it is one. */
  readonly onStep?: ((title: string) => Effect.Effect<void>) | undefined
}

/** What {@link migrate} would do. */
export interface Plan {
  readonly schema: string
  /** The version of the schema; 0 if it has no tables yet. */
  readonly from: number
  readonly to: number
  readonly migrations: ReadonlyArray<{
    readonly file: string
    /** The existing tables that it locks until the end. */
    readonly locks: ReadonlyArray<TableLock>
  }>
  /** Whether anything is left to do. */
  readonly isEmpty: boolean
  /** A script for psql, or any other client: one transaction, with comments. */
  readonly sql: string
}

/**
 * A connection to the database of a URL, such as `postgres://user:password@host:5432/name`, for
 * occasional work. Statements are not prepared, so that it works through any pooler; a store built
 * on it wants them `prepared`.
 */
export const layerUrl = (
  url: string,
  options: { readonly prepared?: boolean | undefined } = {}
): Layer.Layer<PgClient.PgClient, SqlError> =>
  PgClient.layer({
    url: Redacted.make(url),
    applicationName: "boxoffice",
    maxConnections: 1,
    prepare: options.prepared ?? false
  })

const nameOf = (options: MigratorOptions): SchemaName => schemaName(options.schema ?? "boxoffice")

/** Reads the version of a schema. */
export const progressOf = (
  sql: PgClient.PgClient,
  schema: SchemaName
): Effect.Effect<Progress, SqlError> => progressBy(sessionOf(sql), schema)

/** @internal A connection inside the migration's transaction, of any driver. */
export interface Session {
  readonly read: (text: string) => Effect.Effect<ReadonlyArray<Row>, SqlError>
  readonly run: (text: string) => Effect.Effect<unknown, SqlError>
}

const sessionOf = (sql: PgClient.PgClient): Session => ({
  read: (text) => sql.unsafe(text).values,
  run: (text) => sql.unsafe(text)
})

// A schema's name is quoted and contains no apostrophe.
const progressBy = ({ read }: Session, schema: SchemaName): Effect.Effect<Progress, SqlError> =>
  Effect.gen(function* () {
    const [found] = yield* read(`
      SELECT to_regnamespace('${schema}') IS NOT NULL,
        to_regclass('${schema}.migration') IS NOT NULL,
        EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('${schema}.migration')
          AND attname = 'checksum' AND NOT attisdropped)`)
    const [schemaExists, hasRecord, keepsChecksums] = found!
    if (!hasRecord) return { version: 0, schemaExists, keepsChecksums }
    const [newest] = yield* read(`SELECT coalesce(max(version), 0)::int4 FROM ${schema}.migration`)
    return { version: newest![0], schemaExists, keepsChecksums }
  })

const checkEncoding = ({ read }: Session) =>
  Effect.gen(function* () {
    const [found] = yield* read("SELECT current_database(), current_setting('server_encoding')")
    const [database, encoding] = found!
    if (encoding !== "UTF8") return yield* new EncodingUnsupported({ database, encoding })
  })

const mismatch = (schema: SchemaName, found: number) =>
  new SchemaMismatch({ schema, found, expected: head })

/** The statements that would migrate the schema, without running them. Refuses a newer schema. */
export const plan = (
  options: MigrateOptions = {}
): Effect.Effect<Plan, SchemaMismatch | SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const schema = nameOf(options)
    const progress = yield* progressOf(yield* PgClient.PgClient, schema)
    if (progress.version > head) return yield* mismatch(schema, progress.version)
    return planFrom(progress, options)
  })

/** The statements that would migrate an empty database. Needs no database. */
export const planFromNothing = (options: MigrateOptions = {}): Plan => planFrom(nothingYet, options)

const planFrom = (progress: Progress, options: MigrateOptions): Plan => {
  const schema = nameOf(options)
  const steps = stepsOf(schema, progress, options)
  const from = progress.version
  const { lockTimeoutSeconds = 5 } = options
  return {
    schema: options.schema ?? "boxoffice",
    from,
    to: head,
    migrations: steps.flatMap(({ migration }) =>
      migration === undefined ? [] : [{ file: fileName(migration), locks: migration.locks }]
    ),
    isEmpty: steps.length === 0,
    sql: scriptOf(steps, { schema, from, to: head, lockTimeoutSeconds })
  }
}

/** Fails unless the schema is exactly at the version that this package knows. */
export const verify = (
  options: MigratorOptions = {}
): Effect.Effect<void, SchemaMismatch | EncodingUnsupported | SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const schema = nameOf(options)
    const sql = yield* PgClient.PgClient
    yield* checkEncoding(sessionOf(sql))
    const { version } = yield* progressOf(sql, schema)
    if (version !== head) return yield* mismatch(schema, version)
  })

/**
 * Applies the missing migrations, in order and in one transaction: all or nothing. Succeeds with
 * the names of the applied ones. Any number of nodes may do so at once: one works; the others wait
 * for it and find nothing left to do. Refuses a schema that is newer.
 */
export const migrate = (
  options: MigrateOptions = {}
): Effect.Effect<
  ReadonlyArray<string>,
  SchemaMismatch | MigrationBlocked | EncodingUnsupported | SqlError,
  PgClient.PgClient
> =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    return yield* sql.withTransaction(applyIn(sessionOf(sql), options))
  })

/** @internal The work of {@link migrate} inside its transaction. */
export const applyIn = (
  session: Session,
  options: MigrateOptions
): Effect.Effect<
  ReadonlyArray<string>,
  SchemaMismatch | MigrationBlocked | EncodingUnsupported | SqlError
> =>
  Effect.gen(function* () {
    const schema = nameOf(options)
    const { lockTimeoutSeconds = 5 } = options
    // The lock has a statement of its own, so that the next statement sees what the lock's last
    // holder committed.
    // Guard migrate-alone: without it, migrator.test "nodes that start at once" fails.
    yield* session.run(`SELECT pg_advisory_xact_lock(${lockKey(schema)})`)
    const lockTimeoutMs = Math.ceil(lockTimeoutSeconds * 1_000)
    // Guard migrate-waits: without it, migrator.test "a table in use for too long" fails.
    yield* session.run(`SELECT set_config('lock_timeout', '${lockTimeoutMs}ms', true)`)
    yield* checkEncoding(session)
    const progress = yield* progressBy(session, schema)
    // Guard migrate-newer: without it, migrator.test "a newer schema is refused" fails.
    if (progress.version > head) return yield* mismatch(schema, progress.version)
    const steps = stepsOf(schema, progress, options)
    for (const step of steps) {
      if (options.onStep !== undefined) yield* options.onStep(step.title)
      yield* Effect.catchIf(
        session.run(asOneStatement(step)),
        (error) => sqlState(error) === "55P03",
        () => new MigrationBlocked({ schema, step: step.title, lockTimeoutSeconds })
      )
    }
    return steps.flatMap(({ migration }) => (migration === undefined ? [] : [migration.name]))
  })
