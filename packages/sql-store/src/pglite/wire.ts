/** The part of Postgres' wire protocol that is needed to act as a server. */

export interface Message {
  readonly type: string
  /** The whole message, with its type and length. */
  readonly bytes: Buffer
}

/** The whole messages at the start of some bytes. */
export function* messagesOf(bytes: Buffer): Generator<Message> {
  for (let start = 0; start + 5 <= bytes.length; ) {
    const end = start + 1 + bytes.readInt32BE(start + 1)
    if (end > bytes.length) return
    yield { type: String.fromCharCode(bytes[start]!), bytes: bytes.subarray(start, end) }
    start = end
  }
}

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type, 0, "latin1")
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

const text = (...strings: ReadonlyArray<string>): Buffer =>
  Buffer.from(strings.map((string) => `${string}\0`).join(""))

export const sync = message("S", Buffer.alloc(0))

export const simpleQuery = (sql: string): Buffer => message("Q", text(sql))

export const closeStatement = (name: string): Buffer => message("C", text(`S${name}`))

/** A server's answer to a client that it accepts: no password, its settings, ready. */
export const greeting = Buffer.concat([
  message("R", Buffer.alloc(4)),
  message("S", text("server_version", "17")),
  message("S", text("client_encoding", "UTF8")),
  message("S", text("integer_datetimes", "on")),
  message("S", text("standard_conforming_strings", "on")),
  message("K", Buffer.alloc(8)),
  message("Z", Buffer.from("I"))
])
