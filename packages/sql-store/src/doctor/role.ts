/** Checks that the application's role has the rights that it needs, and no others. */
import type { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { grantStatements, rights } from "../migrator/rights.ts"
import { schemaName } from "../schemaName.ts"
import type { Finding } from "./findings.ts"

interface Role {
  readonly exists: boolean
  readonly isSuperuser: boolean
  readonly bypassesRowSecurity: boolean
  readonly owns: boolean
  readonly creates: boolean
}

export const checkRole = (
  sql: PgClient.PgClient,
  schema: string,
  role: string
): Effect.Effect<ReadonlyArray<Finding>, SqlError> =>
  Effect.gen(function* () {
    const subject = `role ${role}`
    const [facts] = yield* sql<Role>`
      SELECT oid IS NOT NULL AS exists, coalesce(rolsuper, false) AS "isSuperuser",
        coalesce(pg_has_role(oid, (SELECT nspowner FROM pg_namespace WHERE nspname = ${schema}),
          'MEMBER'), false) AS owns,
        coalesce(has_schema_privilege(oid, to_regnamespace(${schemaName(schema)})::oid, 'CREATE'),
          false) AS creates
      FROM (SELECT ${role}::text AS name) given LEFT JOIN pg_roles ON rolname = given.name`
    if (!facts!.exists) {
      return [
        {
          level: "problem" as const,
          code: "role_missing",
          subject,
          message: `There is no role ${role}.`,
          remedy: "Create it, with a password of its own:",
          sql: `CREATE ROLE "${role.replaceAll('"', '""')}" LOGIN`
        }
      ]
    }
    if (facts!.isSuperuser || facts!.owns || facts!.creates) {
      const what = facts!.isSuperuser
        ? "is a superuser"
        : facts!.owns
          ? "owns the schema"
          : "may create in the schema"
      return [
        {
          level: "warning" as const,
          code: "role_too_mighty",
          subject,
          message: `The role ${role} ${what}: an attacker with its password can change or remove the guards.`,
          remedy:
            "Let the engine connect as a role that owns nothing; `boxoffice plan --app-role NAME` " +
            "prints what to grant it."
        }
      ]
    }
    const tables = yield* sql<{ name: string; held: ReadonlyArray<string> }>`
      SELECT relname AS name, array(
        SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
          'TRIGGER']) privilege WHERE has_table_privilege(${role}, c.oid, privilege)) AS held
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE nspname = ${schema} AND relkind IN ('r', 'p', 'v') ORDER BY relname`
    const known = tables.filter(({ name }) => rights[name] !== undefined)
    const named = (pick: (held: ReadonlyArray<string>, due: ReadonlyArray<string>) => string[]) =>
      known.flatMap(({ name, held }) => {
        const some = pick(held, rights[name]!.split(", "))
        return some.length === 0 ? [] : [`${some.join(", ")} on ${name}`]
      })
    const lacking = named((held, due) => due.filter((right) => !held.includes(right)))
    const beyond = named((held, due) => held.filter((right) => !due.includes(right)))
    const sql_ = `${grantStatements(schemaName(schema), role).join(";\n")};`
    const findings: Array<Finding> = []
    if (lacking.length > 0) {
      findings.push({
        level: "problem",
        code: "role_lacks_rights",
        subject,
        message: `The role ${role} lacks: ${lacking.join("; ")}.`,
        remedy: "Grant it what the engine needs:",
        sql: sql_
      })
    }
    if (beyond.length > 0) {
      findings.push({
        level: "warning",
        code: "role_beyond_need",
        subject,
        message: `The role ${role} may do what the engine never does: ${beyond.join("; ")}.`,
        remedy: "Take it back to what the engine needs:",
        sql: sql_
      })
    }
    return findings
  })
