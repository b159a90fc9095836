/** Holding seats: API 4. */
import { Reservation } from "@boxoffice/core/schema"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import {
  bodyFaults,
  created,
  faults,
  gate,
  idempotency,
  idempotencyKey,
  Name,
  PathId,
  page,
  pageOf,
  queueToken
} from "./common.ts"
import { Identity } from "./identity.ts"
import { errors } from "./problem.ts"

/** Which seats to hold: all of them, or none. */
export const NewReservation = Schema.Struct({
  performanceId: Name,
  /** Different seats of that performance. */
  seatIds: Schema.Array(Name).check(Schema.isBetweenLength(1, 200), Schema.isUnique())
}).annotate({ identifier: "NewReservation" })

const path = "/v1/reservations"
const params = { reservationId: PathId }

export const ReservationApi = HttpApiGroup.make("reservations")
  .add(
    HttpApiEndpoint.post("hold", path, {
      headers: { ...queueToken, ...idempotencyKey },
      payload: NewReservation,
      success: Reservation.pipe(created),
      error: [
        ...gate,
        ...errors("PerformanceNotFound", "SeatNotFound", "SeatUnavailable", "LimitExceeded"),
        ...idempotency,
        ...bodyFaults,
        ...faults
      ]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Hold seats",
        description: "Holds all of the seats until holdExpiresAt, or none of them."
      })
    ),
    HttpApiEndpoint.get("list", path, {
      query: page,
      success: pageOf(Reservation),
      error: faults
    }).annotateMerge(
      OpenApi.annotations({ summary: "List the user's reservations, newest first" })
    ),
    HttpApiEndpoint.get("get", `${path}/:reservationId`, {
      params,
      success: Reservation,
      error: [...errors("ReservationNotFound"), ...faults]
    }).annotateMerge(OpenApi.annotations({ summary: "Look a reservation up" })),
    HttpApiEndpoint.delete("release", `${path}/:reservationId`, {
      params,
      success: HttpApiSchema.NoContent,
      error: [...errors("ReservationNotFound", "ReservationNotPayable", "Overloaded"), ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Release a hold",
        description: "Its seats are free at once. Releasing again changes nothing."
      })
    )
  )
  .middleware(Identity)
  .annotateMerge(OpenApi.annotations({ title: "Reservations", description: "Holding seats" }))
