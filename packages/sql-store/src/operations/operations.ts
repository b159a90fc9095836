/** All operations of a store besides batches, whatever runs their statements. */
import type { StoreUnavailable } from "@boxoffice/core"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { Pipeline } from "../Pipeline.ts"
import type { Query, Row } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import {
  clearDepartures,
  clearOutcomes,
  clearPresence,
  clearReservations,
  clearTokens
} from "./clear.ts"
import { makeDeliveries } from "./deliveries.ts"
import { readLapsed } from "./lapsed.ts"
import { makeOutbox } from "./outbox/outbox.ts"
import { readPerformance, readPerformanceNow, readPerformances } from "./performances.ts"
import { markSeen } from "./presence.ts"
import { readQueueSnapshot } from "./queueSnapshot.ts"
import { readQueue, readQueues } from "./queues.ts"
import { readPaid, readReservation, readReservations } from "./reservations.ts"
import { readSeats } from "./seats.ts"
import { readShow, readShows } from "./shows.ts"
import { readTokens } from "./tokens.ts"
import { readTransfers, readWallet } from "./wallets.ts"

/** Runs statements on a connection of the store, or on a client that a host gave. */
export interface StatementRunner {
  readonly run: <A>(query: Query<A>) => Effect.Effect<A, SqlError>
  readonly runPipeline: (pipeline: Pipeline) => Effect.Effect<void, SqlError>
  /** Turns an SQL error into the error of the store. */
  readonly fault: (error: SqlError) => StoreUnavailable
}

/** Builds the statements once for a schema. Each call can bring its own runner. */
export const makeOperations = (schema: SchemaName) => {
  const queries = {
    readTokens: readTokens(schema),
    readQueue: readQueueSnapshot(schema),
    markSeen: markSeen(schema),
    clearTokens: clearTokens(schema),
    clearDepartures: clearDepartures(schema),
    clearPresence: clearPresence(schema),
    clearReservations: clearReservations(schema),
    clearOutcomes: clearOutcomes(schema),
    queue: readQueue(schema),
    queues: readQueues(schema),
    show: readShow(schema),
    shows: readShows(schema),
    performance: readPerformance(schema),
    performances: readPerformances(schema),
    reservation: readReservation(schema),
    reservations: readReservations(schema),
    wallet: readWallet(schema),
    paid: readPaid(schema),
    transfers: readTransfers(schema),
    lapsed: readLapsed(schema),
    ping: () => ({ sql: "SELECT 1", params: [], read: () => {} })
  }
  const outbox = makeOutbox(schema)
  const deliveries = makeDeliveries(schema)
  const seats = readSeats(schema)
  const performanceNow = readPerformanceNow(schema)

  return ({ run, runPipeline, fault }: StatementRunner) => {
    const reading =
      <Args extends Row, A>(name: string, query: (...args: Args) => Query<A>) =>
      (...args: Args): Effect.Effect<A, StoreUnavailable> =>
        run(query(...args)).pipe(Effect.mapError(fault), Effect.withSpan(`SqlStore.${name}`))
    return {
      outbox: outbox(reading),
      deliveries: deliveries(reading),
      readTokens: reading("readTokens", queries.readTokens),
      readQueue: reading("readQueue", queries.readQueue),
      markSeen: reading("markSeen", queries.markSeen),
      clearTokens: (olderThanMs: number, limit: number) =>
        reading("clearPresence", queries.clearPresence)().pipe(
          Effect.andThen(reading("clearDepartures", queries.clearDepartures)(limit)),
          Effect.andThen(reading("clearTokens", queries.clearTokens)(olderThanMs, limit))
        ),
      clearReservations: reading("clearReservations", queries.clearReservations),
      clearOutcomes: reading("clearOutcomes", queries.clearOutcomes),
      queue: reading("queue", queries.queue),
      queues: reading("queues", queries.queues),
      show: reading("show", queries.show),
      shows: reading("shows", queries.shows),
      performance: reading("performance", queries.performance),
      performances: reading("performances", queries.performances),
      reservation: reading("reservation", queries.reservation),
      reservations: reading("reservations", queries.reservations),
      wallet: reading("wallet", queries.wallet),
      paid: reading("paid", queries.paid),
      transfers: reading("transfers", queries.transfers),
      lapsed: reading("lapsed", queries.lapsed),
      ping: reading("ping", queries.ping)(),
      closing: Effect.void,
      seats: (...asked: Parameters<typeof seats>) => {
        // The clock is read behind the seats: no hold began after it, and none seems to have longer
        // to go than it has.
        const pipeline = new Pipeline()
        const found = pipeline.add(seats(...asked))
        const performance = pipeline.add(performanceNow(asked[0]))
        return runPipeline(pipeline).pipe(
          Effect.map(() => {
            const read = performance()
            const { version, seats } = found()
            return read && { ...read, version, seats }
          }),
          Effect.mapError(fault),
          Effect.withSpan("SqlStore.seats")
        )
      }
    }
  }
}
