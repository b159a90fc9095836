import { BoxOffice, QueueTokens } from "@boxoffice/core"
import { layerMemory } from "@boxoffice/core/testing"
import { Effect, Layer, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { afterAll, beforeAll, expect, test } from "vitest"
import { connect, makeClient } from "../src/client.ts"
import { toWebHandler } from "../src/index.ts"
import { adminToken, openHouse, startServer, type TestServer, ticketKey } from "./support.ts"

let server: TestServer
beforeAll(async () => {
  server = await startServer()
  await openHouse(server.talk)
})
afterAll(() => server.stop())

test("the client of promises buys a seat", async () => {
  await using tickets = connect({ baseUrl: server.url, userId: "ada" })
  const { state } = await tickets.join("main")
  expect(state).toBe("admitted")
  const { dates } = await tickets.dates("gala")
  const { performanceId, startsAt } = dates[0]!.performances[0]!
  expect(startsAt).toBeInstanceOf(Date)
  const { seats } = await tickets.seats(performanceId)
  const hold = await tickets.hold({ performanceId, seatIds: [seats[0]!.seatId] })
  expect(hold.amount).toEqual({ amount: 100n, currency: "KRW" })
  await expect(tickets.pay(hold.reservationId)).rejects.toMatchObject({
    _tag: "InsufficientBalance",
    code: "insufficient_balance",
    required: { amount: 100n, currency: "KRW" }
  })
  await tickets.charge({ amount: 150n, currency: "KRW" })
  const payment = await tickets.pay(hold.reservationId)
  expect(payment.balance.amount).toBe(50n)
  await expect(tickets.balance()).rejects.toMatchObject({ _tag: "QueueTokenExpired" })
  expect((await tickets.status("main")).state).toBe("completed")
})

test("without a token it gets the error of a missing token", async () => {
  await using tickets = connect({ baseUrl: server.url, userId: "ada" })
  await expect(tickets.balance()).rejects.toMatchObject({ _tag: "QueueTokenRequired" })
  await using nobody = connect({ baseUrl: server.url })
  await expect(nobody.join("main")).rejects.toMatchObject({ _tag: "IdentityRequired" })
})

test("the client of effects fails with the engine's errors, and follows events", async () => {
  const program = Effect.gen(function* () {
    const client = yield* makeClient({ baseUrl: server.url, userId: "bob", adminToken })
    const conflict = client.reservations
      .hold({
        headers: { "Queue-Token": "x" },
        payload: { performanceId: "gala-1", seatIds: ["A-1"] }
      })
      .pipe(Effect.catchTag("QueueTokenInvalid", ({ code }) => Effect.succeed(code)))
    const queue = { params: { queueId: "main" } }
    const { token } = yield* client.queue.join({ ...queue, headers: {} })
    const headers = { "Queue-Token": token }
    const events = yield* client.queue.events({ ...queue, headers })
    const first = yield* Stream.runCollect(Stream.take(events, 1))
    const paused = yield* client.admin.pauseQueue({ ...queue, headers: {} })
    yield* client.admin.resumeQueue({ ...queue, headers: {} })
    return { conflict: yield* conflict, states: first.map(({ state }) => state), mode: paused.mode }
  })
  const seen = await Effect.runPromise(Effect.provide(program, FetchHttpClient.layer))
  expect(seen).toEqual({ conflict: "queue_token_invalid", states: ["admitted"], mode: "paused" })
})

test("a host can mount the routes as a function of requests", async () => {
  const office = BoxOffice.layer.pipe(
    Layer.provide(QueueTokens.layer([ticketKey])),
    Layer.provideMerge(layerMemory)
  )
  const { handler, dispose } = toWebHandler(
    { identity: { mode: "header" }, charges: "user" },
    office
  )
  const ask = (path: string, init?: RequestInit) => handler(new Request(`http://host${path}`, init))
  const shows = await ask("/v1/shows", { headers: { "X-User-Id": "ada" } })
  expect(await shows.json()).toEqual({ items: [], nextCursor: null })
  const body = "x".repeat(70_000)
  const headers = { "X-User-Id": "ada", "Idempotency-Key": "k", "Content-Type": "application/json" }
  const large = await ask("/v1/payments", { method: "POST", body, headers })
  expect(large.status).toBe(413)
  expect((await ask("/nope")).headers.get("content-type")).toBe("application/problem+json")
  await dispose()
})
