/** The public state of a queue, with the data to verify its draw. */
import { Queue } from "@boxoffice/core"
import { Effect } from "effect"
import { QueueApi } from "../api/queue.ts"
import { route } from "../http/route.ts"

export const queueInfoRoutes = Effect.gen(function* () {
  const queue = yield* Queue
  return [route(QueueApi.endpoints.notice, ({ params }) => queue.notice(params.queueId))]
})
