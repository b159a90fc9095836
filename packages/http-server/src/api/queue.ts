/** The waiting room: API 1. */
import { JoinedQueue, QueueTokenStatus } from "@boxoffice/core/schema"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { errors } from "../problem.ts"
import { created, faults, idempotency, idempotencyKey, PathId, queueToken } from "./common.ts"
import { Identity } from "./identity.ts"

const params = { queueId: PathId }
const place = errors(
  "QueueTokenRequired",
  "QueueTokenInvalid",
  "QueueTokenWrongQueue",
  "Overloaded"
)
const path = "/v1/queues/:queueId/token"

export const QueueApi = HttpApiGroup.make("queue")
  .add(
    HttpApiEndpoint.post("join", path, {
      params,
      headers: idempotencyKey,
      success: [JoinedQueue.pipe(created), JoinedQueue],
      error: [...errors("QueueNotFound", "QueueClosed", "Overloaded"), ...idempotency, ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Join the queue",
        description:
          "The user's place: the one they have (200), or a new one (201). With room in the queue " +
          "they are admitted at once."
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
        description: "Ask again after pollAfterSeconds. Asking also moves the line on."
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
