/** API 1: the waiting room. */
import { Overloaded, Queue, type QueueTokenStatus } from "@boxoffice/core"
import { Effect, Schedule, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { Draining } from "../api/errors.ts"
import { QueueApi } from "../api/queue.ts"
import { Drain } from "../http/drain.ts"
import { Reply, route } from "../http/route.ts"
import { makeStreamCounts } from "../http/streamCount.ts"
import { joinedJson, statusJson } from "./statusJson.ts"

const { join, status, events, leave } = QueueApi.endpoints

export const queueRoutes = (options: {
  readonly heartbeatSeconds: number
  readonly streamsPerUser: number
}) =>
  Effect.gen(function* () {
    const queue = yield* Queue
    const drain = yield* Drain
    const takeStream = makeStreamCounts(options.streamsPerUser)
    const heartbeats = Stream.fromSchedule(Schedule.spaced(`${options.heartbeatSeconds} seconds`))

    return [
      route(
        join,
        ({ userId, params, headers, idempotencyKey, onReplay }) =>
          Effect.map(
            queue.join({
              userId,
              queueId: params.queueId,
              code: headers["queue-code"],
              idempotencyKey,
              onReplay
            }),
            (joined) => new Reply(joined, { status: joined.created ? 201 : 200 })
          ),
        { toJson: joinedJson }
      ),

      route(
        status,
        ({ userId, params, queueToken }) => {
          const request = { userId, queueToken, queueId: params.queueId }
          const known = queue.peek(request)
          return known === undefined ? queue.status(request) : Effect.fromResult(known)
        },
        { toJson: statusJson }
      ),

      route(
        events,
        ({ userId, params, queueToken }) =>
          Effect.gen(function* () {
            const request = { userId, queueToken, queueId: params.queueId }
            // One read before the stream begins: a refusal can still get a status of its own.
            yield* queue.status(request)
            if (drain.isDraining()) return yield* new Draining()
            if (!(yield* takeStream(userId))) return yield* tooManyStreams
            const statuses = queue.changes(request).pipe(Stream.map(toEvent))
            const beats = Stream.map(heartbeats, () => ":\n\n")
            const lines = statuses.pipe(
              // Once the response has begun, a failure can only end the stream: the client sees the
              // end and connects again.
              Stream.catchCause(() => Stream.empty),
              Stream.merge(beats, { haltStrategy: "left" }),
              Stream.interruptWhen(drain.begun),
              Stream.encodeText
            )
            return HttpServerResponse.stream(lines, {
              contentType: "text/event-stream",
              headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
            })
          }),
        { streams: true }
      ),

      route(leave, ({ userId, params, queueToken }) =>
        queue.leave({ userId, queueToken, queueId: params.queueId })
      )
    ]
  })

// The user can poll until one of their streams ends.
const tooManyStreams = new Overloaded({ retryAfterSeconds: 10 })

const toEvent = (status: QueueTokenStatus): string =>
  `event: message\ndata: ${statusJson(status)}\n\n`
