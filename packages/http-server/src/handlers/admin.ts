/** The operators' API: queues, shows, performances, seats and refunds. */
import { BoxOfficeStore, Catalog, type CommandOptions, Payments, Queue } from "@boxoffice/core"
import {
  isCatalogKey,
  type PerformanceId,
  PerformanceNotFound,
  QueueId,
  type SeatOnMap,
  ShowId,
  ShowNotFound
} from "@boxoffice/core/schema"
import { commandIdOf, newCommandId, seatStatusAt } from "@boxoffice/core/store"
import { Effect, Schema } from "effect"
import { AdminApi, codesBodyLimit, seatsBodyLimit } from "../api/admin.ts"
import { cursorOf, pagesOf, toCursor } from "../http/pageCursor.ts"
import { Reply, route } from "../http/route.ts"

const endpoints = AdminApi.endpoints
const showPages = pagesOf(ShowId)
const queuePages = pagesOf(QueueId)
const offsetCursor = cursorOf(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))

export const adminRoutes = Effect.gen(function* () {
  const queue = yield* Queue
  const catalog = yield* Catalog
  const payments = yield* Payments
  const store = yield* BoxOfficeStore

  return [
    route(endpoints.createQueue, (call) => {
      const { settings, opensAt } = call.payload
      const queueId = call.payload.queueId ?? newId("createQueue", call)
      return Effect.map(
        queue.create({ queueId, settings, opensAt, ...keyOf(call) }),
        created(`/v1/admin/queues/${queueId}`)
      )
    }),
    route(endpoints.queues, ({ query }) => queuePages(query, queue.list)),
    route(endpoints.queue, ({ params }) => queue.get(params.queueId)),
    route(endpoints.configureQueue, (call) =>
      queue.configure(call.params.queueId, call.payload.settings, keyOf(call))
    ),
    route(endpoints.pauseQueue, (call) =>
      queue.setMode(call.params.queueId, "paused", keyAt("pauseQueue", call))
    ),
    route(endpoints.resumeQueue, (call) =>
      queue.setMode(call.params.queueId, "open", keyAt("resumeQueue", call))
    ),
    route(endpoints.drainQueue, (call) =>
      queue.setMode(call.params.queueId, "draining", keyAt("drainQueue", call))
    ),
    route(endpoints.closeQueue, (call) =>
      queue.setMode(call.params.queueId, "closed", keyAt("closeQueue", call))
    ),
    route(endpoints.rescheduleQueue, (call) =>
      queue.reschedule(call.params.queueId, call.payload.opensAt, keyOf(call))
    ),
    route(
      endpoints.addCodes,
      (call) => queue.addCodes({ ...call.params, ...call.payload, ...keyOf(call) }),
      { bodyLimit: codesBodyLimit }
    ),

    route(endpoints.createShow, (call) => {
      const showId = call.payload.showId ?? newId("createShow", call)
      return Effect.map(
        catalog.addShow({ ...call.payload, showId, ...keyOf(call) }),
        created(`/v1/shows/${asSegment(showId)}`)
      )
    }),
    route(endpoints.shows, ({ query }) => showPages(query, catalog.shows)),

    route(endpoints.createPerformance, (call) =>
      Effect.gen(function* () {
        const { showId } = call.params
        // A text that cannot be a show's id is the id of no show.
        if (!isCatalogKey(showId)) return yield* new ShowNotFound()
        const { startsAt, timeZone } = call.payload
        const performanceId = call.payload.performanceId ?? newId("createPerformance", call)
        const performance = { performanceId, showId, startsAt, timeZone }
        const added = yield* catalog.addPerformance({ ...performance, ...keyOf(call) })
        return created(`/v1/admin/performances/${asSegment(performanceId)}/seats`)(added)
      })
    ),
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
      (call) =>
        Effect.gen(function* () {
          const { performanceId } = call.params
          if (!isCatalogKey(performanceId)) return yield* new PerformanceNotFound()
          const { seats } = call.payload
          return created()(yield* catalog.addSeats({ performanceId, seats, ...keyOf(call) }))
        }),
      { bodyLimit: seatsBodyLimit }
    ),
    route(endpoints.seats, ({ params, query }) =>
      Effect.gen(function* () {
        const performanceId = params.performanceId as PerformanceId
        const read = isCatalogKey(performanceId) ? yield* store.seats(performanceId) : undefined
        if (read === undefined) return yield* new PerformanceNotFound()
        return yield* pageOf(
          read.seats,
          query,
          (row): SeatOnMap => ({ ...row, status: seatStatusAt(row, read.now) })
        )
      })
    ),

    route(endpoints.refund, (call) => payments.refund({ ...call.params, ...keyOf(call) }))
  ]
})

const operator = "operator"

interface Keyed {
  readonly idempotencyKey: string | undefined
  readonly onReplay: () => void
}

const keyOf = ({ idempotencyKey, onReplay }: Keyed): CommandOptions => ({
  idempotencyKey,
  onReplay
})

/** Scopes a key to its operation: the same text for `pause` and `resume` makes two keys. */
const keyAt = (operation: string, { idempotencyKey, onReplay }: Keyed): CommandOptions => ({
  idempotencyKey: idempotencyKey && commandIdOf(operator, operation, idempotencyKey),
  onReplay
})

/**
 * An id for a new resource without one. The same key gives the same id, so that a retry finds it.
 */
const newId = (operation: string, { idempotencyKey }: Keyed): string =>
  idempotencyKey === undefined ? newCommandId() : commandIdOf(operator, operation, idempotencyKey)

/** An id as a path segment: percent-encoded, except for colons. */
const asSegment = (id: string): string => encodeURIComponent(id).replaceAll("%3A", ":")

/** 201 for a new resource; 200 if an identical one existed already. */
const created =
  (location?: string) =>
  <A extends { readonly created: boolean }>(made: A): Reply<A> =>
    new Reply(made, {
      status: made.created ? 201 : 200,
      ...(location !== undefined && { headers: { location } })
    })

/** A page of a list that the store reads as a whole. */
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
