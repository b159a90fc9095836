/** What operators do. */
import {
  AlreadyExists,
  BoxOfficeStore,
  Catalog,
  commandIdOf,
  IdempotencyConflict,
  newCommandId,
  Payments,
  Queue,
  seatStatusAt
} from "@boxoffice/core"
import {
  type NewSeat,
  Performance,
  type PerformanceId,
  PerformanceNotFound,
  QueueId,
  type SeatOnMap,
  Show,
  ShowId
} from "@boxoffice/core/schema"
import { Effect, Schema } from "effect"
import { AdminApi, codesBodyLimit, seatsBodyLimit } from "../api/admin.ts"
import { cursorOf, toCursor } from "../cursor.ts"
import { Reply, route } from "../route.ts"

const endpoints = AdminApi.endpoints
const showCursor = cursorOf(ShowId)
const queueCursor = cursorOf(QueueId)
const offsetCursor = cursorOf(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))

export const adminRoutes = Effect.gen(function* () {
  const queue = yield* Queue
  const catalog = yield* Catalog
  const payments = yield* Payments
  const store = yield* BoxOfficeStore

  return [
    route(endpoints.createQueue, (call) => {
      const queueId = call.payload.queueId ?? QueueId.make(newId("createQueue", call))
      const { settings, opensAt } = call.payload
      return create(call, queueId !== call.payload.queueId, {
        make: queue.create({ queueId, settings, opensAt }),
        find: Effect.orDie(queue.get(queueId)),
        isSame: (found) =>
          found.opening?.opensAt.getTime() === opensAt?.getTime() &&
          Object.entries(settings ?? {}).every(
            ([name, value]) => found.settings[name as keyof typeof found.settings] === value
          ),
        location: `/v1/admin/queues/${queueId}`
      })
    }),
    route(endpoints.queues, ({ query }) =>
      Effect.gen(function* () {
        const after = yield* queueCursor(query.cursor)
        const { items, next } = yield* queue.list({ limit: query.limit, after })
        return { items, nextCursor: toCursor(next) }
      })
    ),
    route(endpoints.queue, ({ params }) => queue.get(params.queueId)),
    route(endpoints.configureQueue, ({ params, payload }) =>
      queue.configure(params.queueId, payload.settings)
    ),
    route(endpoints.pauseQueue, ({ params }) => queue.setMode(params.queueId, "paused")),
    route(endpoints.resumeQueue, ({ params }) => queue.setMode(params.queueId, "open")),
    route(endpoints.drainQueue, ({ params }) => queue.setMode(params.queueId, "draining")),
    route(endpoints.closeQueue, ({ params }) => queue.setMode(params.queueId, "closed")),
    route(endpoints.rescheduleQueue, ({ params, payload }) =>
      queue.reschedule(params.queueId, payload.opensAt)
    ),
    route(
      endpoints.addCodes,
      ({ params: { queueId }, payload: { codes, uses } }) =>
        Effect.map(queue.addCodes({ queueId, codes, uses }), () => ({
          queueId: queueId as QueueId,
          added: codes.length
        })),
      { bodyLimit: codesBodyLimit }
    ),

    route(endpoints.createShow, (call) => {
      const { showId: given, title, queueId, salesOpenAt, salesCloseAt } = call.payload
      const showId = given ?? ShowId.make(newId("createShow", call))
      const show: Show = {
        showId,
        title,
        queueId,
        salesOpenAt: salesOpenAt ?? null,
        salesCloseAt: salesCloseAt ?? null
      }
      return create(call, given === undefined, {
        make: catalog.addShow(show),
        find: Effect.orDie(catalog.show(showId)),
        isSame: (found) => sameJson(Show, found, show),
        location: `/v1/shows/${showId}`
      })
    }),
    route(endpoints.shows, ({ query }) =>
      Effect.gen(function* () {
        const after = yield* showCursor(query.cursor)
        const { items, next } = yield* catalog.shows({ limit: query.limit, after })
        return { items, nextCursor: toCursor(next) }
      })
    ),

    route(endpoints.createPerformance, (call) => {
      const { performanceId: given, startsAt, timeZone } = call.payload
      const performanceId = given ?? newId("createPerformance", call)
      const performance = {
        performanceId: performanceId as PerformanceId,
        showId: call.params.showId as ShowId,
        startsAt,
        timeZone
      }
      return Effect.andThen(
        // Refuses a show that cannot exist as one that does not.
        catalog.show(call.params.showId),
        create(call, given === undefined, {
          make: catalog.addPerformance(performance),
          find: store.performance(performance.performanceId),
          isSame: (found) => found !== undefined && sameJson(Performance, found, performance),
          location: `/v1/admin/performances/${performanceId}/seats`
        })
      ).pipe(Effect.map((reply) => reply as Reply<Performance>))
    }),
    route(endpoints.performances, ({ params, query }) =>
      Effect.gen(function* () {
        const all = yield* catalog.performances(params.showId)
        return yield* pageOf(all, query, (row) => ({
          performanceId: row.performanceId,
          showId: row.showId,
          startsAt: new Date(row.startsAt),
          timeZone: row.timeZone,
          availableSeats: row.availableSeats,
          totalSeats: row.totalSeats
        }))
      })
    ),

    route(
      endpoints.addSeats,
      ({ params, payload, idempotencyKey, onReplay }) =>
        Effect.gen(function* () {
          const performanceId = params.performanceId as PerformanceId
          const { seats } = payload
          if ((yield* store.performance(performanceId)) === undefined) {
            return yield* new PerformanceNotFound()
          }
          yield* Effect.catchTag(
            catalog.addSeats({ performanceId, seats }),
            "AlreadyExists",
            (error) =>
              Effect.gen(function* () {
                if (idempotencyKey === undefined) return yield* error
                if (!hasSeats((yield* store.seats(performanceId))?.seats ?? [], seats)) {
                  return yield* error
                }
                onReplay()
              })
          )
          return { performanceId, added: seats.length }
        }),
      { bodyLimit: seatsBodyLimit }
    ),
    route(endpoints.seats, ({ params, query }) =>
      Effect.gen(function* () {
        const read = yield* store.seats(params.performanceId as PerformanceId)
        if (read === undefined) return yield* new PerformanceNotFound()
        return yield* pageOf(
          read.seats,
          query,
          (row): SeatOnMap => ({ ...row, status: seatStatusAt(row, read.now) })
        )
      })
    ),

    route(endpoints.refund, ({ params, idempotencyKey, onReplay }) =>
      payments.refund({ paymentId: params.paymentId, idempotencyKey, onReplay })
    )
  ]
})

const operator = "operator"

interface Keyed {
  readonly idempotencyKey: string | undefined
  readonly onReplay: () => void
}

/** An id for what is created without one: the same for the same key, so that a retry finds it. */
const newId = (operation: string, { idempotencyKey }: Keyed): string =>
  idempotencyKey === undefined ? newCommandId() : commandIdOf(operator, operation, idempotencyKey)

/** Creates, or finds that a request with the same key has created the same thing before. */
const create = <A, E, E2, R, R2, B>(
  { idempotencyKey, onReplay }: Keyed,
  isNamedByKey: boolean,
  thing: {
    readonly make: Effect.Effect<A, E | AlreadyExists, R>
    readonly find: Effect.Effect<B, E2, R2>
    readonly isSame: (found: B) => boolean
    readonly location: string
  }
) =>
  thing.make.pipe(
    Effect.catchIf(
      (error): error is AlreadyExists & E => error instanceof AlreadyExists,
      (error) =>
        idempotencyKey === undefined
          ? Effect.fail(error)
          : Effect.flatMap(
              thing.find,
              (found): Effect.Effect<B, AlreadyExists | IdempotencyConflict> => {
                if (!thing.isSame(found)) {
                  return Effect.fail(isNamedByKey ? new IdempotencyConflict() : error)
                }
                onReplay()
                return Effect.succeed(found)
              }
            )
    ),
    Effect.map((made) => new Reply(made, { headers: { location: thing.location } }))
  )

const sameJson = <S extends Schema.Codec<unknown, unknown>>(
  schema: S,
  a: S["Type"],
  b: S["Type"]
): boolean => {
  const encode = Schema.encodeUnknownSync(schema as Schema.Codec<unknown>)
  return JSON.stringify(encode(a)) === JSON.stringify(encode(b))
}

/** Whether all of some new seats are there, just so. */
const hasSeats = (
  there: ReadonlyArray<Omit<NewSeat, "blocked">>,
  seats: ReadonlyArray<NewSeat>
): boolean => {
  const known = new Map(there.map((seat) => [seat.seatId, seat]))
  return seats.every((seat) => {
    const found = known.get(seat.seatId)
    return (
      found !== undefined &&
      found.section === seat.section &&
      found.row === seat.row &&
      found.number === seat.number &&
      found.price.amount === seat.price.amount &&
      found.price.currency === seat.price.currency
    )
  })
}

/** A page of a list that is short enough to be read whole. */
const pageOf = <Row, Item>(
  rows: ReadonlyArray<Row>,
  query: { readonly limit?: number; readonly cursor?: string },
  toItem: (row: Row) => Item
) =>
  Effect.map(offsetCursor(query.cursor), (begin = 0) => {
    const end = begin + (query.limit ?? 50)
    return {
      items: rows.slice(begin, end).map(toItem),
      nextCursor: toCursor(end < rows.length ? end : null)
    }
  })
