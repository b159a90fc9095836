/**
 * A line (without TLS) between a node and the database. It does to connections what networks do, and it knows the
 * wire protocol: it can cut a connection right before a COMMIT is sent, or right after the server has
 * committed and before the node hears of it.
 */
import { connect, createServer, type Socket } from "node:net"
import { listen } from "../world/ports.ts"
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

const keepaliveMs = 10_000

export interface Line {
  /** Where the node finds the database. */
  readonly url: string
  /** Cuts the next COMMITs: before the server gets them, or before the node gets the answer. */
  readonly cut: (where: Cut, times: number) => void
  /** How many of them were cut. */
  readonly cuts: Readonly<Record<Cut, number>>
  /** Passes on nothing any more, not even that a connection is closed; new ones too, or not. */
  readonly silence: (which: "existing" | "all") => void
  readonly slowDown: (delayMs: number) => void
  readonly reset: () => void
  /** As it was before any fault. Connections that went silent stay so. */
  readonly heal: () => void
  readonly close: () => void
}

export const openLine = async (url: string): Promise<Line> => {
  const target = new URL(url)
  const pairs = new Set<Pair>()
  const state = { isSilent: false, delayMs: 0, cutting: "", times: 0 }
  const cuts = { "before COMMIT": 0, "after COMMIT": 0 }

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
    const finder = new CommitFinder()

    /** What the node sends: all of it, or what comes before the COMMIT that is cut. */
    const fromClient = (messages: ReadonlyArray<Message>): Buffer => {
      const passed: Array<Buffer> = []
      for (const message of messages) {
        if (finder.begins(message)) {
          if (takesCut("before COMMIT")) {
            // The writes arrive: the transaction is open when the connection is lost.
            upstream.write(Buffer.concat(passed), () => hangUp(pair))
            return Buffer.alloc(0)
          }
          if (takesCut("after COMMIT")) pair.cutsAnswer = true
        }
        passed.push(message.bytes)
      }
      return Buffer.concat(passed)
    }
    const fromServer = (messages: ReadonlyArray<Message>): Buffer => {
      if (pair.cutsAnswer && messages.some(saysCommitted)) {
        hangUp(pair)
        return Buffer.alloc(0)
      }
      return Buffer.concat(messages.map(({ bytes }) => bytes))
    }
    const forward = (
      from: Socket,
      to: Socket,
      messages: Messages,
      pass: (messages: ReadonlyArray<Message>) => Buffer
    ) => {
      from.on("data", (chunk) => {
        if (pair.isSilent) return
        const passed = pass(messages.push(chunk))
        if (passed.length === 0) return
        // In order, since each is delayed by as much as the one before, or more.
        if (state.delayMs > 0) setTimeout(() => to.write(passed), state.delayMs)
        else to.write(passed)
      })
      from.on("end", () => pair.isSilent || setTimeout(() => to.end(), state.delayMs))
      from.on("error", () => {})
      from.on("close", () => {
        // The server notices a silent client in the end, by its keepalive.
        setTimeout(() => to.destroy(), pair.isSilent ? keepaliveMs : state.delayMs)
        if (client.destroyed && upstream.destroyed) pairs.delete(pair)
      })
    }
    forward(client, upstream, new Messages("client"), fromClient)
    forward(upstream, client, new Messages("server"), fromServer)
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
