import { BoxOfficeStore, StoreUnavailable } from "@boxoffice/core"
import { layerMemory } from "@boxoffice/core/testing"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import { problems } from "../src/api/problem.ts"
import {
  type Answer,
  type Ask,
  enter,
  join,
  openHouse,
  startServer,
  type TestServer
} from "./support.ts"

let server: TestServer
const talk: TestServer["talk"] = (...ask) => server.talk(...ask)

beforeAll(async () => {
  server = await startServer({
    policies: { seatsPerReservation: 3, seatsPerUser: 4, walletCeiling: 10_000n }
  })
  await openHouse(talk)
  await talk("POST", "/v1/admin/queues", { admin: true, json: { queueId: "other" } })
  await talk("POST", "/v1/admin/queues", {
    admin: true,
    json: { queueId: "narrow", settings: { maxActive: 1 } }
  })
  await talk("POST", "/v1/admin/shows", {
    admin: true,
    json: { showId: "narrow", title: "Narrow", queueId: "narrow" }
  })
})
afterAll(() => server.stop())

const seen = new Set<string>()

/** Checks the common fields of a problem, and returns its own fields. */
const problem = ({ status, headers, body }: Answer): Record<string, unknown> => {
  const { type, title, status: inBody, detail, code, requestId, ...fields } = body
  expect(headers.get("content-type")).toBe("application/problem+json")
  expect(type).toBe(`/docs/errors/${code}`)
  expect(title).toEqual(expect.any(String))
  expect(detail).toEqual(expect.any(String))
  expect(inBody).toBe(status)
  expect(requestId).toBe(headers.get("x-request-id"))
  seen.add(code)
  return { status, code, ...fields }
}

const charge = (ask: Parameters<TestServer["talk"]>[2]) =>
  talk("POST", "/v1/wallet/charges", { json: { amount: 1, currency: "KRW" }, ...ask })

describe("the order of precedence", () => {
  const user = "first"
  let token = ""
  beforeAll(async () => {
    token = await join(talk, user)
  })

  test("an unknown path, then a wrong method, before the identity", async () => {
    const answer = await talk("POST", "/v1/nope", { body: "{" })
    expect(problem(answer)).toEqual({ status: 404, code: "not_found" })
    const other = await talk("PUT", "/v1/wallet/charges?a=1", { body: "{" })
    expect(problem(other)).toMatchObject({ status: 405, code: "method_not_allowed" })
  })

  test("a body that is not read comes after the other problems, and after the identity", async () => {
    const large = {
      headers: { "Content-Type": "application/json" },
      body: `{"amount":"${"1".repeat(70_000)}"}`
    }
    const text = { headers: { "Content-Type": "text/plain" }, body: "{" }
    for (const [sent, refusal] of [
      [large, { status: 413, code: "body_too_large", limit: 65_536 }],
      [text, { status: 415, code: "unsupported_media_type" }]
    ] as const) {
      const send = async (path: string, ask: Ask) =>
        problem(await talk("POST", path, { ...sent, ...ask }))
      expect(await send("/v1/wallet/charges?a=1", {})).toMatchObject({ code: "request_invalid" })
      expect(await send("/v1/wallet/charges", {})).toMatchObject({
        code: "idempotency_key_required"
      })
      for (const path of ["/v1/wallet/charges", "/v1/queues/main/token", "/v1/admin/queues"]) {
        expect(await send(path, { key: "k" })).toMatchObject({ code: "identity_required" })
      }
      expect(await send("/v1/wallet/charges", { user, token, key: "k" })).toEqual(refusal)
      expect(await send("/v1/admin/queues", { admin: true })).toEqual(refusal)
    }
  })

  test("a malformed body before a missing key and a missing identity", async () => {
    const answer = await charge({ json: { amount: 0 } })
    expect(problem(answer)).toMatchObject({ status: 400, code: "request_invalid" })
    expect(answer.body.errors.map((e: { path: string }) => e.path).sort()).toEqual([
      "amount",
      "currency"
    ])
  })

  test("a malformed key is a malformed request", async () => {
    const answer = await charge({ user, token, key: "x".repeat(256) })
    expect(problem(answer)).toMatchObject({
      code: "request_invalid",
      errors: [{ path: "Idempotency-Key", message: expect.any(String) }]
    })
  })

  test("a missing key before a missing identity", async () => {
    expect(problem(await charge({}))).toEqual({ status: 400, code: "idempotency_key_required" })
    const pay = await talk("POST", "/v1/payments", { json: { reservationId: "x" } })
    expect(problem(pay)).toEqual({ status: 400, code: "idempotency_key_required" })
  })

  test("a missing identity before a missing queue token", async () => {
    for (const unknown of [undefined, "", "x".repeat(129), "a\tb"]) {
      const answer = await charge({ user: unknown, key: "k" })
      expect(problem(answer)).toEqual({ status: 401, code: "identity_required" })
      expect(answer.headers.get("www-authenticate")).toBe("Bearer")
    }
  })

  test("a missing queue token, then one that is forged, or another user's", async () => {
    expect(problem(await charge({ user, key: "k" }))).toEqual({
      status: 401,
      code: "queue_token_required"
    })
    const foreign = await join(talk, "somebody else")
    for (const wrong of ["x", `${token}x`, foreign, token.replace("bo1.k1", "bo1.k2")]) {
      const answer = await charge({ user, token: wrong, key: "k" })
      expect(problem(answer)).toEqual({ status: 401, code: "queue_token_invalid" })
    }
  })

  test("a token of another queue before what is not found", async () => {
    const other = await join(talk, user, "other")
    const as = { user, token: other }
    const wrong = { status: 403, code: "queue_token_wrong_queue", requiredQueueId: "main" }
    expect(problem(await talk("GET", "/v1/shows/gala/dates", as))).toEqual(wrong)
    expect(problem(await talk("GET", "/v1/performances/gala-1/seats", as))).toEqual(wrong)
    const hold = { json: { performanceId: "gala-1", seatIds: ["Z-99"] } }
    expect(problem(await talk("POST", "/v1/reservations", { ...as, ...hold }))).toEqual(wrong)
    expect(problem(await talk("GET", "/v1/queues/main/token", as))).toEqual(wrong)
  })

  test("an unknown queue, then a closed one, before a code", async () => {
    const joinWith = (queueId: string) =>
      talk("POST", `/v1/queues/${queueId}/token`, {
        user: "guesser",
        headers: { "queue-code": "let-me-in" }
      })
    expect(problem(await joinWith("nope"))).toEqual({ status: 404, code: "queue_not_found" })
    await talk("POST", "/v1/admin/queues", { admin: true, json: { queueId: "drained" } })
    await talk("POST", "/v1/admin/queues/drained/drain", { admin: true })
    expect(problem(await joinWith("drained"))).toEqual({
      status: 409,
      code: "queue_closed",
      mode: "draining"
    })
    await talk("POST", "/v1/admin/queues/drained/resume", { admin: true })
    expect(problem(await joinWith("drained"))).toEqual({ status: 403, code: "queue_code_invalid" })
  })

  test("waiting, and then expired, before what is not found", async () => {
    await join(talk, "inside", "narrow")
    const waiting = await join(talk, user, "narrow")
    const as = { user, token: waiting }
    const answer = await talk("GET", "/v1/shows/narrow/dates", as)
    expect(problem(answer)).toMatchObject({
      status: 403,
      code: "queue_token_waiting",
      queueId: "narrow",
      state: "waiting",
      position: 1,
      ahead: 0,
      estimatedWait: null,
      admittedAt: null,
      expiresAt: null
    })
    expect(answer.headers.get("retry-after")).toBe(String(answer.body.pollAfterSeconds))
    expect(problem(await talk("GET", "/v1/shows/nope/dates", as))).toMatchObject({
      code: "queue_token_waiting"
    })
    const left = await talk("DELETE", "/v1/queues/narrow/token", as)
    expect(left).toMatchObject({ status: 204, body: "" })
    expect(problem(await talk("GET", "/v1/shows/nope/dates", as))).toEqual({
      status: 403,
      code: "queue_token_expired",
      state: "left"
    })
    expect((await talk("GET", "/v1/queues/narrow/token", as)).body.state).toBe("left")
    expect((await talk("DELETE", "/v1/queues/narrow/token", as)).status).toBe(204)
  })
})

describe("what is not there", () => {
  test.each([
    ["GET", "/v1/shows/nope", "show_not_found"],
    ["GET", "/v1/shows/nope/dates", "show_not_found"],
    ["GET", `/v1/shows/${"x".repeat(3_000)}/dates`, "show_not_found"],
    ["GET", "/v1/shows/%00/dates", "show_not_found"],
    ["GET", "/v1/performances/nope/seats", "performance_not_found"],
    ["GET", "/v1/reservations/nope", "reservation_not_found"],
    ["GET", "/v1/reservations/019845e1-682f-7b02-a706-3b2422d13aec", "reservation_not_found"],
    ["DELETE", "/v1/reservations/019845e1-682f-7b02-a706-3b2422d13aec", "reservation_not_found"],
    ["POST", "/v1/queues/nope/token", "queue_not_found"],
    ["GET", "/v1/nope", "not_found"],
    ["GET", "/", "not_found"],
    ["GET", "/%ZZ", "not_found"]
  ])("%s %s", async (method, path, code) => {
    const token = await join(talk, "seeker")
    expect(problem(await talk(method, path, { user: "seeker", token }))).toEqual({
      status: 404,
      code
    })
  })

  test("in a body", async () => {
    const user = await enter(talk, "seeker")
    expect(problem(await user.hold(["A-1", "Z-1", "Z-2"]))).toEqual({
      status: 404,
      code: "seat_not_found",
      seatIds: ["Z-1", "Z-2"]
    })
    const elsewhere = await user.hold([], { json: { performanceId: "nope", seatIds: ["A-1"] } })
    expect(problem(elsewhere)).toEqual({ status: 404, code: "performance_not_found" })
    expect(problem(await user.pay("nope", "k1"))).toEqual({
      status: 404,
      code: "reservation_not_found"
    })
  })

  test("another user's reservation looks like none", async () => {
    const owner = await enter(talk, "owner")
    const { body } = await owner.hold(["A-10"])
    const stranger = await enter(talk, "stranger")
    const path = `/v1/reservations/${body.reservationId}`
    const none = { status: 404, code: "reservation_not_found" }
    expect(problem(await stranger.get(path))).toEqual(none)
    expect(problem(await talk("DELETE", path, { user: "stranger" }))).toEqual(none)
    expect(problem(await stranger.pay(body.reservationId, "k"))).toEqual(none)
    expect((await talk("DELETE", path, { user: "owner" })).status).toBe(204)
  })

  test("another method of a path that is", async () => {
    const answer = await talk("PUT", "/v1/reservations")
    expect(problem(answer)).toEqual({
      status: 405,
      code: "method_not_allowed",
      allow: ["POST", "GET", "HEAD"]
    })
    expect(answer.headers.get("allow")).toBe("POST, GET, HEAD")
  })
})

describe("what cannot be had", () => {
  test("seats that are held, sold or blocked: every one of them, and nothing is held", async () => {
    await talk("POST", "/v1/admin/performances/gala-1/seats", {
      admin: true,
      json: {
        seats: [
          {
            seatId: "DESK",
            section: "Floor",
            row: "Z",
            number: "1",
            price: { amount: 1, currency: "KRW" },
            blocked: true
          }
        ]
      }
    })
    const buyer = await enter(talk, "buyer")
    const sold = await buyer.hold(["A-3"])
    await buyer.charge(100, "c")
    expect((await buyer.pay(sold.body.reservationId, "p")).status).toBe(201)
    const holder = await enter(talk, "holder")
    await holder.hold(["A-4"])
    const late = await enter(talk, "late")
    expect(problem(await late.hold(["A-3", "A-4", "DESK", "A-5"]))).toEqual({
      status: 409,
      code: "seat_unavailable",
      conflicts: [
        { seatId: "A-3", reason: "sold" },
        { seatId: "A-4", reason: "held" },
        { seatId: "DESK", reason: "blocked" }
      ]
    })
    expect((await late.hold(["A-5"])).status).toBe(201)

    const again = await enter(talk, "buyer")
    expect(problem(await again.pay(sold.body.reservationId, "p2"))).toEqual({
      status: 409,
      code: "reservation_not_payable",
      reservationStatus: "confirmed"
    })
    const release = await talk("DELETE", `/v1/reservations/${sold.body.reservationId}`, {
      user: "buyer"
    })
    expect(problem(release)).toMatchObject({ code: "reservation_not_payable" })
  })

  test("more than the limits", async () => {
    const user = await enter(talk, "greedy")
    const limit = (name: string, limit: number) => ({
      status: 422,
      code: "limit_exceeded",
      name,
      limit
    })
    expect(problem(await user.hold(["B-1", "B-2", "B-3", "B-4"]))).toEqual(
      limit("seatsPerReservation", 3)
    )
    expect((await user.hold(["B-1", "B-2", "B-3"])).status).toBe(201)
    expect(problem(await user.hold(["B-4", "B-5"]))).toEqual(limit("seatsPerUser", 4))
    expect(problem(await user.charge(10_001, "k1"))).toEqual(limit("walletCeiling", 10_000))
    expect(problem(await user.charge(1, "k2", { json: { amount: 1, currency: "USD" } }))).toEqual({
      status: 422,
      code: "currency_mismatch",
      expected: "KRW",
      actual: "USD"
    })
    expect(problem(await user.charge(2, "k2"))).toEqual({
      status: 422,
      code: "idempotency_key_reused"
    })
  })

  test("too little money", async () => {
    const user = await enter(talk, "poor")
    const { body } = await user.hold(["B-6"])
    await user.charge(99, "c")
    expect(problem(await user.pay(body.reservationId, "p"))).toEqual({
      status: 402,
      code: "insufficient_balance",
      required: { amount: 100, currency: "KRW" },
      available: { amount: 99, currency: "KRW" }
    })
  })

  test("a queue that is paused or drained", async () => {
    await join(talk, "early")
    for (const [act, mode] of [
      ["pause", "paused"],
      ["drain", "draining"]
    ] as const) {
      const paused = await talk("POST", `/v1/admin/queues/main/${act}`, { admin: true })
      expect(paused).toMatchObject({ status: 200, body: { mode } })
      const answer = await talk("POST", "/v1/queues/main/token", { user: `late for ${act}` })
      expect(problem(answer)).toEqual({ status: 409, code: "queue_closed", mode })
      const early = await talk("POST", "/v1/queues/main/token", { user: "early" })
      expect(early.status).toBe(200)
    }
    await talk("POST", "/v1/admin/queues/main/resume", { admin: true })
    expect((await talk("POST", "/v1/queues/main/token", { user: "on time" })).status).toBe(201)
  })

  test("the opening of a queue that is open", async () => {
    const answer = await talk("POST", "/v1/admin/queues/main/reschedule", {
      admin: true,
      json: { opensAt: null }
    })
    expect(problem(answer)).toEqual({ status: 409, code: "queue_already_open" })
  })

  test("a code that opens nothing", async () => {
    const answer = await talk("POST", "/v1/queues/main/token", {
      user: "guesser",
      headers: { "queue-code": "let-me-in" }
    })
    expect(problem(answer)).toEqual({ status: 403, code: "queue_code_invalid" })
  })

  test("what is there already, and differs", async () => {
    const answer = await talk("POST", "/v1/admin/queues", {
      admin: true,
      json: { queueId: "main", settings: { maxActive: 12_345 } }
    })
    expect(problem(answer)).toEqual({ status: 409, code: "already_exists", kind: "queue" })
  })

  test("a refund of what was not paid", async () => {
    const answer = await talk("POST", "/v1/admin/payments/nope/refund", { admin: true })
    expect(problem(answer)).toEqual({ status: 404, code: "payment_not_found" })
  })

  test("a hold that has lapsed", async () => {
    await using quick = await startServer({ policies: { holdSeconds: 1 } })
    await openHouse(quick.talk)
    const user = await enter(quick.talk, "slow")
    const { body } = await user.hold(["A-1"])
    await user.charge(100, "c")
    const { reservationId } = body
    await vi.waitFor(
      async () =>
        expect((await user.get(`/v1/reservations/${reservationId}`)).body.status).toBe("expired"),
      { timeout: 3_000, interval: 50 }
    )
    expect(problem(await user.pay(reservationId, "p"))).toEqual({
      status: 410,
      code: "hold_expired",
      expiredAt: body.holdExpiresAt
    })
    const next = await enter(quick.talk, "quick")
    expect((await next.hold(["A-1"])).status).toBe(201)
  })
})

describe("when the host's own policies", () => {
  const secret = "the host's own business"

  test("refuse a refund, the caller gets their reason", async () => {
    await using server = await startServer({ policies: { refund: () => ({ refused: "Never." }) } })
    await openHouse(server.talk)
    const user = await enter(server.talk, "ada")
    const { reservationId } = (await user.hold(["A-1"])).body
    await user.charge(100, "c")
    const { paymentId } = (await user.pay(reservationId, "p")).body
    const path = `/v1/admin/payments/${paymentId}/refund`
    const answer = await server.talk("POST", path, { admin: true })
    expect(problem(answer)).toEqual({ status: 409, code: "refund_refused", reason: "Never." })
    expect((await user.get(`/v1/reservations/${reservationId}`)).body.status).toBe("confirmed")
  })

  test("are faulty, the caller learns which one, and not how", async () => {
    const price = () => {
      throw new Error(secret)
    }
    await using server = await startServer({ policies: { price } })
    await openHouse(server.talk)
    const answer = await (await enter(server.talk, "ada")).hold(["A-1"])
    expect(problem(answer)).toEqual({ status: 500, code: "policy_failed", policy: "price" })
    expect(JSON.stringify(answer.body)).not.toContain(secret)
    const [log] = server.logs
    expect(log).toEqual({
      text: expect.stringContaining(secret),
      requestId: answer.body.requestId
    })
  })
})

describe("when the server cannot", () => {
  const faulty = (fault: Effect.Effect<never, StoreUnavailable>) =>
    Layer.effect(
      BoxOfficeStore,
      Effect.map(BoxOfficeStore, (store) =>
        BoxOfficeStore.of({ ...store, show: () => fault, ping: fault })
      )
    ).pipe(Layer.provide(layerMemory))
  const secret = "password of postgres"

  test("an unavailable store is reported with a time to try again, and without the cause", async () => {
    const cause = new Error(secret)
    const store = faulty(Effect.fail(new StoreUnavailable({ retryable: true, cause })))
    await using server = await startServer({ store })
    for (const path of ["/v1/shows/gala", "/readyz"]) {
      const answer = await server.talk("GET", path, { user: "ada" })
      expect(problem(answer)).toEqual({ status: 503, code: "store_unavailable" })
      expect(answer.headers.get("retry-after")).toBe("1")
      expect(JSON.stringify(answer.body)).not.toContain(secret)
    }
  })

  test("what the store refuses permanently is not reported as retryable", async () => {
    const cause = new Error(secret)
    const store = faulty(Effect.fail(new StoreUnavailable({ retryable: false, cause })))
    await using server = await startServer({ store })
    const answer = await server.talk("GET", "/v1/shows/gala", { user: "ada" })
    expect(problem(answer)).toEqual({ status: 500, code: "internal_error" })
    expect(answer.headers.get("retry-after")).toBe(null)
    expect(JSON.stringify(answer.body)).not.toContain(secret)
    expect(server.logs[0]).toMatchObject({ text: expect.stringContaining(secret) })
    // A probe gets a retryable error even for a permanent failure.
    expect(problem(await server.talk("GET", "/readyz"))).toEqual({
      status: 503,
      code: "store_unavailable"
    })
  })

  test("a defect is reported without its cause", async () => {
    await using server = await startServer({ store: faulty(Effect.die(new Error(secret))) })
    const answer = await server.talk("GET", "/v1/shows/gala", { user: "ada" })
    expect(problem(answer)).toEqual({ status: 500, code: "internal_error" })
    expect(JSON.stringify(answer.body)).not.toContain(secret)
    // The log has the cause under the request's id.
    const [log] = server.logs
    expect(log).toEqual({
      text: expect.stringContaining(secret),
      requestId: answer.body.requestId
    })
  })

  test("too much at once is refused, with when to try again", async () => {
    await using server = await startServer({ batches: { capacity: 0 } })
    await openHouse(server.talk)
    const answer = await server.talk("POST", "/v1/queues/main/token", { user: "ada" })
    expect(problem(answer)).toEqual({ status: 429, code: "overloaded", retryAfterSeconds: 1 })
    expect(answer.headers.get("retry-after")).toBe("1")
  })
})

test("every error of the table was seen, but for those that nothing raises at will", () => {
  const codes = Object.values(problems).map(({ code }) => code)
  expect(codes.filter((code) => !seen.has(code)).sort()).toEqual([
    "charge_not_allowed",
    "draining",
    "identity_unavailable"
  ])
})
