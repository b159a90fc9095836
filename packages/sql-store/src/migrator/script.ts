/** The steps of a migration as a script, for an operator to read and for psql to run. */
import type { SchemaName } from "../schemaName.ts"
import { lockKey, type Step, type TableLock } from "./steps.ts"

export interface ScriptOptions {
  readonly schema: SchemaName
  readonly from: number
  readonly to: number
  readonly lockTimeoutSeconds: number
}

/** One transaction: all or nothing. */
export const scriptOf = (steps: ReadonlyArray<Step>, options: ScriptOptions): string => {
  const { schema, from, to, lockTimeoutSeconds } = options
  const title = `Box Office: the schema ${schema}, from version ${from} to ${to}.`
  if (steps.length === 0) return `-- ${title} There is nothing to do.\n`
  return `${[
    `-- ${title}`,
    "-- One transaction: all of it, or nothing. Run it as the owner of the schema, such as by",
    "--   boxoffice plan | psql -X -v ON_ERROR_STOP=1 ...",
    "",
    "BEGIN;",
    "-- One session at a time migrates this schema.",
    `SELECT pg_advisory_xact_lock(${lockKey(schema)});`,
    "-- If this waited longer for a table, all other sessions would wait behind it. Better to fail, and",
    "-- try again once no long transaction uses it.",
    `SET LOCAL lock_timeout = '${lockTimeoutSeconds}s';`,
    ...steps.flatMap(({ title, migration, sql }) => [
      "",
      `-- == ${title.replaceAll(/[\r\n]/g, " ")}`,
      ...(migration === undefined ? [] : explainLocks(migration.locks)),
      sql
    ]),
    "",
    "COMMIT;"
  ].join("\n")}\n`
}

const meanings: Readonly<Record<string, string>> = {
  ShareLock: "readers go on, writers wait",
  ShareRowExclusiveLock: "readers go on, writers wait",
  ExclusiveLock: "readers go on, writers wait",
  AccessExclusiveLock: "readers and writers wait",
  ShareUpdateExclusiveLock: "readers and writers go on"
}

const explainLocks = (locks: ReadonlyArray<TableLock>): ReadonlyArray<string> =>
  locks.length === 0
    ? ["-- Locks no table that was there before."]
    : locks.map(({ table, mode, rewrites }) => {
        const means = meanings[mode] ?? "see the manual"
        const cost = rewrites ? "; every row is written again, which takes time and space" : ""
        return `-- Locks ${table} until the end, ${mode}: ${means}${cost}.`
      })
