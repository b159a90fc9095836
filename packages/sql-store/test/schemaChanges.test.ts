import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { randomFrom } from "./nodes.ts"
import {
  type Change,
  deleteOf,
  domainOf,
  locationsOf,
  updateOf,
  writeOf
} from "./schema/candidates.ts"
import { readTables, type Table, writable } from "./schema/catalogue.ts"
import { type LivedDatabase, openLivedDatabase } from "./schema/livedDatabase.ts"
import { attempt, type Session } from "./schema/session.ts"
import { unwatched, unwatchedEvents } from "./schema/unwatched.ts"

// Random changes of one row, as the application's role, with values of the columns' domains: each is
// refused by the schema, or found by `boxoffice verify`, or touches nothing that an invariant is of.
// SEED and CHANGES run others: `SEED=7 CHANGES=5000 npx pnpm@12 test packages/sql-store/test/schemaChanges`.

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1_000_000))
const changes = Number(process.env.CHANGES ?? 200)

let lived: LivedDatabase
let app: Session
let tables: ReadonlyArray<Table>
beforeAll(async () => {
  lived = await openLivedDatabase()
  app = lived.app
  tables = await readTables(lived.admin, lived.role)
})
afterAll(() => lived.drop())

const random = randomFrom(seed)
const oneOf = <A>(values: ReadonlyArray<A>): A => values[Math.floor(random() * values.length)]!

/** A value of the column in another row, or one of its domain. */
const valueOf = async (table: Table, name: string): Promise<unknown> => {
  if (random() < 0.5) return oneOf(domainOf(table, name))
  return (await rowAt(table, oneOf(await locationsOf(app, table))))[name]
}

const rowAt = async (table: Table, at: string): Promise<Change> => {
  const [found] = await app.query<{ row: Change }>(
    `SELECT to_jsonb(t) AS row FROM ${table.name} t WHERE ctid = '${at}'`
  )
  return found!.row
}

/** What the change touches of which an invariant speaks. */
const watched = (table: Table, verb: string, change: Change, before: Change) => {
  if (`${verb} ${table.name}` in unwatched) return []
  const after = verb === "INSERT" ? { ...before, ...change } : change
  const events = (verb === "DELETE" ? before : after).events as ReadonlyArray<{ _tag?: string }>
  return (verb === "UPDATE" ? Object.keys(change) : writable(table)).filter((name) => {
    if (verb === "UPDATE" && isSame(after[name], before[name])) return false
    if (`${table.name}.${name}` in unwatched || `${table.name}.*` in unwatched) return false
    return name !== "events" || events.some(({ _tag = "" }) => !unwatchedEvents.has(_tag))
  })
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** The tables that the invariants are about, more often than the others. */
const about = new Set([
  "outbox",
  "queue",
  "queue_token",
  "reservation",
  "seat",
  "transfer",
  "wallet"
])

describe(`seed ${seed}`, () => {
  test("a changed row is refused, found, or of no invariant", { timeout: 600_000 }, async () => {
    const counts: Record<string, { refused: number; found: number; harmless: number }> = {}
    const changed = tables.filter(({ rights }) => rights.length > 1)
    const often = changed.filter(({ name }) => about.has(name))

    for (let i = 0; i < changes; i++) {
      const table = oneOf(random() < 0.6 ? often : changed)
      const verb = oneOf(table.rights.filter((right) => right !== "SELECT"))
      const at = oneOf(await locationsOf(app, table))
      const change: Record<string, unknown> = {}
      for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
        const name = oneOf(writable(table))
        change[name] = await valueOf(table, name)
      }
      const { statement, params } =
        verb === "DELETE"
          ? deleteOf(table, at)
          : writeOf[verb as "INSERT" | "UPDATE"](table, at, change)
      const before = await rowAt(table, at)
      let violated: ReadonlyArray<string> = []
      const { refusal } = await attempt(app, statement, params, async () => {
        violated = await app.violated()
      })
      counts[table.name] ??= { refused: 0, found: 0, harmless: 0 }
      if (refusal !== undefined) counts[table.name]!.refused++
      else if (violated.length > 0) counts[table.name]!.found++
      else {
        counts[table.name]!.harmless++
        const story = `${verb} ${table.name} ${JSON.stringify({ change, before })}`
        expect.soft(watched(table, verb, change, before), story).toEqual([])
      }
    }
    console.log(`Random changes of one row as the application's role, seed ${seed}:`)
    console.table(counts)
  })

  // The bar for the ledger is higher: with every guard off, no change of one row goes unseen.
  test("any change of one row of the ledger is found, even by its owner", {
    timeout: 600_000
  }, async () => {
    let found = 0
    for (const table of tables.filter(({ name }) => name === "transfer" || name === "wallet")) {
      for (const at of await locationsOf(app, table)) {
        const before = await rowAt(table, at)
        const deletion = deleteOf(table, at)
        const updates = await Promise.all(
          writable(table).map(async (name) => ({ [name]: await valueOf(table, name) }))
        )
        const writes = updates
          .filter((change) =>
            Object.keys(change).some((name) => !isSame(change[name], before[name]))
          )
          .map((change) => updateOf(table, at, change))
        for (const { statement, params } of [...writes, deletion]) {
          let violated: ReadonlyArray<string> = []
          await lived.admin.query("SET session_replication_role = replica")
          const { refusal } = await attempt(lived.admin, statement, params, async () => {
            violated = await lived.admin.violated()
          })
          // CHECKs and unique indexes hold all the same.
          if (refusal !== undefined) continue
          found++
          expect.soft(violated, `${statement} ${params.join(" ")}`).not.toEqual([])
        }
      }
    }
    console.log(`Changes of one row of the ledger, seed ${seed}: ${found} made, all found`)
    expect(found).toBeGreaterThan(50)
  })
})
