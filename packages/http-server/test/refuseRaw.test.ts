import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { text } from "node:stream/consumers"
import { expect, test } from "vitest"
import { refuseMalformed } from "../src/server/refuseRaw.ts"

/**
 * Sends these in sequence, each after the response to the previous one, and returns the responses.
 */
const answersTo = async (
  listener: RequestListener,
  parts: ReadonlyArray<string>
): Promise<ReadonlyArray<string>> => {
  const times = { requestTimeout: 50, headersTimeout: 50, connectionsCheckingInterval: 10 }
  const server = createServer(times, listener)
  refuseMalformed(server, "/docs/errors/")
  await once(server.listen(0, "127.0.0.1"), "listening")
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1")
  socket.on("error", () => {})
  const [first = "", ...others] = parts
  socket.write(first)
  socket.on("data", () => socket.write(others.shift() ?? ""))
  const answers = await text(socket).catch(() => "")
  server.close()
  return Array.from(answers.matchAll(/HTTP\/1.1 (\d+) /g), ([, status]) => status!)
}

const answers: RequestListener = (_, response) => response.end("done")
const neverAnswers: RequestListener = () => {}
const beginsToAnswer: RequestListener = (_, response) => response.write("some")
const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
const post = "POST / HTTP/1.1\r\nHost: x\r\n"
const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`
const malformed = "HELO\r\n\r\n"

test.each<[string, RequestListener, Array<string>, Array<string>]>([
  ["alone is refused", answers, [malformed], ["400"]],
  ["after an answer is refused", answers, [get, malformed], ["200", "400"]],
  ["behind a request that has no answer gets none", neverAnswers, [get + malformed], []],
  ["behind two of them gets none", neverAnswers, [get + get + malformed], []],
  ["in an answer gets no second one", beginsToAnswer, [get, malformed], ["200"]],
  ["in a body is refused", neverAnswers, [`${chunked}zz\r\n`], ["400"]],
  ["in a body that was answered gets no second answer", answers, [chunked, "zz\r\n"], ["200"]],
  ["of a body that does not arrive is refused", neverAnswers, [chunked], ["408"]],
  ["of headers that do not arrive is refused", answers, [post], ["408"]],
  ["of a slow body that was answered gets no second answer", answers, [chunked], ["200"]],
  ["of a slow body behind a request gets none", neverAnswers, [get + chunked], []]
])("what is malformed, or late, %s", async (_, listener, parts, statuses) => {
  expect(await answersTo(listener, parts)).toEqual(statuses)
})
