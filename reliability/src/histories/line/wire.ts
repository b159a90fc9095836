/**
 * Reads the messages of Postgres's wire protocol (version 3) from a stream of bytes, as far as a line
 * has to know them: which message begins a COMMIT, and which one answers it.
 */

/** One message: its type (none for the first ones of a connection), and all of its bytes. */
export interface Message {
  readonly type: string
  readonly bytes: Buffer
}

/** Cuts a stream into messages. */
export class Messages {
  #rest: Buffer = Buffer.alloc(0)
  /** A client's first message has no type. */
  #isStarting: boolean

  constructor(from: "client" | "server") {
    this.#isStarting = from === "client"
  }

  push(chunk: Buffer): Array<Message> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const messages: Array<Message> = []
    for (;;) {
      const typeLength = this.#isStarting ? 0 : 1
      if (this.#rest.length < typeLength + 4) return messages
      const length = typeLength + this.#rest.readInt32BE(typeLength)
      if (this.#rest.length < length) return messages
      const bytes = this.#rest.subarray(0, length)
      this.#rest = this.#rest.subarray(length)
      messages.push({ type: typeLength === 0 ? "" : String.fromCharCode(bytes[0]!), bytes })
      // A request for TLS or GSS comes before the startup message, and has no type either.
      if (typeLength === 0 && isStartup(bytes)) this.#isStarting = false
    }
  }
}

const isStartup = (bytes: Buffer): boolean => bytes.readInt32BE(4) === 3 << 16 || isCancel(bytes)
const isCancel = (bytes: Buffer): boolean => bytes.readInt32BE(4) === 80877102

/** The text that ends with a zero byte at `start`. */
const textAt = (bytes: Buffer, start: number): string =>
  bytes.toString("utf8", start, bytes.indexOf(0, start))

const isCommitStatement = (sql: string): boolean => /^\s*(COMMIT|END)\b/i.test(sql)

/** Follows what one client sends, to say which message begins a COMMIT. */
export class CommitFinder {
  /** The prepared statements that are a COMMIT, by name. */
  readonly #prepared = new Set<string>()

  /** Whether this message is the first one of a COMMIT: Query, Parse, or Bind of a prepared one. */
  begins({ type, bytes }: Message): boolean {
    if (type === "Q") return isCommitStatement(textAt(bytes, 5))
    if (type === "P") {
      const name = textAt(bytes, 5)
      const isCommit = isCommitStatement(textAt(bytes, 5 + Buffer.byteLength(name) + 1))
      if (name !== "") {
        if (isCommit) this.#prepared.add(name)
        else this.#prepared.delete(name)
      }
      return isCommit
    }
    if (type === "B") {
      const portal = textAt(bytes, 5)
      const name = textAt(bytes, 5 + Buffer.byteLength(portal) + 1)
      return name !== "" && this.#prepared.has(name)
    }
    return false
  }
}

/** Whether this message of the server says that a transaction has committed. */
export const saysCommitted = ({ type, bytes }: Message): boolean =>
  type === "C" && textAt(bytes, 5) === "COMMIT"
