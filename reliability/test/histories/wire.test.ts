/** The messages that a line has to tell apart, in pieces of any size. */
import { expect, test } from "vitest"
import { CommitFinder, Messages, saysCommitted } from "../../src/histories/line/wire.ts"

const text = (value: string) => Buffer.from(`${value}\0`)
const message = (type: string, ...parts: ReadonlyArray<Buffer>): Buffer => {
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type), length, body])
}
const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const startup = message("", number(3 << 16), text("user"), text("ada"), Buffer.alloc(1))
const parse = (name: string, sql: string) => message("P", text(name), text(sql), Buffer.alloc(2))
const bind = (statement: string) => message("B", text(""), text(statement), Buffer.alloc(6))
const execute = message("E", text(""), Buffer.alloc(4))
const sync = message("S")
const query = (sql: string) => message("Q", text(sql))

const sent = [
  startup,
  query("BEGIN"),
  parse("insert", "INSERT INTO t VALUES ($1) -- COMMIT"),
  bind("insert"),
  execute,
  parse("", "COMMIT"),
  bind(""),
  execute,
  sync,
  parse("end", "commit and chain"),
  bind("end"),
  parse("end", "COMMENT ON TABLE t IS 'COMMIT'"),
  bind("end"),
  query(" end "),
  query("SELECT 'COMMIT'"),
  query("ENDING")
]

test.each([1, 3, 7, 10_000])("finds each COMMIT of a client in pieces of %i bytes", (size) => {
  const messages = new Messages("client")
  const finder = new CommitFinder()
  const stream = Buffer.concat(sent)
  const found: Array<number> = []
  let nth = 0
  for (let at = 0; at < stream.length; at += size) {
    for (const each of messages.push(stream.subarray(at, at + size))) {
      expect(each.bytes).toEqual(sent[nth])
      if (finder.begins(each)) found.push(nth)
      nth++
    }
  }
  expect(nth).toBe(sent.length)
  // The unnamed Parse, the named Parse and its Bind, and the simple query.
  expect(found).toEqual([5, 9, 10, 13])
})

test("a request for TLS comes before the startup message", () => {
  const messages = new Messages("client")
  const requested = message("", number(80877103))
  const [first, second, third] = messages.push(Buffer.concat([requested, startup, query("COMMIT")]))
  expect([first!.type, second!.type, third!.type]).toEqual(["", "", "Q"])
})

test("knows the answer to a COMMIT from that to a ROLLBACK", () => {
  const tags = ["COMMIT", "ROLLBACK", "INSERT 0 1"].map((tag) => message("C", text(tag)))
  const said = new Messages("server").push(Buffer.concat(tags)).map(saysCommitted)
  expect(said).toEqual([true, false, false])
})
