/** A proxy between a node and its server that holds messages of the node at a gate. */
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { atEnd } from "../support.ts"
import type { Gate } from "./Gate.ts"

/** The last message of each answer, `ReadyForQuery`, tells the state of the transaction. */
const readyLength = 6
const stateAfter = (end: Buffer): string | undefined =>
  end.length === readyLength && end[0] === 0x5a && end.readUInt32BE(1) === readyLength - 1
    ? String.fromCharCode(end[5]!)
    : undefined
const inTransaction = "T"
const idle = "I"

export const openGatedLine = async (url: string, gate: Gate) => {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  /** The ports by which the server knows the connections, closed ones too. */
  const ports = new Set<number>()

  const join = (client: Socket) => {
    const server = connect({ port: Number(target.port), host: target.hostname })
    server.on("connect", () => ports.add(server.localPort!))
    const close = () => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", close)
    }
    let state: string | undefined
    let end: Buffer = Buffer.alloc(0)
    /** What the server has answered to saves so far. */
    let answer: Array<Buffer> | undefined
    let sending = Promise.resolve()
    client.on("data", (chunk) => {
      // A node sends a pipeline in one piece, and its saves once all its loads are answered.
      const isSaves = state === inTransaction
      sending = sending.then(async () => {
        await gate.leave()
        if (isSaves && gate.isArmed) {
          if ((await gate.pass("saves")) === "lost") return close()
          answer = []
        }
        server.write(chunk)
      })
    })
    server.on("data", (chunk) => {
      end = Buffer.concat([end, chunk]).subarray(-readyLength)
      state = stateAfter(end)
      if (answer === undefined) {
        client.write(chunk)
        return
      }
      answer.push(chunk)
      if (state !== idle) return
      const whole = Buffer.concat(answer)
      answer = undefined
      void gate.pass("answer").then((fate) => (fate === "lost" ? close() : client.write(whole)))
    })
  }

  const proxy = createServer(join)
  proxy.listen(0, "127.0.0.1")
  await once(proxy, "listening")
  atEnd(async () => {
    proxy.close()
    for (const socket of sockets) socket.destroy()
  })
  const through = new URL(url)
  through.port = String((proxy.address() as { port: number }).port)
  return { url: through.href, ports }
}
