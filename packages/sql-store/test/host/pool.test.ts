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

describe.each(pools)("conformance: the pool of %s", (_, open) => {
  let host: OpenHost
  let database: TestDatabase
  let runtime: ManagedRuntime.ManagedRuntime<BoxOfficeStore | PgClient.PgClient, unknown>
  beforeAll(async () => {
    database = await createTestDatabase()
    const client = PgClient.layer({ url: Redacted.make(database.url) })
    await Effect.runPromise(Effect.provide(Migrator.migrate(), client))
    host = await open(database.url)
    runtime = ManagedRuntime.make(Layer.mergeAll(SqlStore.layerPool(host.pool!), client))
    await runtime.runPromise(BoxOfficeStore)
  }, 60_000)
  afterAll(async () => {
    await runtime.dispose()
    await host.close()
    await dropOnceLeft(database)
  })

  for (const conformanceTest of conformanceTests) {
    test(conformanceTest.name, { timeout: 30_000 }, () =>
      runtime.runPromise(
        Effect.gen(function* () {
          const store = yield* BoxOfficeStore
          const sql = yield* PgClient.PgClient
          yield* conformanceTest.run({ store, passTime: (ms) => sql.unsafe(passTime(ms)) })
        })
      )
    )
  }
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

  test("what is begun at another isolation level is made READ COMMITTED", async () => {
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

  test("a schema that is not there is told, and not made", async () => {
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

  test("a server that is away is unavailable, and that may pass", async () => {
    const nowhere = new pg.Pool({ connectionString: "postgres://nobody@127.0.0.1:1/nothing" })
    await expect(officeOn(Host.pg(nowhere))).rejects.toMatchObject({
      _tag: "StoreUnavailable",
      retryable: true
    })
    await nowhere.end()
  })
})
