/** What operators do. Without an admin token, none of it exists. */
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

/** A queue to create. What is left out of the settings is the server's default. */
export const NewQueue = Schema.Struct({
  queueId: Schema.optionalKey(QueueId),
  settings: Schema.optionalKey(SomeSettings),
  opensAt: Schema.optionalKey(QueueOpening.fields.opensAt).annotate({
    description: "Until then the queue collects people, and then draws their places by lot"
  })
}).annotate({ identifier: "NewQueue" })

/** Settings of a queue to change. */
export const QueueChange = Schema.Struct({ settings: SomeSettings }).annotate({
  identifier: "QueueChange"
})

/** When a queue that still collects people opens. */
export const NewOpening = Schema.Struct({
  opensAt: Schema.NullOr(QueueOpening.fields.opensAt).annotate({ description: "null: at once" })
}).annotate({ identifier: "NewOpening" })

/** Codes that open the priority lane of a queue. They are kept as digests, and told to nobody. */
export const NewCodes = Schema.Struct({
  codes: QueueCodes.annotate({
    description: "1 to 10,000 different ones, each of 8 to 64 visible ASCII characters"
  }),
  uses: Schema.optionalKey(CodeUses).annotate({
    description: "How often each can be used from now on; 1 where left out, and 0 to withdraw it"
  })
}).annotate({ identifier: "NewCodes" })

/** How many codes can be used now. */
export const AddedCodes = Schema.Struct({
  queueId: QueueId,
  added: Schema.Int
}).annotate({ identifier: "AddedCodes" })

/** A show to create, behind a queue that exists. */
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

/** Seats to add: all of them, or none. */
export const NewSeats = Schema.Struct({
  seats: Schema.Array(NewSeat).check(Schema.isBetweenLength(1, 100_000))
}).annotate({ identifier: "NewSeats" })

/** How many seats were added that were not there before. */
export const AddedSeats = Schema.Struct({
  performanceId: PerformanceId,
  added: Schema.Int
}).annotate({ identifier: "AddedSeats" })

/** A performance as its operator sees it. */
export const PerformanceOverview = Schema.Struct({
  ...Performance.fields,
  availableSeats: Schema.Int,
  totalSeats: Schema.Int
}).annotate({ identifier: "PerformanceOverview" })

/** The most bytes that a bulk of codes may have. */
export const codesBodyLimit = 1024 * 1024

/** The most bytes that a bulk of seats may have. */
export const seatsBodyLimit = 16 * 1024 * 1024

const queueParams = { queueId: PathId }
const found = [...errors("QueueNotFound"), ...faults] as const
const setMode = [
  ...errors("QueueNotFound", "QueueClosed", "Overloaded"),
  ...idempotency,
  ...faults
] as const
const createDescription =
  "201 for a new one; 200 for one that is there already just as asked for, so that a set-up can run " +
  "again. Another one under the same id is refused."
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
    }).annotateMerge(OpenApi.annotations({ summary: "Look a queue up" })),
    HttpApiEndpoint.patch("configureQueue", "/queues/:queueId", {
      params: queueParams,
      headers: idempotencyKey,
      payload: QueueChange,
      success: QueueInfo,
      error: [...errors("Overloaded"), ...found, ...idempotency, ...bodyFaults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change a queue's settings",
        description: "Those that are left out stay. Effective from the next admission on."
      })
    ),
    HttpApiEndpoint.post("pauseQueue", "/queues/:queueId/pause", {
      params: queueParams,
      headers: idempotencyKey,
      success: QueueInfo,
      error: setMode
    }).annotateMerge(OpenApi.annotations({ summary: "Let nobody join, and nobody in" })),
    HttpApiEndpoint.post("resumeQueue", "/queues/:queueId/resume", {
      params: queueParams,
      headers: idempotencyKey,
      success: QueueInfo,
      error: setMode
    }).annotateMerge(OpenApi.annotations({ summary: "Let everyone join and in again" })),
    HttpApiEndpoint.post("drainQueue", "/queues/:queueId/drain", {
      params: queueParams,
      headers: idempotencyKey,
      success: QueueInfo,
      error: setMode
    }).annotateMerge(OpenApi.annotations({ summary: "Let those in line in, and nobody join" })),
    HttpApiEndpoint.post("closeQueue", "/queues/:queueId/close", {
      params: queueParams,
      headers: idempotencyKey,
      success: QueueInfo,
      error: setMode
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Close a queue for good",
        description: "Who waits is told that it has expired; who is inside goes on."
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
        summary: "Open a queue that collects people at another time, or at once",
        description: "Places are drawn as they would have been, by the seed that was promised."
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
        summary: "Add codes that open the priority lane",
        description:
          "Who joins with one as Queue-Code waits in the priority lane. A code that is there " +
          "already can be used this often from now on: with an Idempotency-Key, a late repetition gives " +
          "nobody a second use."
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
          "Up to 100,000 at a time and 16 MiB. They are listed in the order given. Those that are " +
          "there already just so stay as they are: 200 where all of them are."
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
        description: "Cancels the reservation, frees its seats and gives the money back."
      })
    )
  )
  .prefix("/v1/admin")
  .middleware(Admin)
  .annotateMerge(OpenApi.annotations({ title: "Admin", description: "What operators do" }))
