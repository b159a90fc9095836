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
    Name.annotate({ description: "A code for the priority lane of the queue" })
  )
}
const tokenErrors = errors(
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
        summary: "Get the public state of a queue",
        description:
          "Its mode, and the data to verify its draw with: the commitment from the start; the seed and " +
          "the size of the draw once it has opened. Needs no queue token."
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
          "Returns the user's queue token: the existing one (200) or a new one (201). If the queue has " +
          "room, the user is admitted at once. A Queue-Code puts a new token in the priority lane."
      })
    ),
    HttpApiEndpoint.get("status", path, {
      params,
      headers: queueToken,
      success: QueueTokenStatus,
      error: [...tokenErrors, ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get the status of the queue token",
        description: "Poll again after pollAfterSeconds, which differs from poll to poll."
      })
    ),
    HttpApiEndpoint.get("events", `${path}/events`, {
      params,
      headers: queueToken,
      success: HttpApiSchema.StreamSse({ data: QueueTokenStatus }),
      error: [...tokenErrors, ...errors("Draining"), ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Follow the status of the queue token",
        description:
          "Server-sent events: the status now and at each change, until the token has ended. Lines " +
          "that begin with a colon keep the connection alive."
      })
    ),
    HttpApiEndpoint.delete("leave", path, {
      params,
      headers: queueToken,
      success: HttpApiSchema.NoContent,
      error: [...tokenErrors, ...faults]
    }).annotateMerge(OpenApi.annotations({ summary: "Leave the queue" }))
  )
  .middleware(Identity)
  .annotateMerge(OpenApi.annotations({ title: "Queue", description: "The waiting room" }))
