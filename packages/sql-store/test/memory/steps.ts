/**
 * Steps of sessions on two small tables: what the database in memory does for each, and the SQL that
 * Postgres does it by.
 */
import { Schema } from "effect"
import type { Database } from "../../../core/src/testing/database/Database.ts"
import type { Sequence } from "../../../core/src/testing/database/Sequence.ts"
import type { Statement } from "../../../core/src/testing/database/Statement.ts"
import { type Table, type Target, tableOf } from "../../../core/src/testing/database/Table.ts"
import type { Steps } from "../../../core/src/testing/database/Transaction.ts"

interface Parent {
  readonly id: number
  readonly code: number
  readonly value: number
}
interface Child {
  readonly id: number
  readonly parent: number
}

interface Tables {
  readonly database: Database
  readonly parents: Table<Parent, "parent_pkey" | "parent_code_once">
  readonly children: Table<Child, "child_pkey" | "byParent">
  readonly numbers: Sequence
}

export const makeTables = (database: Database): Tables => {
  const parents = tableOf<Parent>()("parent", {
    unique: { parent_pkey: ({ id }) => `${id}`, parent_code_once: ({ code }) => `${code}` },
    checks: { parent_value_not_negative: ({ value }) => value >= 0 }
  })
  const children = tableOf<Child>()("child", {
    unique: { child_pkey: ({ id }) => `${id}` },
    indexes: { byParent: ({ parent }) => `${parent}` },
    references: [
      {
        name: "child_of_parent",
        key: ({ parent }) => `${parent}`,
        to: (): Target => ({ table: parents, index: "parent_pkey" }),
        by: "byParent"
      }
    ]
  })
  database.add([parents, children])
  return { database, parents, children, numbers: database.sequence() }
}

export const tablesInSql = `
  CREATE TABLE parent (
    id int CONSTRAINT parent_pkey PRIMARY KEY,
    code int NOT NULL CONSTRAINT parent_code_once UNIQUE,
    value int NOT NULL CONSTRAINT parent_value_not_negative CHECK (value >= 0)
  );
  CREATE TABLE child (
    id int CONSTRAINT child_pkey PRIMARY KEY,
    parent int NOT NULL CONSTRAINT child_of_parent REFERENCES parent
  );
  CREATE SEQUENCE numbers`

const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))
// Few, so that sessions meet.
const id = Schema.Literals([0, 0, 0, 1, 2])
const delta = Schema.Literals([-2, 1, 3])
const least = Schema.Literals([1, 3])

/** Each has a session, which does it in its transaction, or alone if it has none. */
const Action = Schema.Union([
  Schema.TaggedStruct("begin", {}),
  Schema.TaggedStruct("begin", {}),
  Schema.TaggedStruct("begin", {}),
  Schema.TaggedStruct("begin", {}),
  Schema.TaggedStruct("commit", {}),
  Schema.TaggedStruct("commit", {}),
  Schema.TaggedStruct("rollback", {}),
  Schema.TaggedStruct("read", {}),
  Schema.TaggedStruct("lock", {
    id,
    mode: Schema.Literals(["KEY SHARE", "SHARE", "NO KEY UPDATE", "UPDATE"]),
    skips: Schema.Boolean
  }),
  Schema.TaggedStruct("lock all", { least, skips: Schema.Boolean }),
  Schema.TaggedStruct("insert", {
    id,
    code: id,
    conflict: Schema.Literals(["fails", "does nothing", "updates", "updates some"])
  }),
  Schema.TaggedStruct("add", { id, delta }),
  Schema.TaggedStruct("add to the rich", { id, delta, least }),
  Schema.TaggedStruct("recode", { id, code: id }),
  Schema.TaggedStruct("delete", { id }),
  Schema.TaggedStruct("insert child", { id, parent: id }),
  Schema.TaggedStruct("delete child", { id }),
  Schema.TaggedStruct("next number", {}),
  Schema.TaggedStruct("mark", {}),
  Schema.TaggedStruct("snapshot", {})
])
type Action = typeof Action.Type

export const Step = Schema.Struct({ session: below(3), action: Action })
export type Step = typeof Step.Type

type Statements = Exclude<Action["_tag"], "begin" | "commit" | "rollback">
export type StatementAction = Extract<Action, { readonly _tag: Statements }>

/** Rows of numbers, as both databases give them. */
export type Answer = ReadonlyArray<ReadonlyArray<number | string>>

/** What Postgres is asked. */
export const sqlOf = (action: StatementAction): string => {
  switch (action._tag) {
    case "read":
      return "SELECT id, code, value FROM parent ORDER BY id"
    case "lock":
      return `SELECT value FROM parent WHERE id = ${action.id}
        FOR ${action.mode} ${action.skips ? "SKIP LOCKED" : ""}`
    case "lock all":
      return `SELECT id, value FROM parent WHERE value >= ${action.least} ORDER BY id
        FOR NO KEY UPDATE ${action.skips ? "SKIP LOCKED" : ""}`
    case "insert":
      return `INSERT INTO parent AS p VALUES (${action.id}, ${action.code}, 2)
        ${conflictInSql[action.conflict]} RETURNING value`
    case "add":
      return `UPDATE parent SET value = value + ${action.delta} WHERE id = ${action.id}
        RETURNING value`
    case "add to the rich":
      return `UPDATE parent SET value = value + ${action.delta}
        WHERE id = ${action.id} AND value >= ${action.least} RETURNING value`
    case "recode":
      return `UPDATE parent SET code = ${action.code} WHERE id = ${action.id} RETURNING code`
    case "delete":
      return `DELETE FROM parent WHERE id = ${action.id} RETURNING id`
    case "insert child":
      return `INSERT INTO child VALUES (${action.id}, ${action.parent}) RETURNING id`
    case "delete child":
      return `DELETE FROM child WHERE id = ${action.id} RETURNING id`
    case "next number":
      return "SELECT nextval('numbers')::int"
    case "mark":
      return "SELECT pg_current_xact_id()::text"
    case "snapshot":
      return "SELECT pg_current_snapshot()::text"
  }
}

const conflictInSql = {
  fails: "",
  "does nothing": "ON CONFLICT (id) DO NOTHING",
  updates: "ON CONFLICT (id) DO UPDATE SET value = p.value + excluded.value",
  "updates some":
    "ON CONFLICT (id) DO UPDATE SET value = p.value + excluded.value WHERE p.value < 3"
}

/** The same, of the database in memory. */
export const statementOf = (
  { database, parents, children, numbers }: Tables,
  action: StatementAction
): ((statement: Statement) => Steps<Answer>) => {
  const parent = (statement: Statement, of: number) =>
    statement.get(parents, "parent_pkey", `${of}`)
  return function* (statement) {
    switch (action._tag) {
      case "read":
        return statement
          .scan(parents)
          .map(({ row }) => [row.id, row.code, row.value])
          .sort((a, b) => a[0]! - b[0]!)
      case "lock": {
        const { mode, skips: skipLocked } = action
        const found = parent(statement, action.id)
        const locked = found && (yield* statement.lock(found, mode, { skipLocked }))
        return locked === undefined ? [] : [[locked.row.value]]
      }
      case "lock all": {
        const recheck = ({ value }: Parent) => value >= action.least
        const rows: Array<ReadonlyArray<number>> = []
        const found = statement.scan(parents).filter(({ row }) => recheck(row))
        for (const version of found.sort((a, b) => a.row.id - b.row.id)) {
          const options = { skipLocked: action.skips, recheck }
          const locked = yield* statement.lock(version, "NO KEY UPDATE", options)
          if (locked !== undefined) rows.push([locked.row.id, locked.row.value])
        }
        return rows
      }
      case "insert": {
        const row = { id: action.id, code: action.code, value: 2 }
        const update = (there: Parent) =>
          action.conflict === "updates some" && there.value >= 3
            ? undefined
            : { ...there, value: there.value + row.value }
        const onConflict =
          action.conflict === "fails"
            ? undefined
            : action.conflict === "does nothing"
              ? { index: "parent_pkey" }
              : { index: "parent_pkey", update }
        const inserted = yield* statement.insert<Parent>(parents, row, onConflict)
        return inserted === undefined ? [] : [[inserted.row.value]]
      }
      case "add":
      case "add to the rich": {
        const { id, delta } = action
        const isRich = ({ value }: Parent) => action._tag === "add" || value >= action.least
        const found = parent(statement, id)
        if (found === undefined || !isRich(found.row)) return []
        const change = (row: Parent) => ({ ...row, value: row.value + delta })
        const updated = yield* statement.update(parents, found, change, isRich)
        return updated === undefined ? [] : [[updated.row.value]]
      }
      case "recode": {
        const found = parent(statement, action.id)
        const change = (row: Parent) => ({ ...row, code: action.code })
        const updated = found && (yield* statement.update(parents, found, change))
        return updated === undefined ? [] : [[updated.row.code]]
      }
      case "delete": {
        const found = parent(statement, action.id)
        const removed = found && (yield* statement.remove(parents, found))
        return removed === undefined ? [] : [[removed.row.id]]
      }
      case "insert child": {
        const { id, parent } = action
        yield* statement.insert<Child>(children, { id, parent })
        return [[id]]
      }
      case "delete child": {
        const found = statement.get(children, "child_pkey", `${action.id}`)
        const removed = found && (yield* statement.remove(children, found))
        return removed === undefined ? [] : [[removed.row.id]]
      }
      case "next number":
        return [[Number(statement.next(numbers))]]
      case "mark":
        return [[`${statement.xid()}`]]
      case "snapshot":
        return [[database.snapshot(statement.transaction)]]
    }
  }
}
