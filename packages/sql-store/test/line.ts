/** A proxy between a node and its server that does to their connections what networks do. */
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { atEnd } from "./support.ts"

/** A connection of a node, and the connection to the server that it is passed on to. */
interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  isSilent: boolean
}

export const openLine = async (url: string) => {
  const target = new URL(url)
  const pairs = new Set<Pair>()
  let isSilent = false
  let delayMs = 0
  let swallowed: string | undefined
  let sent = ""

  // A silent line does not answer a goodbye either.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({
      port: Number(target.port),
      host: target.hostname,
      allowHalfOpen: true
    })
    const pair: Pair = { client, upstream, isSilent }
    pairs.add(pair)
    const forward = (from: Socket, to: Socket) => {
      from.on("data", (chunk) => {
        if (from === client) sent += chunk.toString("latin1")
        if (from === client && swallowed !== undefined && chunk.includes(swallowed)) {
          swallowed = undefined
          pair.isSilent = true
        }
        if (pair.isSilent) return
        // In order, since each is delayed by as much as the one before, or more.
        if (delayMs > 0) setTimeout(() => to.write(chunk), delayMs)
        else to.write(chunk)
      })
      from.on("end", () => pair.isSilent || to.end())
      from.on("error", () => {})
      from.on("close", () => pair.isSilent || to.destroy())
    }
    forward(client, upstream)
    forward(upstream, client)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  atEnd(async () => {
    server.close()
    for (const { client, upstream } of pairs) {
      client.destroy()
      upstream.destroy()
    }
  })
  const through = new URL(url)
  through.port = String((server.address() as { port: number }).port)
  return {
    url: through.href,
    /** Existing connections pass on nothing any more, not even that they are closed. */
    silence: () => {
      for (const pair of pairs) pair.isSilent = true
    },
    /** Neither existing connections nor new ones pass on anything from now on. */
    silenceAll: () => {
      isSilent = true
      for (const pair of pairs) pair.isSilent = true
    },
    /** The connection that sends this next goes silent before it arrives. */
    swallow: (text: string) => {
      swallowed = text
    },
    /** Whether the node has sent that. */
    hasSent: (text: string) => sent.includes(text),
    reset: () => {
      for (const { client, upstream } of pairs) {
        client.resetAndDestroy()
        upstream.destroy()
      }
    },
    /** From now on all data arrives this much later. */
    slowDown: (milliseconds: number) => {
      delayMs = milliseconds
    }
  }
}
