/**
 * Wire connections to one PGlite: each is a stream that speaks Postgres' protocol, like a socket to
 * a server.
 *
 * PGlite has one backend with one session. This module keeps apart what a server would keep apart:
 *
 * - Transactions: a connection owns the backend from its first message until the backend reports
 *   that it is idle (`ReadyForQuery` with `I`). The other connections wait in line.
 * - Closed connections: the module rolls back the transaction of a connection that goes away, and
 *   drops its statements.
 *
 * Prepared statements are safe: the driver gives those of each connection unique names, and an
 * unnamed one never outlives its cycle of messages, which runs as a whole. Settings (`SET`) and
 * `LISTEN` are shared: a notification goes to every connection, and each takes the channels that it
 * listens to.
 */
import { Duplex } from "node:stream"
import type { PGlite } from "@electric-sql/pglite"
import { closeStatement, greeting, type Message, messagesOf, simpleQuery, sync } from "./wire.ts"

const cancelRequest = 80877102
const sslRequest = 80877103

/** Returns a function that the driver calls for each new connection. */
export const makeStreams = (db: Pick<PGlite, "execProtocolRaw">): (() => Duplex) => {
  const backend = new Backend(db)
  return () => new WireConnection(backend)
}

/** The one backend. It holds which connection owns it, and the queue of those that wait for it. */
class Backend {
  readonly connections = new Set<WireConnection>()
  private readonly db: Pick<PGlite, "execProtocolRaw">
  private owner: WireConnection | undefined
  private readonly line: Array<{ readonly next: WireConnection; readonly go: () => void }> = []

  constructor(db: Pick<PGlite, "execProtocolRaw">) {
    this.db = db
  }

  /** Runs a cycle of messages, up to its Sync, once this connection owns the backend. */
  async run(connection: WireConnection, cycle: Uint8Array): Promise<Buffer> {
    await this.turn(connection)
    const answer = Buffer.from(await this.db.execProtocolRaw(cycle))
    let idle = false
    for (const { type, bytes } of messagesOf(answer)) {
      if (type === "Z") idle = bytes[5] === 0x49
      else if (type === "A") this.notifyOthers(connection, bytes)
    }
    if (idle) this.pass()
    return answer
  }

  /** Rolls back the transaction of a connection that went away, and drops its statements. */
  async leave(connection: WireConnection, statements: Iterable<string>): Promise<void> {
    this.connections.delete(connection)
    try {
      if (this.owner === connection) await this.run(connection, simpleQuery("ROLLBACK"))
      const closes = Array.from(statements, closeStatement)
      if (closes.length > 0) await this.run(connection, Buffer.concat([...closes, sync]))
    } finally {
      // Even on failure: the others must not wait for a closed connection.
      if (this.owner === connection) this.pass()
    }
  }

  private turn(connection: WireConnection): Promise<void> | void {
    if (this.owner === connection) return
    if (this.owner === undefined) {
      this.owner = connection
      return
    }
    return new Promise((go) => this.line.push({ next: connection, go }))
  }

  private pass(): void {
    const first = this.line.shift()
    this.owner = first?.next
    first?.go()
  }

  private notifyOthers(connection: WireConnection, notification: Buffer): void {
    for (const other of this.connections) if (other !== connection) other.push(notification)
  }
}

class WireConnection extends Duplex {
  private readonly backend: Backend
  private readonly statements = new Set<string>()
  private received: Buffer = Buffer.alloc(0)
  private started = false
  /** Cycles run one after the other; the end of the connection comes behind them. */
  private work: Promise<void> = Promise.resolve()

  constructor(backend: Backend) {
    super()
    this.backend = backend
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk])
    if (!this.started) this.start()
    if (this.started) this.takeCycles()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // Not awaited: the next connection waits for its turn.
    this.work = this.work.then(() => this.backend.leave(this, this.statements)).catch(() => {})
    done(error)
  }

  /** The first message has no type: a length, and a code of the request. */
  private start(): void {
    if (this.received.length < 8) return
    const length = this.received.readInt32BE(0)
    if (this.received.length < length) return
    const code = this.received.readInt32BE(4)
    this.received = this.received.subarray(length)
    // A statement cannot be cancelled: it occupies the only thread.
    if (code === cancelRequest) this.destroy()
    else if (code === sslRequest) this.push("N")
    else {
      this.started = true
      this.backend.connections.add(this)
      this.push(greeting)
    }
  }

  private takeCycles(): void {
    let taken = 0
    for (const message of messagesOf(this.received)) {
      this.note(message)
      if (message.type === "X") return void this.destroy()
      if (message.type !== "S" && message.type !== "Q") continue
      const end = message.bytes.byteOffset - this.received.byteOffset + message.bytes.length
      this.enqueue(this.received.subarray(taken, end))
      taken = end
    }
    this.received = this.received.subarray(taken)
  }

  private enqueue(cycle: Buffer): void {
    this.work = this.work.then(async () => {
      if (this.destroyed) return
      try {
        const answer = await this.backend.run(this, cycle)
        if (!this.destroyed) this.push(answer)
      } catch (error) {
        this.destroy(error instanceof Error ? error : new Error(String(error)))
      }
    })
  }

  /** Keeps the names of the statements that the backend holds for this connection. */
  private note({ type, bytes }: Message): void {
    if (type === "P") {
      const name = bytes.toString("latin1", 5, bytes.indexOf(0, 5))
      if (name !== "") this.statements.add(name)
    } else if (type === "C" && bytes[5] === 0x53) {
      this.statements.delete(bytes.toString("latin1", 6, bytes.length - 1))
    }
  }
}
