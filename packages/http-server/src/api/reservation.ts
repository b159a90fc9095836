/** Reservations: API 4. */
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

/** The seats to hold: the engine holds all of them or none. */
export const NewReservation = Schema.Struct({
  performanceId: Name,
  /** Distinct seats of that performance. */
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
    }).annotateMerge(OpenApi.annotations({ summary: "Get a reservation" })),
    HttpApiEndpoint.delete("release", `${path}/:reservationId`, {
      params,
      success: HttpApiSchema.NoContent,
      error: [...errors("ReservationNotFound", "ReservationNotPayable", "Overloaded"), ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Release a hold",
        description: "Frees its seats at once. Releasing it again has no effect."
      })
    )
  )
  .middleware(Identity)
  .annotateMerge(OpenApi.annotations({ title: "Reservations", description: "Holds of seats" }))
