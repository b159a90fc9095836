/** API 4: reservations. */
import { Reservations } from "@boxoffice/core"
import { ReservationCursor } from "@boxoffice/core/schema"
import { Effect } from "effect"
import { ReservationApi } from "../api/reservation.ts"
import { pagesOf } from "../http/pageCursor.ts"
import { Reply, route } from "../http/route.ts"

const endpoints = ReservationApi.endpoints

const reservationPages = pagesOf(ReservationCursor)

export const reservationRoutes = Effect.gen(function* () {
  const reservations = yield* Reservations

  return [
    route(endpoints.hold, ({ userId, queueToken, payload, idempotencyKey, onReplay }) =>
      Effect.map(
        reservations.hold({ userId, queueToken, ...payload, idempotencyKey, onReplay }),
        (held) =>
          new Reply(held, { headers: { location: `/v1/reservations/${held.reservationId}` } })
      )
    ),

    route(endpoints.list, ({ userId, query }) =>
      reservationPages(query, (page) => reservations.list({ userId, ...page }))
    ),

    route(endpoints.get, ({ userId, params }) =>
      reservations.get({ userId, reservationId: params.reservationId })
    ),

    route(endpoints.release, ({ userId, params }) =>
      reservations.release({ userId, reservationId: params.reservationId })
    )
  ]
})
