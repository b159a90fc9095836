/** Examines a database and reports problems in words. It changes nothing. */
import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { findDrift } from "./doctor/drift.ts"
import { expectedFacts } from "./doctor/expected.ts"
import { readFacts } from "./doctor/facts.ts"
import type { Finding } from "./doctor/findings.ts"
import { checkRole } from "./doctor/role.ts"
import { checkServer } from "./doctor/settings.ts"
import { commandLine, type MigratorOptions, progressOf } from "./Migrator.ts"
import { fileName, head, migrations, type Progress } from "./migrator/steps.ts"
import { schemaName } from "./schemaName.ts"
import { sqlState } from "./sqlFailure.ts"

export type { Finding }

export interface DoctorOptions extends MigratorOptions {
  /** The role that the engine connects as. Default: the role of this connection. */
  readonly appRole?: string | undefined
}

export interface Report {
  readonly schema: string
  /** The version of the schema; 0 if it has no tables yet. */
  readonly version: number
  /** The version that this package knows. */
  readonly expectedVersion: number
  /** The version of Postgres. */
  readonly serverVersion: string
  /** Whether no finding is a problem. Warnings and notes do not count. */
  readonly healthy: boolean
  /** The most severe first. */
  readonly findings: ReadonlyArray<Finding>
}

const levels = ["problem", "warning", "note"] as const

/**
 * Examines the schema, the server and the role. It compares the schema with the one that the
 * migrations make on this server, up to the same version, and with the one that restoring a dump of
 * that gives. For this the doctor needs a role that may create a schema; if the role may not, the
 * report says so.
 *
 * @example
 * ```ts
 * import { Doctor } from "@boxoffice/sql-store"
 * import { Effect } from "effect"
 *
 * const healthy = Effect.map(Doctor.examine({ appRole: "app" }), (report) => report.healthy)
 * ```
 */
export const examine = (
  options: DoctorOptions = {}
): Effect.Effect<Report, SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const schema = options.schema ?? "boxoffice"
    const sql = yield* PgClient.PgClient
    const server = yield* checkServer(sql)
    const progress = yield* progressOf(sql, schemaName(schema))
    const findings = [...server.findings, ...checkVersion(schema, progress)]
    if (progress.version > 0) {
      if (progress.keepsChecksums) findings.push(...(yield* checkRecord(sql, schema)))
      if (progress.version <= head)
        findings.push(...(yield* checkSchema(sql, schema, progress.version)))
      if (progress.version === head) {
        const [current] = yield* sql<{ role: string }>`SELECT current_user AS role`
        findings.push(...(yield* checkRole(sql, schema, options.appRole ?? current!.role)))
      }
    }
    return {
      schema,
      version: progress.version,
      expectedVersion: head,
      serverVersion: server.version,
      healthy: findings.every(({ level }) => level !== "problem"),
      findings: findings.toSorted((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level))
    }
  }).pipe(Effect.withSpan("Doctor.examine"))

const checkVersion = (schema: string, { version }: Progress): ReadonlyArray<Finding> => {
  if (version === head) return []
  const subject = `schema ${schema}`
  const common = { level: "problem" as const, subject }
  if (version === 0) {
    return [
      {
        ...common,
        code: "schema_missing",
        message: `The schema ${schema} has nothing of Box Office in it.`,
        remedy: `Run \`${commandLine} migrate\`; \`${commandLine} plan\` shows beforehand what that does.`
      }
    ]
  }
  if (version > head) {
    return [
      {
        ...common,
        code: "schema_newer",
        message: `The schema is at version ${version}; this package knows ${head}, and cannot judge it.`,
        remedy: "Update @boxoffice/sql-store: an older engine does not start on a newer schema."
      }
    ]
  }
  return [
    {
      ...common,
      code: "schema_behind",
      message: `The schema is at version ${version}; this package needs ${head}.`,
      remedy: `Run \`${commandLine} migrate\`; \`${commandLine} plan\` shows beforehand what that does.`
    }
  ]
}

/** Checks that the applied migrations are the ones that this package has under the same numbers. */
const checkRecord = (
  sql: PgClient.PgClient,
  schema: string
): Effect.Effect<ReadonlyArray<Finding>, SqlError> =>
  Effect.gen(function* () {
    const applied = yield* sql<{ version: number; name: string; checksum: string | null }>`
      SELECT version, name, checksum FROM ${sql.literal(schemaName(schema))}.migration
      ORDER BY version`
    const findings: Array<Finding> = []
    for (const migration of migrations) {
      const { version, checksum } = migration
      const found = applied.find((row) => row.version === version)
      const subject = `migration ${fileName(migration)}`
      const last = applied.at(-1)!.version
      if (found === undefined && version < last) {
        findings.push({
          level: "problem",
          code: "migration_skipped",
          subject,
          message: `Version ${version} was never recorded, and later ones were.`,
          remedy:
            "Find out who wrote to the table migration; the rest of this report says what is missing."
        })
      }
      // Null if it was applied before checksums were recorded.
      if (found !== undefined && found.checksum !== null && found.checksum !== checksum) {
        findings.push({
          level: "problem",
          code: "migration_edited",
          subject,
          message: "What was applied under this number is not what this package has.",
          remedy:
            "A released file never changes: find the build that applied it, and compare. The rest " +
            "of this report says where the schema differs."
        })
      }
    }
    return findings
  })

const checkSchema = (
  sql: PgClient.PgClient,
  schema: string,
  version: number
): Effect.Effect<ReadonlyArray<Finding>, SqlError> =>
  Effect.gen(function* () {
    const found = yield* sql.withTransaction(readFacts(sql, schema))
    const expected = yield* expectedFacts(sql, schema, version, found)
    return findDrift(schema, expected, found)
  }).pipe(
    Effect.catchIf(
      // The role may not create a schema, or the server is read-only.
      (error) => ["42501", "25006"].includes(sqlState(error) ?? ""),
      () =>
        Effect.succeed<ReadonlyArray<Finding>>([
          {
            level: "warning",
            code: "schema_not_compared",
            subject: `schema ${schema}`,
            message:
              "The schema was not compared: that takes the right to create one, for a moment, in " +
              "a transaction that is rolled back.",
            remedy:
              "Run the doctor on the primary, as the owner of the schema, with --app-role for the " +
              "engine's role."
          }
        ])
    )
  )
