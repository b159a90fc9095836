/** Bounds what clients can make a server keep: connections, and answers that nobody reads. */
import type { Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { type Context, Effect, Metric } from "effect"

export interface ConnectionLimits {
  /** The most connections at a time. */
  readonly maxConnections: number
  /** For how long a client may take nothing of an answer that waits for it. */
  readonly writeTimeoutSeconds: number
}

const dropped = Metric.counter("boxoffice_http_connections_dropped_total", {
  description: "Connections ended by the limit on connections, or because a client read nothing",
  incremental: true
})

/** Holds a server to its limits. */
export const limitConnections = (
  server: Server,
  { maxConnections, writeTimeoutSeconds }: ConnectionLimits
): Effect.Effect<void> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      server.maxConnections = maxConnections
      let madeRoomAt = Number.NEGATIVE_INFINITY
      server.on("drop", () => {
        dropped.updateUnsafe(1, context)
        // Those that only wait for a next request make room, so that health checks get through.
        const now = performance.now()
        if (now - madeRoomAt < roomEveryMs) return
        madeRoomAt = now
        server.closeIdleConnections()
      })
      // A socket's timer starts anew with whatever moves, in or out, parts of a large write
      // included.
      server.timeout = writeTimeoutSeconds * 1_000
      const watch = (_: unknown, response: ServerResponse) => {
        // With a listener a request that takes long, or a stream that is quiet, goes on.
        response.on("timeout", (socket: Socket) => {
          if (socket.writableLength === 0) return
          dropped.updateUnsafe(1, context)
          socket.destroy()
        })
      }
      server.prependListener("request", watch)
      server.prependListener("checkContinue", watch)
    })
  )

const roomEveryMs = 1_000
