import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { PGlite } from "@electric-sql/pglite"
import { Effect, Fiber, Layer, Queue } from "effect"
import { afterAll, beforeAll, expect, test } from "vitest"
import { SqlStore } from "../src/index.ts"
import { makeStreams } from "../src/pglite/stream.ts"
import { layerPglite } from "../src/pglite.ts"
import { atEnd, charge, hold, id, openStore, pay, seedCatalog } from "./support.ts"

let db: PGlite
beforeAll(async () => {
  db = await PGlite.create()
})
afterAll(() => db.close())

/** Runs with a client of several connections over the one PGlite. */
const withClient = <A, E>(use: (sql: PgClient.PgClient) => Effect.Effect<A, E>) =>
  Effect.runPromise(
    Effect.provide(
      Effect.flatMap(PgClient.PgClient, use),
      PgClient.layer({ stream: makeStreams(db), username: "postgres", maxConnections: 4 })
    )
  )

test("a booking, kept from one start to the next", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "boxoffice-pglite-"))
  atEnd(async () => rmSync(dataDir, { recursive: true, force: true }))
  const open = (migrate: boolean) =>
    openStore(SqlStore.layer({ migrate }).pipe(Layer.provide(layerPglite({ dataDir }))))
  const first = await open(true)
  await seedCatalog(first)
  await charge(first, "ann", 20_000n)
  await pay(first, "ann", await hold(first, "ann", ["A-1", "A-2"]))
  await first.close()
  const second = await open(false)
  expect((await second.run(second.store.wallet(id.user("ann"))))!.balance).toBe(10_000n)
})

test("transactions of several connections take turns", async () => {
  await withClient((sql) =>
    Effect.gen(function* () {
      yield* sql`CREATE TABLE turns (n int)`
      const add = sql.withTransaction(
        Effect.gen(function* () {
          const [row] = yield* sql<{ n: bigint }>`SELECT count(*) AS n FROM turns`
          yield* Effect.yieldNow
          yield* sql`INSERT INTO turns VALUES (${row!.n})`
        })
      )
      yield* Effect.all(
        Array.from({ length: 20 }, () => add),
        { concurrency: "unbounded" }
      )
      const [row] = yield* sql<{ n: bigint }>`SELECT count(DISTINCT n) AS n FROM turns`
      expect(row!.n).toBe(20n)
    })
  )
})

test("errors are the server's own, and the connection takes the next statement", async () => {
  await withClient((sql) =>
    Effect.gen(function* () {
      yield* sql`CREATE TABLE once (k text CONSTRAINT once_only PRIMARY KEY)`
      yield* sql`INSERT INTO once VALUES ('a')`
      const error = yield* Effect.flip(sql`INSERT INTO once VALUES ('a')`)
      expect(error.reason).toMatchObject({ _tag: "UniqueViolation", constraint: "once_only" })
      const broken = yield* Effect.flip(
        sql.withTransaction(Effect.andThen(sql`INSERT INTO once VALUES ('b')`, sql`SELEC 1`))
      )
      expect(broken.reason._tag).toBe("SqlSyntaxError")
      expect(yield* sql`SELECT k FROM once`).toEqual([{ k: "a" }])
    })
  )
})

test("closing a connection in a transaction rolls it back, and the others go on", async () => {
  await db.exec("CREATE TABLE gone (n int)")
  await withClient((sql) =>
    Effect.gen(function* () {
      const leave = Effect.gen(function* () {
        const connection = yield* sql.reserve
        yield* connection.executeRaw("BEGIN", [])
        yield* connection.executeRaw("INSERT INTO gone VALUES (1)", [])
        // Statements still on their way when a connection is given back make the pool close it.
        yield* Effect.forkDetach(connection.executeRaw("SELECT pg_sleep(0.05)", []))
        yield* Effect.yieldNow
      })
      yield* Effect.scoped(leave)
      expect(yield* sql`SELECT n FROM gone`).toEqual([])
    })
  )
})

test("notifications reach every listening connection", async () => {
  await withClient((sql) =>
    Effect.scoped(
      Effect.gen(function* () {
        const heard = yield* sql.listen("news")
        const first = yield* Effect.forkChild(Queue.take(heard))
        yield* sql.notify("news", "hello")
        expect(yield* Fiber.join(first)).toMatchObject({ payload: "hello" })
      })
    )
  )
})

test("prepared statements of several connections do not collide, and end with theirs", async () => {
  const statements = "SELECT count(*)::int AS n FROM pg_prepared_statements WHERE name <> ''"
  const before = (await db.query<{ n: number }>(statements)).rows[0]!.n
  await withClient((sql) =>
    Effect.gen(function* () {
      const ask = (n: number) => sql<{ n: number }>`SELECT ${n}::int4 + 1 AS n, pg_sleep(0.001)`
      const all = yield* Effect.all(
        Array.from({ length: 40 }, (_, n) => ask(n)),
        { concurrency: 4 }
      )
      expect(all.map(([row]) => row!.n)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    })
  )
  await expect.poll(async () => (await db.query<{ n: number }>(statements)).rows[0]!.n).toBe(before)
})
