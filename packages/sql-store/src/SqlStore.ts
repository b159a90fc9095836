/** The store on Postgres 15 or newer. */

import { BoxOfficeStore, type StoreUnavailable } from "@boxoffice/core"
import { PgClient, PgPool } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import {
  insertPerformance,
  insertQueue,
  insertSeats,
  insertShow,
  updateQueue
} from "./catalog/add.ts"
import { makeDeliveries } from "./deliveries/deliveries.ts"
import { isDuplicate, isOrphan, unavailable } from "./failure.ts"
import { type MigrationBlocked, migrate, type SchemaMismatch, verify } from "./Migrator.ts"
import { makeOutbox } from "./outbox/outbox.ts"
import { Flight, type Query, type Row, runQuery } from "./Query.ts"
import { readLapsed } from "./read/lapsed.ts"
import { readPerformance, readPerformanceNow, readPerformances } from "./read/performances.ts"
import { readQueue, readQueues } from "./read/queues.ts"
import { readReservation, readReservations } from "./read/reservations.ts"
import { readSeats } from "./read/seats.ts"
import { readShow, readShows } from "./read/shows.ts"
import { readGates } from "./read/tokens.ts"
import { readTransfer, readTransfers, readWallet } from "./read/wallets.ts"
import type { InTransaction } from "./save/inTransaction.ts"
import { type SchemaName, schemaName } from "./schemaName.ts"
import { makeTransact } from "./transact.ts"

export interface SqlStoreOptions {
  /** The schema that holds the tables: 1 to 63 of `a-z 0-9 _`. Default `boxoffice`. */
  readonly schema?: string | undefined
  /**
   * Whether to bring the schema up to date at start. By default it is only verified: a host's
   * database is never altered unasked.
   */
  readonly migrate?: boolean | undefined
  /** The most connections the store opens, 2 or more. Default: the client's, or else 10. */
  readonly maxConnections?: number | undefined
  /** Writes rows of the host's own together with the events of each batch. */
  readonly inTransaction?: InTransaction | undefined
}

/**
 * The store, on the database that the client connects to.
 *
 * The client itself serves the migrator alone. The store opens its own connections with the
 * client's settings, since it sends all statements of a phase before it waits for the first
 * answer, and a connection that a client lends waits for each. Most carry one batch each; a
 * quarter, at most four, are shared by all reads.
 */
export const layer = (
  options: SqlStoreOptions = {}
): Layer.Layer<
  BoxOfficeStore,
  SchemaMismatch | MigrationBlocked | StoreUnavailable,
  PgClient.PgClient
> => Layer.effect(BoxOfficeStore, Effect.catchTag(make(options), "SqlError", fail))

/** The store on the database of a URL, such as `postgres://user:password@host:5432/name`. */
export const layerUrl = ({
  url,
  ...options
}: SqlStoreOptions & { readonly url: string }): Layer.Layer<
  BoxOfficeStore,
  SchemaMismatch | MigrationBlocked | StoreUnavailable
> =>
  layer(options).pipe(
    Layer.provide(PgClient.layer({ url: Redacted.make(url) })),
    Layer.catchTag("SqlError", (error: SqlError) => Layer.effect(BoxOfficeStore, fail(error)))
  )

const fail = (error: SqlError) => Effect.fail(unavailable(error))

const make = (options: SqlStoreOptions) =>
  Effect.gen(function* () {
    const schema = schemaName(options.schema ?? "boxoffice")
    const client = yield* PgClient.PgClient
    yield* options.migrate ? migrate(options) : verify(options)

    const config: PgClient.PgPoolConfig = client.config
    const connections = Math.max(2, options.maxConnections ?? config.maxConnections ?? 10)
    const readers = Math.max(1, Math.min(4, connections >> 2))
    // The driver's own types: a client may have been given others.
    const own = { ...config, types: undefined, multiplex: true }
    const reads = yield* PgPool.make({ ...own, minConnections: 0, maxConnections: readers })
    const batches = yield* PgPool.make({
      ...own,
      // A batch has its connection to itself, and only so may it send statements ahead.
      multiplexConcurrency: 1,
      maxConnections: connections - readers
    })
    return BoxOfficeStore.of({
      transact: makeTransact(batches, schema, options.inTransaction),
      ...makeReads(reads, schema),
      ...makeAdditions(reads, schema)
    })
  })

const makeReads = (pool: PgPool.PgPool, schema: SchemaName) => {
  const reading =
    <Args extends Row, A>(name: string, query: (...args: Args) => Query<A>) =>
    (...args: Args): Effect.Effect<A, StoreUnavailable> =>
      pool
        .use((connection) => runQuery(connection, query(...args)))
        .pipe(Effect.mapError(unavailable), Effect.withSpan(`SqlStore.${name}`))

  const seats = readSeats(schema)
  const performanceNow = readPerformanceNow(schema)
  return {
    outbox: makeOutbox(schema)(reading),
    deliveries: makeDeliveries(schema)(reading),
    gates: reading("gates", readGates(schema)),
    queue: reading("queue", readQueue(schema)),
    queues: reading("queues", readQueues(schema)),
    show: reading("show", readShow(schema)),
    shows: reading("shows", readShows(schema)),
    performance: reading("performance", readPerformance(schema)),
    performances: reading("performances", readPerformances(schema)),
    reservation: reading("reservation", readReservation(schema)),
    reservations: reading("reservations", readReservations(schema)),
    wallet: reading("wallet", readWallet(schema)),
    transfer: reading("transfer", readTransfer(schema)),
    transfers: reading("transfers", readTransfers(schema)),
    lapsed: reading("lapsed", readLapsed(schema)),
    ping: reading("ping", () => ({ sql: "SELECT 1", params: [], read: () => {} }))(),
    seats: (performanceId: Parameters<typeof seats>[0]) =>
      pool
        .use((connection) => {
          // The clock behind the seats: no hold is older than it, and none looks fresher.
          const flight = new Flight()
          const found = flight.add(seats(performanceId))
          const performance = flight.add(performanceNow(performanceId))
          return Effect.map(flight.run(connection), () => {
            const read = performance()
            return read && { ...read, ...found() }
          })
        })
        .pipe(Effect.mapError(unavailable), Effect.withSpan("SqlStore.seats"))
  }
}

const makeAdditions = (pool: PgPool.PgPool, schema: SchemaName) => {
  const run = <A>(query: Query<A>) => pool.use((connection) => runQuery(connection, query))
  const adding =
    <Args extends Row>(query: (...args: Args) => Query<void>) =>
    (...args: Args): Effect.Effect<"added" | "exists" | "missing", StoreUnavailable> =>
      Effect.matchEffect(run(query(...args)), {
        onSuccess: () => Effect.succeed("added" as const),
        onFailure: (error) => {
          if (isDuplicate(error)) return Effect.succeed("exists" as const)
          if (isOrphan(error)) return Effect.succeed("missing" as const)
          return Effect.fail(unavailable(error))
        }
      })
  const addQueue = adding(insertQueue(schema))
  const configureQueue = updateQueue(schema)
  return {
    addQueue: (...args: Parameters<typeof addQueue>) =>
      // A queue belongs to nothing that could be missing.
      Effect.map(addQueue(...args), (added) => (added === "exists" ? added : ("added" as const))),
    addShow: adding(insertShow(schema)),
    addPerformance: adding(insertPerformance(schema)),
    addSeats: adding(insertSeats(schema)),
    configureQueue: (...args: Parameters<typeof configureQueue>) =>
      Effect.mapError(run(configureQueue(...args)), unavailable)
  }
}
