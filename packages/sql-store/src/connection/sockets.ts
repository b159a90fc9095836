/**
 * The sockets that a store has opened. The driver says goodbye and leaves a socket to the server, which
 * takes for ever where the server is silent: these end by themselves.
 */
import { connect, Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Redacted } from "effect"

export interface Sockets {
  /** What the driver calls for a new connection. */
  readonly open: () => Duplex
  /** Gives those that are still open a moment to end. */
  readonly leave: Effect.Effect<void>
  /** Drops every connection, and lets none be made until {@link allow}: nobody waits for one any more. */
  readonly drop: () => void
  readonly allow: () => void
  /** Whether they are dropped now. */
  readonly isDropped: () => boolean
}

/** How long a server may take to hear a goodbye. */
const goodbyeMs = 1_000
const keepAliveDefault = "10 seconds"

/** Over what the client says that it connects to; a client with streams of its own keeps them. */
export const makeSockets = (config: PgClient.PgClientConfig): Sockets => {
  const sockets = new Map<Duplex, NodeJS.Timeout | undefined>()
  const dial = config.stream ?? (() => connect(targetOf(config)))
  let isDropped = false

  const open = (): Duplex => {
    if (isDropped) return new Socket().destroy(new Error("the store is closing"))
    const socket = dial()
    sockets.set(socket, undefined)
    socket.once("finish", () => endSoon(socket))
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

/** As the driver reads its own settings: what is said apart from the URL comes first. */
export const targetOf = (config: PgClient.PgClientConfig) => {
  const url = config.url === undefined ? null : URL.parse(Redacted.value(config.url))
  const said = (name: string) => url?.searchParams.getAll(name).at(-1)
  const ofUrl = decodeURIComponent(url?.hostname.replace(/^\[(.*)\]$/, "$1") ?? "")
  const host = config.host ?? said("host") ?? (ofUrl || "localhost")
  const port = config.port ?? Number(said("port") ?? (url?.port || 5432))
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
