import { BoxOffice, BoxOfficeStore, layerOf } from "@boxoffice/core"
import { conformanceTests } from "@boxoffice/core/testing"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Exit, Layer, ManagedRuntime, Redacted, Scope } from "effect"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createTestDatabase, type TestDatabase } from "../../../../test-support/database.ts"
import { Host, Migrator, SqlStore } from "../../src/index.ts"
import { passTime } from "../support.ts"
import { hosts, type OpenHost } from "./hosts.ts"
import { charge, dropOnceLeft, openWorld, signingKeys, type World } from "./world.ts"

const pools = Object.entries(hosts).filter(([name]) => !/Client|unprepared/.test(name))

/**
 * These hand every statement and its texts on to a driver whose own pool is tested with everything.
 * For them it is enough that each statement of the store is answered, and that transactions that
 * compete end well: they run the tests below. `FULL=1` runs all, for every pool.
 */
const wrappers = ["Drizzle on pg", "Drizzle on postgres.js", "Kysely", "TypeORM"]
const brief = [
  // Together these send every statement.
  "lists come in pages that join up",
  "the engine refuses a missing show, performance or queue as not found",
  "an admitted user who misses the claim window expires, and the next user is admitted",
  "a queue that an operator closes expires its waiting tokens and never opens again",
  "the store deletes tokens that ended long ago and keeps the others",
  "before the opening, users of both lanes see when it is, and no estimated wait",
  "a user's reservations come newest first, in pages",
  "amounts past 2^53 come back exactly",
  "a user without a wallet can pay for a free seat, and an operator can refund it",
  "a consumer gets the events of a sale typed, exact and in order",
  "every consumer gets every event",
  "an operator resets a consumer to the next event, or removes it",
  "the store deletes only old events that every consumer has passed",
  "the store returns the first due webhook of each aggregate, and none that was given up",
  "the deliveries of an endpoint that is no more are deleted, and no others",
  "reservations that ended unpaid long ago are deleted, all others stay",
  "the engine repeats the outcome of a key until the store deletes it as too old",
  "the store deletes webhooks that were given up long ago, and never a waiting one",
  // And here transactions compete.
  "200 callers on one seat: one has it",
  "more holds at once than connections all finish",
  "one payment key, 100 times at once: one effect, one answer",
  "a storm of holds, releases, charges, pays and refunds leaves every account right"
]
const testsOf = (pool: string) =>
  wrappers.includes(pool) && !process.env.FULL
    ? conformanceTests.filter(({ name }) => brief.includes(name))
    : conformanceTests

/**
 * The statements that each test sent to the pool of `pg`, and those sent as its store was opened.
 */
const opening = "opening"
const sent = new Map<string, Set<string>>()
const noting = (pool: Host.HostPool, test: () => string): Host.HostPool => {
  const note = (client: Host.HostClient): Host.HostClient => ({
    ...client,
    query: (text, params) => {
      const statements = sent.get(test()) ?? new Set()
      sent.set(test(), statements.add(text))
      return client.query(text, params)
    }
  })
  return {
    ...note(pool),
    transaction: (work) => pool.transaction((client) => work(note(client)))
  }
}

test("the brief list has tests of the suite", () => {
  const names = conformanceTests.map(({ name }) => name)
  expect(brief.filter((name) => !names.includes(name))).toEqual([])
})

describe.each(pools)("conformance: the pool of %s", (name, open) => {
  let running = opening
  let host: OpenHost
  let database: TestDatabase
  let runtime: ManagedRuntime.ManagedRuntime<BoxOfficeStore | PgClient.PgClient, unknown>
  beforeAll(async () => {
    database = await createTestDatabase()
    const client = PgClient.layer({ url: Redacted.make(database.url) })
    await Effect.runPromise(Effect.provide(Migrator.migrate(), client))
    host = await open(database.url)
    const pool = name === "pg Pool" ? noting(host.pool!, () => running) : host.pool!
    runtime = ManagedRuntime.make(Layer.mergeAll(SqlStore.layerPool(pool), client))
    await runtime.runPromise(BoxOfficeStore)
  }, 60_000)
  afterAll(async () => {
    await runtime.dispose()
    await host.close()
    await dropOnceLeft(database)
  })

  for (const conformanceTest of testsOf(name)) {
    test(conformanceTest.name, () => {
      running = conformanceTest.name
      return runtime.runPromise(
        Effect.gen(function* () {
          const store = yield* BoxOfficeStore
          const sql = yield* PgClient.PgClient
          yield* conformanceTest.run({ store, passTime: (ms) => sql.unsafe(passTime(ms)) })
        })
      )
    })
  }

  if (name !== "pg Pool") return
  test("the brief list sends every statement that any test sends", () => {
    const statementsOf = (names: Iterable<string>) =>
      new Set(Array.from(names).flatMap((each) => [...(sent.get(each) ?? [])]))
    // Every pool sends those that a store begins with.
    const inBrief = statementsOf([opening, ...brief])
    expect(inBrief.size).toBeGreaterThan(50)
    const missing = [...sent].filter(([, statements]) =>
      [...statements].some((text) => !inBrief.has(text))
    )
    expect(missing, "add one of these tests to the list").toEqual([])
  })
})

describe("on a pool", () => {
  let world: World
  let pool: pg.Pool
  const scope = Scope.makeUnsafe()
  beforeAll(async () => {
    world = await openWorld()
    pool = new pg.Pool({ connectionString: world.url, max: 4 })
  })
  afterAll(async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await pool.end()
    await world.close()
  })

  /** An engine on what a test makes of the pool. */
  const officeOn = async (host: Host.HostPool) => {
    const options = { signingKeys, policies: { gate: [] } }
    const layer = layerOf(options).pipe(Layer.provide(SqlStore.layerPool(host)))
    const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
    return { office: Context.get(context, BoxOffice) }
  }
  const transfers = async (userId: string) => (await world.traces(userId, ""))[2]

  test("a commit whose answer was lost is found, and one that never arrived runs again", async () => {
    const host = Host.pg(pool)
    const lost = { committed: 0, rolledBack: 0 }
    const committing = await officeOn({
      ...host,
      transaction: async (work) => {
        const result = await host.transaction(work)
        if (lost.committed++ === 0) throw new Error("Connection terminated unexpectedly")
        return result
      }
    })
    await world.run(charge(committing, "ann"))
    expect([lost.committed, await transfers("ann")]).toEqual([1, 1])

    const failing = await officeOn({
      ...host,
      transaction: (work) =>
        host.transaction(async (client) => {
          const result = await work(client)
          if (lost.rolledBack++ === 0) throw new Error("Connection terminated unexpectedly")
          return result
        })
    })
    await world.run(charge(failing, "bob"))
    expect([lost.rolledBack, await transfers("bob")]).toEqual([2, 1])
  })

  test("a transaction begun at another isolation level is made READ COMMITTED", async () => {
    await world.query(`ALTER DATABASE ${new URL(world.url).pathname.slice(1)}
      SET default_transaction_isolation = 'serializable'`)
    const others = new pg.Pool({ connectionString: world.url, max: 4 })
    try {
      const nodes = [await officeOn(Host.pg(others)), world]
      const charges = Array.from({ length: 100 }, (_, n) => charge(nodes[n % 2]!, "eve", 1n))
      await world.run(Effect.all(charges, { concurrency: "unbounded" }))
      const { balance } = await world.run(world.office.wallet.balance({ userId: "eve" }))
      expect(balance.amount).toBe(100n)
    } finally {
      await others.end()
    }
  })

  test("a missing schema is reported, and not created", async () => {
    const database = await createTestDatabase()
    const empty = new pg.Pool({ connectionString: database.url })
    try {
      await expect(officeOn(Host.pg(empty))).rejects.toMatchObject({
        _tag: "SchemaMismatch",
        found: 0
      })
    } finally {
      await empty.end()
      await dropOnceLeft(database)
    }
  })

  test("an unreachable server is unavailable, and retryable", async () => {
    const nowhere = new pg.Pool({ connectionString: "postgres://nobody@127.0.0.1:1/nothing" })
    await expect(officeOn(Host.pg(nowhere))).rejects.toMatchObject({
      _tag: "StoreUnavailable",
      retryable: true
    })
    await nowhere.end()
  })
})
