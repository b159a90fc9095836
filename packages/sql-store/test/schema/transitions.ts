/** The state machines of the tables: every column whose CHECK lists its states. */
import type { Table } from "./catalogue.ts"

type Transitions = ReadonlyArray<readonly [from: string, to: string]>

/**
 * What each column may become, by what `docs/concepts.md` and `src/operations/deliveries.ts` say.
 * A new column of states needs its machine here.
 */
export const machines: Readonly<Record<string, Transitions>> = {
  // Operators stop and start a queue as they like, until they close it.
  "queue.mode": ["open", "paused", "draining"].flatMap((from) =>
    ["open", "paused", "draining", "closed"]
      .filter((to) => to !== from)
      .map((to) => [from, to] as const)
  ),
  "queue_token.state": [
    ["waiting", "admitted"],
    ["waiting", "left"],
    ["waiting", "expired"],
    ["admitted", "completed"],
    ["admitted", "left"],
    ["admitted", "expired"]
  ],
  "reservation.status": [
    ["held", "confirmed"],
    ["held", "released"],
    ["held", "expired"],
    ["confirmed", "cancelled"]
  ],
  // An operator may block a free seat by SQL, and unblock it: no operation does.
  "seat.status": [
    ["available", "held"],
    ["held", "available"],
    ["held", "sold"],
    ["sold", "available"],
    ["available", "blocked"],
    ["blocked", "available"]
  ],
  "webhook_delivery.state": [
    ["waiting", "dead"],
    ["dead", "waiting"]
  ]
}

/** Columns whose CHECK lists kinds of rows, which are part of their keys. */
const kinds = new Set(["cleared.kind", "transfer.kind"])

export interface StateColumn {
  readonly table: Table
  readonly column: string
  readonly states: ReadonlyArray<string>
  /** The columns that a CHECK names together with the state. */
  readonly beside: ReadonlyArray<string>
}

/** The columns of states, by the catalogue. */
export const stateColumnsOf = (tables: ReadonlyArray<Table>): ReadonlyArray<StateColumn> =>
  tables.flatMap((table) =>
    table.checks.flatMap(({ columns, expression }) => {
      const [column] = columns
      const listed = /^\(\w+ = ANY \(ARRAY\[(.*)\]\)\)$/.exec(expression)
      if (columns.length !== 1 || listed === null || kinds.has(`${table.name}.${column}`)) return []
      if (table.columns.find(({ name }) => name === column)?.type !== "text") return []
      const states = Array.from(listed[1]!.matchAll(/'([^']*)'::text/g), ([, state]) => state!)
      const beside = table.checks
        .filter((check) => check.columns.includes(column!))
        .flatMap((check) => check.columns)
        .filter((name) => name !== column)
      return [{ table, column: column!, states, beside: [...new Set(beside)] }]
    })
  )
