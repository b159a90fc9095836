/** Two engines side by side: over the store in memory, and over the store on Postgres. */
import {
  type BoxOffice,
  BoxOfficeStore,
  layerOf,
  type PolicyOptions,
  type sweep
} from "@boxoffice/core"
import { type Context, Effect, Layer } from "effect"
import type { CommittedRows } from "../../../core/src/testing/memory/rows.ts"
import { passTime, type Sql } from "../support.ts"
import { comparable, readStore, rowsInMemory, rowsOnServer } from "./readings.ts"

type Store = BoxOfficeStore["Service"]

/** An engine over one of the stores, as a history of commands sees it. */
export interface Side {
  readonly name: "memory" | "Postgres"
  readonly store: Store
  readonly context: Context.Context<BoxOffice | Effect.Services<typeof sweep>>
  readonly pass: (ms: number) => Effect.Effect<void>
  /** The database's clock. */
  readonly now: Effect.Effect<number>
  /** The tokens of users and what they made, as this side answered them. */
  readonly tokens: Map<number, string>
  readonly reservations: Array<{ readonly reservationId: string; readonly user: number }>
  readonly payments: Array<string>
}

const policies = {
  holdSeconds: 600,
  seatsPerUser: 3,
  gate: [],
  // A reading of a moment ago would depend on the speed of the test.
  queueMaxAgeMs: 0,
  catalogMaxAgeMs: 0,
  gateMaxAgeMs: 0
} satisfies Partial<PolicyOptions>

/** An engine over a store. */
export const openEngine = (store: Store) =>
  Effect.map(
    Effect.orDie(
      Layer.build(
        layerOf({
          signingKeys: { k1: "a secret of at least thirty-two bytes" },
          policies,
          // So that commands of one kind that come together share a batch.
          batches: { batchers: 1 }
        }).pipe(Layer.provideMerge(Layer.succeed(BoxOfficeStore, store)))
      )
    ),
    (context) => context as Side["context"]
  )

const nothingYet = () => ({ tokens: new Map(), reservations: [], payments: [] })

export const memorySide = (
  database: { readonly now: () => number; readonly stepClock: (ms: number) => void },
  store: Store
) =>
  Effect.map(
    openEngine(store),
    (context): Side => ({
      ...nothingYet(),
      name: "memory",
      store,
      context,
      pass: (ms) => Effect.sync(() => database.stepClock(ms)),
      now: Effect.sync(database.now)
    })
  )

export const serverSide = (sql: Sql, store: Store) =>
  Effect.map(
    openEngine(store),
    (context): Side => ({
      ...nothingYet(),
      name: "Postgres",
      store,
      context,
      pass: (ms) => Effect.asVoid(Effect.promise(() => sql(passTime(ms)))),
      now: Effect.promise(async () => {
        const [row] = await sql<{ now: number }>(
          "SELECT floor(1000 * extract(epoch FROM clock_timestamp()))::float8 AS now"
        )
        return row!.now
      })
    })
  )

/** Deletes all rows of the engine, so that the next history finds an empty database. */
export const emptied = async (sql: Sql): Promise<() => Promise<void>> => {
  const tables = await sql<{ name: string }>(`
    SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
    WHERE table_schema = 'boxoffice' AND table_type = 'BASE TABLE' AND table_name <> 'migration'`)
  const names = tables.map(({ name }) => name).join(", ")
  return async () => {
    await sql("SET session_replication_role = replica")
    await sql(`TRUNCATE ${names} RESTART IDENTITY`)
    await sql("SET session_replication_role = origin")
  }
}

/** Compares the sides. A difference is told behind the story that led to it. */
export const comparing = (story: ReadonlyArray<string>, memory: Side, server: Side) => {
  const same = Effect.fnUntraced(function* (what: string, mine: unknown, theirs: unknown) {
    const told = comparable(mine, yield* memory.now)
    const real = comparable(theirs, yield* server.now)
    if (told === real) return
    const [mineLines, realLines] = [told.split("\n"), real.split("\n")]
    const from = mineLines.findIndex((line, i) => line !== realLines[i])
    const shown = (lines: ReadonlyArray<string>) => lines.slice(Math.max(0, from - 3), from + 12)
    yield* Effect.fail(
      [
        ...story,
        `${what} differ:`,
        ...shown(mineLines).map((line) => `  memory:   ${line}`),
        ...shown(realLines).map((line) => `  Postgres: ${line}`)
      ].join("\n")
    )
  })
  const sameRows = (rows: CommittedRows, sql: Sql) =>
    Effect.flatMap(
      Effect.promise(() => rowsOnServer(sql)),
      (there) => same("the rows", rowsInMemory(rows), there)
    )
  const sameReadings = Effect.fnUntraced(function* () {
    yield* same("the readings", yield* readStore(memory.store), yield* readStore(server.store))
  })
  return { same, sameRows, sameReadings }
}
