/** The operators' API. A server without an admin token does not serve these routes. */
import {
  CodeUses,
  NewSeat,
  Performance,
  PerformanceId,
  QueueCodes,
  QueueId,
  QueueInfo,
  QueueOpening,
  QueueSettings,
  Refund,
  SeatOnMap,
  Show,
  ShowId
} from "@boxoffice/core/schema"
import { Schema, Struct } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import {
  bodyFaults,
  created,
  faults,
  idempotency,
  idempotencyKey,
  PathId,
  page,
  pageOf
} from "./common.ts"
import { Admin } from "./identity.ts"
import { errors } from "./problem.ts"

const SomeSettings = QueueSettings.mapFields(Struct.map(Schema.optionalKey))

/** A queue to create. The server's defaults apply to settings that are omitted. */
export const NewQueue = Schema.Struct({
  queueId: Schema.optionalKey(QueueId),
  settings: Schema.optionalKey(SomeSettings),
  opensAt: Schema.optionalKey(QueueOpening.fields.opensAt).annotate({
    description:
      "Until then users can join but are not admitted; at this instant their order is drawn by lot"
  })
}).annotate({ identifier: "NewQueue" })

/** Settings of a queue to change. */
export const QueueChange = Schema.Struct({ settings: SomeSettings }).annotate({
  identifier: "QueueChange"
})

/** The new opening of a queue that has not opened yet. */
export const NewOpening = Schema.Struct({
  opensAt: Schema.NullOr(QueueOpening.fields.opensAt).annotate({
    description: "null opens the queue at once"
  })
}).annotate({ identifier: "NewOpening" })

/** Codes for the priority lane of a queue. The store keeps only their digests. */
export const NewCodes = Schema.Struct({
  codes: QueueCodes.annotate({
    description: "1 to 10,000 different codes, each of 8 to 64 visible ASCII characters"
  }),
  uses: Schema.optionalKey(CodeUses).annotate({
    description:
      "How many times each code can be used from now on; default 1, and 0 withdraws the code"
  })
}).annotate({ identifier: "NewCodes" })

/** How many codes the request added or changed. */
export const AddedCodes = Schema.Struct({
  queueId: QueueId,
  added: Schema.Int
}).annotate({ identifier: "AddedCodes" })

/** A show to create, behind an existing queue. */
export const NewShow = Schema.Struct({
  showId: Schema.optionalKey(ShowId),
  title: Show.fields.title,
  queueId: QueueId,
  salesOpenAt: Schema.optionalKey(Show.fields.salesOpenAt),
  salesCloseAt: Schema.optionalKey(Show.fields.salesCloseAt)
}).annotate({ identifier: "NewShow" })

/** A performance to create. */
export const NewPerformance = Schema.Struct({
  performanceId: Schema.optionalKey(PerformanceId),
  startsAt: Performance.fields.startsAt,
  timeZone: Performance.fields.timeZone
}).annotate({ identifier: "NewPerformance" })

/** Seats to add: all of them or, if the server refuses one, none. */
export const NewSeats = Schema.Struct({
  seats: Schema.Array(NewSeat).check(Schema.isBetweenLength(1, 100_000))
}).annotate({ identifier: "NewSeats" })

/** How many new seats the request added; seats that already existed do not count. */
export const AddedSeats = Schema.Struct({
  performanceId: PerformanceId,
  added: Schema.Int
}).annotate({ identifier: "AddedSeats" })

/** A performance with its seat counts, for operators. */
export const PerformanceOverview = Schema.Struct({
  ...Performance.fields,
  availableSeats: Schema.Int,
  totalSeats: Schema.Int
}).annotate({ identifier: "PerformanceOverview" })

/** The maximum body of a request that adds codes, in bytes. */
export const codesBodyLimit = 1024 * 1024

/** The maximum body of a request that adds seats, in bytes. */
export const seatsBodyLimit = 16 * 1024 * 1024

const queueParams = { queueId: PathId }
const found = [...errors("QueueNotFound"), ...faults] as const
const setMode = [
  ...errors("QueueNotFound", "QueueClosed", "Overloaded"),
  ...idempotency,
  ...faults
] as const
const createDescription =
  "201 if it is new; 200 if an identical one exists already, so that a setup script can run again. A " +
  "different one under the same id is refused."
const create = [...errors("AlreadyExists"), ...idempotency, ...bodyFaults, ...faults] as const

export const AdminApi = HttpApiGroup.make("admin")
  .add(
    HttpApiEndpoint.post("createQueue", "/queues", {
      headers: idempotencyKey,
      payload: NewQueue,
      success: [QueueInfo.pipe(created), QueueInfo],
      error: create
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Create a queue",
        description: createDescription
      })
    ),
    HttpApiEndpoint.get("queues", "/queues", {
      query: page,
      success: pageOf(QueueInfo),
      error: faults
    }).annotateMerge(OpenApi.annotations({ summary: "List the queues" })),
    HttpApiEndpoint.get("queue", "/queues/:queueId", {
      params: queueParams,
      success: QueueInfo,
      error: found
    }).annotateMerge(OpenApi.annotations({ summary: "Get a queue" })),
    HttpApiEndpoint.patch("configureQueue", "/queues/:queueId", {
      params: queueParams,
      headers: idempotencyKey,
      payload: QueueChange,
      success: QueueInfo,
      error: [...errors("Overloaded"), ...found, ...idempotency, ...bodyFaults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change a queue's settings",
        description:
          "Omitted settings stay as they are. The change applies from the next admission on."
      })
    ),
    HttpApiEndpoint.post("pauseQueue", "/queues/:queueId/pause", {
      params: queueParams,
      headers: idempotencyKey,
      success: QueueInfo,
      error: setMode
    }).annotateMerge(OpenApi.annotations({ summary: "Pause: no new joins, no admissions" })),
    HttpApiEndpoint.post("resumeQueue", "/queues/:queueId/resume", {
      params: queueParams,
      headers: idempotencyKey,
      success: QueueInfo,
      error: setMode
    }).annotateMerge(OpenApi.annotations({ summary: "Resume joins and admissions" })),
    HttpApiEndpoint.post("drainQueue", "/queues/:queueId/drain", {
      params: queueParams,
      headers: idempotencyKey,
      success: QueueInfo,
      error: setMode
    }).annotateMerge(OpenApi.annotations({ summary: "Drain: admit waiting users, no new joins" })),
    HttpApiEndpoint.post("closeQueue", "/queues/:queueId/close", {
      params: queueParams,
      headers: idempotencyKey,
      success: QueueInfo,
      error: setMode
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Close a queue permanently",
        description: "The tokens of waiting users expire; admitted users continue."
      })
    ),
    HttpApiEndpoint.post("rescheduleQueue", "/queues/:queueId/reschedule", {
      params: queueParams,
      headers: idempotencyKey,
      payload: NewOpening,
      success: QueueInfo,
      error: [...errors("QueueAlreadyOpen"), ...setMode, ...bodyFaults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Move the opening of a queue that has not opened, or open it at once",
        description: "The draw uses the seed of the published commitment, as it would have before."
      })
    ),
    HttpApiEndpoint.post("addCodes", "/queues/:queueId/codes", {
      params: queueParams,
      headers: idempotencyKey,
      payload: NewCodes,
      success: AddedCodes,
      error: [...found, ...idempotency, ...bodyFaults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Add codes for the priority lane",
        description:
          "A user who joins with a code as Queue-Code waits in the priority lane. For a code that " +
          "exists already, the number of uses is set again; send an Idempotency-Key, so that a late " +
          "retry does not restore uses that were consumed."
      })
    ),

    HttpApiEndpoint.post("createShow", "/shows", {
      headers: idempotencyKey,
      payload: NewShow,
      success: [Show.pipe(created), Show],
      error: [...errors("QueueNotFound"), ...create]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Create a show",
        description: createDescription
      })
    ),
    HttpApiEndpoint.get("shows", "/shows", {
      query: page,
      success: pageOf(Show),
      error: faults
    }).annotateMerge(OpenApi.annotations({ summary: "List the shows" })),

    HttpApiEndpoint.post("createPerformance", "/shows/:showId/performances", {
      params: { showId: PathId },
      headers: idempotencyKey,
      payload: NewPerformance,
      success: [Performance.pipe(created), Performance],
      error: [...errors("ShowNotFound"), ...create]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Create a performance",
        description: createDescription
      })
    ),
    HttpApiEndpoint.get("performances", "/shows/:showId/performances", {
      params: { showId: PathId },
      query: page,
      success: pageOf(PerformanceOverview),
      error: [...errors("ShowNotFound"), ...faults]
    }).annotateMerge(OpenApi.annotations({ summary: "List the performances of a show" })),

    HttpApiEndpoint.post("addSeats", "/performances/:performanceId/seats", {
      params: { performanceId: PathId },
      headers: idempotencyKey,
      payload: NewSeats,
      success: [AddedSeats.pipe(created), AddedSeats],
      error: [...errors("PerformanceNotFound"), ...create]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Add seats in bulk",
        description:
          "Up to 100,000 seats and 16 MiB per request. They are listed in the order given. Identical " +
          "seats that exist already stay as they are: 200 if all of them do."
      })
    ),
    HttpApiEndpoint.get("seats", "/performances/:performanceId/seats", {
      params: { performanceId: PathId },
      query: page,
      success: pageOf(SeatOnMap),
      error: [...errors("PerformanceNotFound"), ...faults]
    }).annotateMerge(OpenApi.annotations({ summary: "List the seats of a performance" })),

    HttpApiEndpoint.post("refund", "/payments/:paymentId/refund", {
      params: { paymentId: PathId },
      headers: idempotencyKey,
      success: Refund.pipe(created),
      error: [
        ...errors(
          "PaymentNotFound",
          "ReservationNotPayable",
          "RefundRefused",
          "PolicyFailed",
          "Overloaded"
        ),
        ...idempotency,
        ...faults
      ]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Refund a payment",
        description: "Cancels the reservation, frees its seats and credits the wallet."
      })
    )
  )
  .prefix("/v1/admin")
  .middleware(Admin)
  .annotateMerge(OpenApi.annotations({ title: "Admin", description: "Operations of operators" }))
