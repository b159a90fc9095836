/** Bounds the resources that clients can hold: connections, and responses that they do not read. */
import type { Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { type Context, Effect, Metric } from "effect"

export interface ConnectionLimits {
  /** The maximum number of open connections. */
  readonly maxConnections: number
  /** How long a client may read nothing of a pending response. */
  readonly writeTimeoutSeconds: number
}

const dropped = Metric.counter("boxoffice_http_connections_dropped_total", {
  description: "Connections ended by the limit on connections, or because a client read nothing",
  incremental: true
})

/** Applies the limits to a server. */
export const limitConnections = (
  server: Server,
  { maxConnections, writeTimeoutSeconds }: ConnectionLimits
): Effect.Effect<void> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      // Guard connections-max: without it, connections.test "beyond the limit are hung up on" fails.
      server.maxConnections = maxConnections
      let madeRoomAt = Number.NEGATIVE_INFINITY
      server.on("drop", () => {
        dropped.updateUnsafe(1, context)
        // Close idle connections to make room, so that health checks get through.
        const now = performance.now()
        if (now - madeRoomAt < roomEveryMs) return
        madeRoomAt = now
        server.closeIdleConnections()
      })
      // The timer of a socket restarts with each byte in or out, parts of a large write included.
      // Guard write-timeout: without it, connections.test "is given up" fails.
      server.timeout = writeTimeoutSeconds * 1_000
      const watch = (_: unknown, response: ServerResponse) => {
        // Without a listener Node would also end slow requests and quiet streams.
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
