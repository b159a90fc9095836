import { once } from "node:events"
import { type IncomingMessage, request } from "node:http"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { join, openHouse, startServer, type TestServer } from "./support.ts"

let server: TestServer
beforeAll(async () => {
  server = await startServer({ routes: { heartbeatSeconds: 0.05 } })
  await openHouse(server.talk, { settings: { maxActive: 1 } })
})
afterAll(() => server.stop())

/** Follows the events of a token; `ended` resolves when the server ends the stream. */
const follow = async (url: string, user: string, token: string) => {
  const response = await fetch(`${url}/v1/queues/main/token/events`, {
    headers: { "X-User-Id": user, "Queue-Token": token }
  })
  const seen = { text: "", ended: false }
  const done = (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream()))
      seen.text += chunk
    seen.ended = true
  })()
  return {
    response,
    done,
    seen,
    states: () =>
      [...seen.text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!).state)
  }
}

/** Starts a request, up to the point where the server waits for its body. */
const begin = async (url: string) => {
  const sent = request(`${url}/v1/queues/main/token`, {
    method: "POST",
    headers: { "X-User-Id": "slow", "Content-Type": "application/json", Expect: "100-continue" }
  })
  sent.flushHeaders()
  await once(sent, "continue")
  return {
    finish: async (body: string) => {
      sent.end(body)
      const [response] = (await once(sent, "response")) as [IncomingMessage]
      response.resume()
      return { status: response.statusCode, connection: response.headers.connection }
    }
  }
}

test("a token's life is followed to its end", async () => {
  const first = await join(server.talk, "first")
  const second = await join(server.talk, "second")
  const events = await follow(server.url, "second", second)
  expect(events.response.status).toBe(200)
  expect(events.response.headers.get("content-type")).toBe("text/event-stream")
  await vi.waitFor(() => expect(events.states()).toEqual(["waiting"]))
  await vi.waitFor(() => expect(events.seen.text).toContain("\n:\n"))
  await server.talk("DELETE", "/v1/queues/main/token", { user: "first", token: first })
  await vi.waitFor(() => expect(events.states()).toEqual(["waiting", "admitted"]), 5_000)
  await server.talk("DELETE", "/v1/queues/main/token", { user: "second", token: second })
  await vi.waitFor(() => expect(events.states()).toEqual(["waiting", "admitted", "left"]), 5_000)
  await events.done
})

test("a stream is refused as anything else is", async () => {
  const ask = { user: "ada" }
  const answer = await server.talk("GET", "/v1/queues/main/token/events", ask)
  expect(answer).toMatchObject({ status: 401, body: { code: "queue_token_required" } })
})

test("the server ends in good order", async () => {
  const server = await startServer()
  await openHouse(server.talk)
  const token = await join(server.talk, "ada")
  const events = await follow(server.url, "ada", token)
  await vi.waitFor(() => expect(events.states()).toEqual(["admitted"]))
  expect((await server.talk("GET", "/readyz")).status).toBe(200)
  const slow = await begin(server.url)
  const started = performance.now()
  const stopped = server.stop()
  await events.done
  expect(await slow.finish("{}")).toEqual({ status: 201, connection: "close" })
  await stopped
  expect(events.seen.ended).toBe(true)
  expect(performance.now() - started).toBeLessThan(5_000)
  await expect(server.talk("GET", "/livez")).rejects.toThrow()
})
