/**
 * The sockets that a store has opened, each held until it closes. The driver sends its last message
 * and leaves the socket to the server, which never closes it if the server is silent. So a socket
 * closes by itself a second after the driver has ended it.
 */
import { connect, Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Redacted } from "effect"

export interface Sockets {
  /** Opens a socket; the driver calls it for a new connection. */
  readonly open: () => Duplex
  /** Closes the open sockets after a moment. */
  readonly leave: Effect.Effect<void>
  /**
   * Drops every connection and refuses new ones until {@link allow}, so that no caller waits for
   * one.
   */
  readonly drop: () => void
  readonly allow: () => void
  /** Whether connections are dropped now. */
  readonly isDropped: () => boolean
}

/** How long a server may take to close after the driver's last message. */
const goodbyeMs = 1_000
/** Of a timer of Node's. */
const longestMs = 2_147_483_647
const keepAliveDefault = "10 seconds"
/** For how long the driver's pool keeps a connection that nothing uses. */
const idleDefault = "60 seconds"

/**
 * Connects as the client's settings say. A client with its own `stream` keeps it.
 *
 * Under TLS a socket does not learn that the driver said goodbye. So the store also ends a socket that
 * carries nothing for longer than a pool keeps an idle one and a caller waits for an answer.
 */
export const makeSockets = (config: PgClient.PgPoolConfig, answerWithinMs: number): Sockets => {
  const idleMs = Duration.toMillis(Duration.fromInputUnsafe(config.idleTimeout ?? idleDefault))
  const uselessMs = Math.min(2 * Math.max(idleMs, answerWithinMs), longestMs)
  const sockets = new Map<Duplex, NodeJS.Timeout | undefined>()
  const dial = config.stream ?? (() => connect(targetOf(config)))
  let isDropped = false

  const open = (): Duplex => {
    if (isDropped) return new Socket().destroy(new Error("the store is closing"))
    const socket = dial()
    sockets.set(socket, undefined)
    socket.once("finish", () => endSoon(socket))
    // Guard socket-useless: without it, tls.test "leave no socket behind" fails.
    if (socket instanceof Socket) socket.setTimeout(uselessMs, () => socket.destroy())
    socket.once("close", () => {
      clearTimeout(sockets.get(socket))
      sockets.delete(socket)
    })
    return socket
  }
  const endSoon = (socket: Duplex) => {
    clearTimeout(sockets.get(socket))
    sockets.set(
      socket,
      setTimeout(() => socket.destroy(), goodbyeMs)
    )
  }

  const leave = Effect.sync(() => {
    for (const socket of sockets.keys()) endSoon(socket)
  })

  return {
    open,
    leave,
    drop: () => {
      isDropped = true
      for (const socket of sockets.keys()) socket.destroy(new Error("the store is closing"))
    },
    allow: () => {
      isDropped = false
    },
    isDropped: () => isDropped
  }
}

/** Reads the settings as the driver does: a separate setting wins over the URL. */
export const targetOf = (config: PgClient.PgClientConfig) => {
  const url = config.url === undefined ? null : URL.parse(Redacted.value(config.url))
  const parameter = (name: string) => url?.searchParams.getAll(name).at(-1)
  const urlHost = decodeURIComponent(url?.hostname.replace(/^\[(.*)\]$/, "$1") ?? "")
  const host = config.host ?? parameter("host") ?? (urlHost || "localhost")
  const port = config.port ?? Number(parameter("port") ?? (url?.port || 5432))
  const path = config.path ?? (host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : undefined)
  if (path !== undefined) return { path }
  return {
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: Duration.toMillis(
      Duration.fromInputUnsafe(config.keepAlive ?? keepAliveDefault)
    )
  }
}
