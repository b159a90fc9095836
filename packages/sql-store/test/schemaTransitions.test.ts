import { afterAll, beforeAll, expect, test } from "vitest"
import { type Change, locationsOf, updateOf, valid } from "./schema/candidates.ts"
import { readTables, type Table } from "./schema/catalogue.ts"
import { type LivedDatabase, openLivedDatabase } from "./schema/livedDatabase.ts"
import { attempt, type Session } from "./schema/session.ts"
import { machines, type StateColumn, stateColumnsOf } from "./schema/transitions.ts"

// Raw SQL as the application's role moves every row of every state to every other state, with all
// that the CHECKs allow in the columns beside it. What the engine would never do, the schema
// refuses, or `boxoffice verify` finds.

let lived: LivedDatabase
let app: Session
let tables: ReadonlyArray<Table>
beforeAll(async () => {
  lived = await openLivedDatabase()
  app = lived.app
  tables = await readTables(lived.admin, lived.role)
})
afterAll(() => lived.drop())

/** The new state, with each column beside it as it is, emptied, or filled. */
const changesTo = ({ table, column, beside }: StateColumn, to: string): ReadonlyArray<Change> =>
  beside.reduce<ReadonlyArray<Change>>(
    (changes, name) => {
      const { type, required } = table.columns.find((each) => each.name === name)!
      const values = { boolean: [true, false], uuid: [crypto.randomUUID()], integer: [12] }[type]
      const filled = [...(values ?? [new Date().toISOString()]), ...(required ? [] : [null])]
      return changes.flatMap((change) => [
        change,
        ...filled.map((value) => ({ ...change, [name]: value }))
      ])
    },
    [{ [column]: to }]
  )

/** Rows of each state that are moved: the engine has made them in different ways. */
const rowsOfEach = 3

interface Outcomes {
  /** How many statements each rule of the schema refused. */
  readonly refused: Map<string, number>
  /** How many the schema let pass and each invariant found. */
  readonly found: Map<string, number>
  /** Statements that neither refused nor found. */
  readonly unseen: Array<string>
}

const move = async (state: StateColumn, from: string, to: string): Promise<Outcomes> => {
  const outcomes: Outcomes = { refused: new Map(), found: new Map(), unseen: [] }
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
  const { table, column } = state
  const locations = await locationsOf(app, table, `${column} = '${from}'`)
  for (const at of locations.slice(0, rowsOfEach)) {
    for (const change of await valid(app, table, at, changesTo(state, to))) {
      const { statement, params } = updateOf(table, at, change)
      let violated: ReadonlyArray<string> = []
      const { refusal } = await attempt(app, statement, params, async () => {
        violated = await app.violated()
      })
      if (refusal !== undefined) count(outcomes.refused, refusal.constraint ?? refusal.code)
      else if (violated.length > 0) for (const meaning of violated) count(outcomes.found, meaning)
      else outcomes.unseen.push(JSON.stringify(change))
    }
  }
  return outcomes
}

test("every column of states has its machine, and no other", () => {
  const columns = stateColumnsOf(tables).map(({ table, column }) => `${table.name}.${column}`)
  expect(columns.sort()).toEqual(Object.keys(machines).sort())
})

test("what is no transition is refused or found", { timeout: 300_000 }, async () => {
  const lines: Array<string> = []
  const named = (map: Map<string, number>) => [...map.keys()].join(", ") || "–"
  for (const state of stateColumnsOf(tables)) {
    const name = `${state.table.name}.${state.column}`
    if (!state.table.rights.includes("UPDATE")) continue
    for (const from of state.states) {
      for (const to of state.states) {
        if (from === to) continue
        const legal = machines[name]!.some(([a, b]) => a === from && b === to)
        if (legal) continue
        const { refused, found, unseen } = await move(state, from, to)
        lines.push(
          `${name} ${from} → ${to}: refused by ${named(refused)}; found as ${named(found)}`
        )
        expect.soft(unseen, `${name} from ${from} to ${to}`).toEqual([])
      }
    }
  }
  console.log(lines.join("\n"))
})
