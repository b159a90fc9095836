/**
 * A line between a node and the database. It does to connections what networks do, and it knows the
 * wire protocol: it can cut a connection right before a COMMIT is sent, or right after the server has
 * committed and before the node hears of it.
 */
import { connect, createServer, type Socket } from "node:net"
import { listen } from "../world/ports.ts"
import { type Credentials, encryptBoth } from "./tls.ts"
import { CommitFinder, type Message, Messages, saysCommitted } from "./wire.ts"

export type Cut = "before COMMIT" | "after COMMIT"

/** A connection of a node, and the connection to the server that it is passed on to. */
interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  isSilent: boolean
  /** The COMMIT that is under way is cut off from its answer. */
  cutsAnswer: boolean
}

interface Passed {
  readonly bytes: Buffer
  /** The connection is cut behind them. */
  readonly isLast?: boolean
}

const keepaliveMs = 10_000

export interface Line {
  /** Where the node finds the database. */
  readonly url: string
  /** Cuts the next COMMITs: before the server gets them, or before the node gets the answer. */
  readonly cut: (where: Cut, times: number) => void
  /** How many of them were cut. */
  readonly cuts: Readonly<Record<Cut, number>>
  /** How many connections had TLS on both of their sides. */
  readonly encrypted: () => number
  /** Passes on nothing any more, not even that a connection is closed; new ones too, or not. */
  readonly silence: (which: "existing" | "all") => void
  readonly slowDown: (delayMs: number) => void
  readonly reset: () => void
  /** As it was before any fault. Connections that went silent stay so. */
  readonly heal: () => void
  readonly close: () => void
}

/** With `credentials`, every connection has TLS: the line refuses a node that asks for none. */
export const openLine = async (url: string, credentials?: Credentials): Promise<Line> => {
  const target = new URL(url)
  const pairs = new Set<Pair>()
  const state = { isSilent: false, delayMs: 0, cutting: "", times: 0 }
  const cuts = { "before COMMIT": 0, "after COMMIT": 0 }
  let encrypted = 0

  const hangUp = (pair: Pair) => {
    pair.client.resetAndDestroy()
    pair.upstream.destroy()
  }

  const takesCut = (where: Cut): boolean => {
    if (state.cutting !== where || state.times === 0) return false
    state.times--
    cuts[where]++
    return true
  }

  const accept = (client: Socket) => {
    const upstream = connect({
      port: Number(target.port),
      host: target.hostname,
      allowHalfOpen: true
    })
    const pair: Pair = { client, upstream, isSilent: state.isSilent, cutsAnswer: false }
    pairs.add(pair)
    for (const socket of [client, upstream]) socket.on("error", () => {})
    let open = 2
    const finder = new CommitFinder()

    /** What the node sends: all of it, or what comes before the COMMIT that is cut. */
    const fromClient = (messages: ReadonlyArray<Message>): Passed => {
      const passed: Array<Buffer> = []
      for (const message of messages) {
        if (finder.begins(message)) {
          // The writes arrive: the transaction is open when the connection is lost.
          if (takesCut("before COMMIT")) return { bytes: Buffer.concat(passed), isLast: true }
          if (takesCut("after COMMIT")) pair.cutsAnswer = true
        }
        passed.push(message.bytes)
      }
      return { bytes: Buffer.concat(passed) }
    }
    const fromServer = (messages: ReadonlyArray<Message>): Passed => {
      if (pair.cutsAnswer && messages.some(saysCommitted)) {
        hangUp(pair)
        return { bytes: Buffer.alloc(0) }
      }
      return { bytes: Buffer.concat(messages.map(({ bytes }) => bytes)) }
    }
    const forward = (
      from: Socket,
      to: Socket,
      messages: Messages,
      pass: (messages: ReadonlyArray<Message>) => Passed
    ) => {
      const underWay: Array<() => void> = []
      // What is under way arrives in its order, also when the line gets faster meanwhile: each timer
      // passes on what has waited longest.
      const later = (arrive: () => void) => {
        if (state.delayMs === 0 && underWay.length === 0) return arrive()
        underWay.push(arrive)
        setTimeout(() => underWay.shift()!(), state.delayMs)
      }
      from.on("data", (chunk) => {
        if (pair.isSilent) return
        const { bytes, isLast } = pass(messages.push(chunk))
        if (isLast) later(() => to.write(bytes, () => hangUp(pair)))
        else if (bytes.length > 0) later(() => to.write(bytes))
      })
      from.on("end", () => pair.isSilent || later(() => to.end()))
      from.on("error", () => {})
      from.on("close", () => {
        // The server notices a silent client in the end, by its keepalive.
        if (pair.isSilent) setTimeout(() => to.destroy(), keepaliveMs)
        else later(() => to.destroy())
        if (--open === 0) pairs.delete(pair)
      })
    }
    const forwardBoth = (near: Socket, far: Socket) => {
      forward(near, far, new Messages("client"), fromClient)
      forward(far, near, new Messages("server"), fromServer)
    }
    // On a silent line no handshake begins.
    if (credentials === undefined || pair.isSilent) return forwardBoth(client, upstream)
    const giveUp = () => {
      hangUp(pair)
      pairs.delete(pair)
    }
    for (const socket of [client, upstream]) socket.once("close", giveUp)
    encryptBoth(client, upstream, credentials).then(([near, far]) => {
      for (const socket of [client, upstream]) socket.off("close", giveUp)
      encrypted++
      forwardBoth(near, far)
    }, giveUp)
  }

  // A silent line does not answer a goodbye either.
  const server = createServer({ allowHalfOpen: true }, accept)
  const through = new URL(url)
  through.port = String(await listen(server))
  return {
    url: through.href,
    cut: (where, times) => {
      state.cutting = where
      state.times = times
    },
    cuts,
    encrypted: () => encrypted,
    silence: (which) => {
      state.isSilent = which === "all"
      for (const pair of pairs) pair.isSilent = true
    },
    slowDown: (delayMs) => {
      state.delayMs = delayMs
    },
    reset: () => {
      for (const pair of pairs) hangUp(pair)
    },
    heal: () => {
      state.isSilent = false
      state.delayMs = 0
      state.cutting = ""
      state.times = 0
    },
    close: () => {
      server.close()
      for (const pair of pairs) hangUp(pair)
    }
  }
}
