/**
 * The store in memory beside the store on Postgres: random histories of the engine's own commands give
 * the same answers, and leave the same readings and rows. `SEED` and `HISTORIES` explore further.
 */
import { BoxOfficeStore, layerOf } from "@boxoffice/core"
import { Arbitrary, Effect, Layer, ManagedRuntime, Result } from "effect"
import { expect, test } from "vitest"
import { makeMemoryDatabase } from "../../core/src/testing/MemoryDatabase.ts"
import { SqlStore } from "../src/index.ts"
import { Command, prepare, runCommand, type Side } from "./memory/commands.ts"
import { comparable, readStore, rowsInMemory, rowsOnServer } from "./memory/readings.ts"
import { atEnd, emptyDatabase, openSql, passTime } from "./support.ts"

const seed = process.env.SEED ?? "side by side"
const runs = Number(process.env.HISTORIES ?? 12)

const histories = Arbitrary.array(Arbitrary.schema(Command), {
  minLength: 10,
  maxLength: 40
})
const policies = {
  holdSeconds: 600,
  seatsPerUser: 3,
  gate: [],
  queueMaxAgeMs: 20,
  catalogMaxAgeMs: 0,
  gateMaxAgeMs: 0
} as const

const openSide = Effect.fnUntraced(function* (
  name: string,
  store: BoxOfficeStore["Service"],
  pass: Side["pass"]
) {
  const layer = layerOf({
    signingKeys: { k1: "a secret of at least thirty-two bytes" },
    policies
  }).pipe(Layer.provideMerge(Layer.succeed(BoxOfficeStore, store)))
  const context = yield* Effect.orDie(Layer.build(layer))
  const side: Side = {
    name,
    store,
    context: context as Side["context"],
    pass,
    tokens: new Map(),
    reservations: [],
    payments: []
  }
  yield* prepare(side)
  return side
})

test(`random histories are the same on both stores (seed: ${seed}, histories: ${runs})`, {
  timeout: 60_000 + runs * 60_000
}, async () => {
  const url = await emptyDatabase()
  const runtime = ManagedRuntime.make(SqlStore.layerUrl({ url, migrate: true, maxConnections: 4 }))
  atEnd(() => runtime.dispose())
  const store = await runtime.runPromise(BoxOfficeStore)
  const sql = openSql(url)
  const tables = await sql<{ name: string }>(`
    SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
    WHERE table_schema = 'boxoffice' AND table_type = 'BASE TABLE' AND table_name <> 'migration'`)
  const seen = new Map<string, number>()
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)

  const play = (history: ReadonlyArray<Command>) =>
    Effect.gen(function* () {
      yield* Effect.promise(async () => {
        await sql("SET session_replication_role = replica")
        await sql(`TRUNCATE ${tables.map(({ name }) => name).join(", ")} RESTART IDENTITY`)
        await sql("SET session_replication_role = origin")
      })
      const database = yield* makeMemoryDatabase()
      const memoryStore = yield* Effect.provide(
        Effect.service(BoxOfficeStore),
        database.layerStore()
      )
      const memory = yield* openSide("memory", memoryStore, (ms) =>
        Effect.sync(() => database.stepClock(ms))
      )
      const server = yield* openSide("Postgres", store, (ms) =>
        Effect.asVoid(Effect.promise(() => sql(passTime(ms))))
      )
      const story: Array<string> = []
      const same = (what: string, mine: unknown, theirs: unknown) => {
        const [told, real] = [comparable(mine, database.now()), comparable(theirs, Date.now())]
        if (told === real) return Effect.void
        const lines = real.split("\n")
        const differing = told
          .split("\n")
          .flatMap((line, i) =>
            line === lines[i] ? [] : [`  memory:   ${line}`, `  Postgres: ${lines[i]}`]
          )
        return Effect.fail([...story, `${what} differ:`, ...differing.slice(0, 20)].join("\n"))
      }
      let before: readonly [Command, number] = [history[0]!, 0]
      for (const [n, given] of history.entries()) {
        const [command, number] = given._tag === "repeat" ? before : [given, n]
        before = [command, number]
        story.push(JSON.stringify(given))
        const answers: Array<unknown> = []
        for (const side of [memory, server]) {
          const result = yield* Effect.result(runCommand(side, command, number))
          answers.push(
            Result.isSuccess(result)
              ? { answer: result.success }
              : { refusal: (result.failure as { readonly _tag: string })._tag }
          )
          if (side === server) count(`${given._tag}: ${Result.isSuccess(result)}`)
        }
        yield* same("the answers", answers[0], answers[1])
        yield* same("the readings", yield* readStore(memory.store), yield* readStore(server.store))
        const rows = yield* Effect.promise(() => rowsOnServer(sql))
        yield* same("the rows", rowsInMemory(database.inspect()), rows)
      }
      return true
    }).pipe(Effect.scoped)

  const result = await Effect.runPromise(
    Arbitrary.checkEffect(histories, play, { seed, runs, maxShrinks: 60, size: 40 })
  )
  if (process.env.STATS) console.log(new Map([...seen].sort()))
  if (result._tag !== "Passed") {
    const isStory = result._tag === "Falsified" && result.failure._tag !== "ReturnedFalse"
    const story = isStory ? result.failure.error : Arbitrary.formatCheckFailure(result)
    throw new Error(`Again with SEED=${JSON.stringify(seed)} HISTORIES=${runs}\n${story}`)
  }
  if (runs < 12) return
  for (const what of ["join: true", "hold: true", "pay: true", "consume: true"]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
  }
})
