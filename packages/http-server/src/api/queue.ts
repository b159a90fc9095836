/** The waiting room: API 1. */
import { JoinedQueue, PublicQueueInfo, QueueTokenStatus } from "@boxoffice/core/schema"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { created, faults, idempotency, idempotencyKey, Name, PathId, queueToken } from "./common.ts"
import { Identity } from "./identity.ts"
import { errors } from "./problem.ts"

const params = { queueId: PathId }
const queueCode = {
  "Queue-Code": Schema.optionalKey(
    Name.annotate({ description: "A code that opens the queue's priority lane" })
  )
}
const place = errors(
  "QueueTokenRequired",
  "QueueTokenInvalid",
  "QueueTokenWrongQueue",
  "Overloaded"
)
const path = "/v1/queues/:queueId/token"

export const QueueApi = HttpApiGroup.make("queue")
  .add(
    HttpApiEndpoint.get("notice", "/v1/queues/:queueId", {
      params,
      success: PublicQueueInfo,
      error: [...errors("QueueNotFound", "Overloaded"), ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Look a queue up",
        description:
          "Its mode, and what its draw is checked by: the commitment from the start, the seed and " +
          "how many were drawn once it has opened. Needs no queue token."
      })
    ),
    HttpApiEndpoint.post("join", path, {
      params,
      headers: { ...idempotencyKey, ...queueCode },
      success: [JoinedQueue.pipe(created), JoinedQueue],
      error: [
        ...errors("QueueNotFound", "QueueClosed", "QueueCodeInvalid", "Overloaded"),
        ...idempotency,
        ...faults
      ]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Join the queue",
        description:
          "The user's place: the one they have (200), or a new one (201). With room in the queue " +
          "they are admitted at once. A Queue-Code puts a new one in the priority lane."
      })
    ),
    HttpApiEndpoint.get("status", path, {
      params,
      headers: queueToken,
      success: QueueTokenStatus,
      error: [...place, ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Ask for the place in the queue",
        description: "Ask again after pollAfterSeconds, which is different each time."
      })
    ),
    HttpApiEndpoint.get("events", `${path}/events`, {
      params,
      headers: queueToken,
      success: HttpApiSchema.StreamSse({ data: QueueTokenStatus }),
      error: [...place, ...errors("Draining"), ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Follow the place in the queue",
        description:
          "Server-sent events: the status now and whenever it has changed, until the token has " +
          "ended. Lines that begin with a colon keep the connection alive."
      })
    ),
    HttpApiEndpoint.delete("leave", path, {
      params,
      headers: queueToken,
      success: HttpApiSchema.NoContent,
      error: [...place, ...faults]
    }).annotateMerge(OpenApi.annotations({ summary: "Give the place in the queue up" }))
  )
  .middleware(Identity)
  .annotateMerge(OpenApi.annotations({ title: "Queue", description: "The waiting room" }))
