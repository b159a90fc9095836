/** What these tests run on: a database with the engine's schema and a table of the host. */
import { BoxOffice, BoxOfficeStore, layerOf } from "@boxoffice/core"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Exit, Layer, ManagedRuntime, Redacted, Scope } from "effect"
import pg from "pg"
import { createTestDatabase, type TestDatabase } from "../../../../test-support/database.ts"
import { SqlStore } from "../../src/index.ts"

export const signingKeys = { k1: "a secret of at least thirty-two bytes" }
export const price = { amount: 5_000n, currency: "KRW" }

export type Office = BoxOffice["Service"]

/** An engine with connections of its own, and something to sell. Nothing is gated. */
export const openWorld = async (seats = 40) => {
  const database = await createTestDatabase()
  const client = PgClient.layer({ url: Redacted.make(database.url) })
  const store = Layer.provideMerge(SqlStore.layer({ migrate: true }), client)
  const layer = Layer.provideMerge(
    layerOf({ signingKeys, policies: { walletCeiling: 2n ** 62n, gate: [] } }),
    store
  )
  const runtime = ManagedRuntime.make(layer)
  const context = await runtime.context()
  const office = Context.get(context, BoxOffice)
  const scope = Scope.makeUnsafe()
  const engineStore = Context.get(context, BoxOfficeStore)
  const gatedLayer = Layer.provide(
    layerOf({ signingKeys }),
    Layer.succeed(BoxOfficeStore, engineStore)
  )
  const gated = Context.get(
    await Effect.runPromise(Layer.buildWithScope(gatedLayer, scope)),
    BoxOffice
  )
  const sql = Context.get(context, PgClient.PgClient)
  const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)

  await run(sql.unsafe("CREATE TABLE public.host_order (id text PRIMARY KEY)"))
  await run(office.queue.create({ queueId: "main" }))
  await run(
    office.catalog.addShow({
      showId: "gala",
      title: "Gala",
      queueId: "main",
      salesOpenAt: null,
      salesCloseAt: null
    })
  )
  await run(
    office.catalog.addPerformance({
      performanceId: "gala-1",
      showId: "gala",
      startsAt: new Date("2100-01-01T10:00:00Z"),
      timeZone: "Asia/Seoul"
    })
  )
  await run(
    office.catalog.addSeats({
      performanceId: "gala-1",
      seats: Array.from({ length: seats }, (_, i) => ({
        seatId: `A${i + 1}`,
        section: "A",
        row: "1",
        number: String(i + 1),
        price
      }))
    })
  )
  const query = <Row extends object = Record<string, unknown>>(text: string) =>
    run(sql.unsafe<Row>(text))
  return {
    url: database.url,
    office,
    /** Another engine on the same store, whose every operation wants a queue token. */
    gated,
    store: engineStore,
    query,
    run,
    /** The rows of a user and of an order of the host. */
    traces: async (userId: string, orderId: string) => {
      const [found] = await query<Record<string, bigint>>(`
        SELECT (SELECT count(*) FROM public.host_order WHERE id = '${orderId}') AS orders,
          (SELECT count(*) FROM boxoffice.reservation WHERE user_id = '${userId}') AS reservations,
          (SELECT count(*) FROM boxoffice.transfer WHERE user_id = '${userId}') AS transfers`)
      return Object.values(found!).map(Number)
    },
    close: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      await runtime.dispose()
      await dropOnceLeft(database)
    }
  }
}
/** Drops a database once all have left: a driver that closes a socket has not seen it closed. */
export const dropOnceLeft = async (database: TestDatabase) => {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const others = `SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`
  while (((await client.query(others)).rowCount ?? 0) > 0) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await client.end()
  await database.drop()
}
export type World = Awaited<ReturnType<typeof openWorld>>

export const hold = ({ office }: { office: Office }, userId: string, ...seatIds: Array<string>) =>
  office.reservations.hold({ userId, performanceId: "gala-1", seatIds })

export const charge = (
  { office }: { office: Office },
  userId: string,
  amount = price.amount,
  idempotencyKey?: string
) => office.wallet.charge({ userId, amount: { ...price, amount }, idempotencyKey })
