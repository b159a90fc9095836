import { layerMemory } from "@boxoffice/core/testing"
import { SqlStore } from "@boxoffice/sql-store"
import { layerPglite } from "@boxoffice/sql-store/pglite"
import { Layer } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createTestDatabase, type TestDatabase } from "../../../test-support/database.ts"
import {
  enter,
  join,
  openHouse,
  startServer,
  type TestServer,
  type TestServerOptions
} from "./support.ts"

type Store = NonNullable<TestServerOptions["store"]>
let database: TestDatabase | undefined

const stores: Record<string, () => Promise<Store>> = {
  memory: async () => layerMemory,
  PGlite: async () => SqlStore.layer({ migrate: true }).pipe(Layer.provide(layerPglite())),
  Postgres: async () => {
    database = await createTestDatabase()
    return SqlStore.layerUrl({ url: database.url, migrate: true })
  }
}

describe.each(Object.keys(stores))("on %s", (name) => {
  let server: TestServer
  const talk: TestServer["talk"] = (...ask) => server.talk(...ask)

  beforeAll(async () => {
    server = await startServer({ store: await stores[name]!() })
    await openHouse(talk)
  }, 60_000)
  afterAll(async () => {
    await server?.stop()
    if (name === "Postgres") await database?.drop()
  })

  test("a seat is bought through the seven APIs", async () => {
    const user = "ada"
    // 1
    const joined = await talk("POST", "/v1/queues/main/token", { user })
    expect(joined.status).toBe(201)
    expect(joined.body).toEqual({
      queueId: "main",
      state: "admitted",
      position: 0,
      ahead: 0,
      estimatedWait: null,
      pollAfterSeconds: expect.any(Number),
      admittedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
      token: expect.any(String)
    })
    const { token, ...status } = joined.body
    const again = await talk("POST", "/v1/queues/main/token", { user })
    expect(again.status).toBe(200)
    expect(again.body.token).toBe(token)
    const polled = await talk("GET", "/v1/queues/main/token", { user, token })
    expect(polled.status).toBe(200)
    expect(Object.keys(polled.body).sort()).toEqual(Object.keys(status).sort())

    // 2
    const dates = await talk("GET", "/v1/shows/gala/dates", { user, token })
    expect(dates.status).toBe(200)
    expect(dates.body).toEqual({
      showId: "gala",
      dates: [
        {
          date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
          performances: [
            {
              performanceId: "gala-1",
              startsAt: expect.stringMatching(/Z$/),
              timeZone: "Asia/Seoul",
              availableSeats: 20,
              totalSeats: 20,
              priceFrom: { amount: 100, currency: "KRW" }
            }
          ]
        }
      ]
    })

    // 3
    const seats = await talk("GET", "/v1/performances/gala-1/seats", { user, token })
    expect(seats.status).toBe(200)
    expect(seats.body.seats).toHaveLength(20)
    expect(seats.body.seats[0]).toEqual({
      seatId: "A-1",
      section: "Floor",
      row: "A",
      number: "1",
      price: { amount: 100, currency: "KRW" },
      status: "available"
    })

    // 4
    const held = await talk("POST", "/v1/reservations", {
      user,
      token,
      json: { performanceId: "gala-1", seatIds: ["A-1", "A-2"] }
    })
    expect(held.status).toBe(201)
    expect(held.headers.get("location")).toBe(`/v1/reservations/${held.body.reservationId}`)
    expect(held.body).toMatchObject({
      performanceId: "gala-1",
      userId: user,
      amount: { amount: 200, currency: "KRW" },
      status: "held",
      confirmedAt: null
    })
    expect(held.body.holdExpiresInSeconds).toBeGreaterThan(290)
    const { reservationId } = held.body
    const left = await talk("GET", "/v1/performances/gala-1/seats", { user, token })
    expect(left.body.seats).toHaveLength(18)
    const all = await talk("GET", "/v1/performances/gala-1/seats?status=all", { user, token })
    expect(all.body.seats.map((seat: { status: string }) => seat.status).slice(0, 3)).toEqual([
      "held",
      "held",
      "available"
    ])

    // 5
    const charged = await talk("POST", "/v1/wallet/charges", {
      user,
      token,
      key: "charge-1",
      json: { amount: 250, currency: "KRW" }
    })
    expect(charged.status).toBe(201)
    expect(charged.body).toEqual({
      transferId: expect.any(String),
      amount: { amount: 250, currency: "KRW" },
      balance: { amount: 250, currency: "KRW" }
    })

    // 6
    const balance = await talk("GET", "/v1/wallet", { user, token })
    expect(balance.body).toEqual({ userId: user, balance: { amount: 250, currency: "KRW" } })

    // 7
    const paid = await talk("POST", "/v1/payments", {
      user,
      token,
      key: "pay-1",
      json: { reservationId }
    })
    expect(paid.status).toBe(201)
    expect(paid.body).toEqual({
      paymentId: expect.any(String),
      reservationId,
      amount: { amount: 200, currency: "KRW" },
      balance: { amount: 50, currency: "KRW" },
      paidAt: expect.stringMatching(/Z$/)
    })

    const ended = await talk("GET", "/v1/queues/main/token", { user, token })
    expect(ended.body.state).toBe("completed")
    const after = await talk("GET", "/v1/wallet", { user, token })
    expect(after).toMatchObject({ status: 403, body: { code: "queue_token_expired" } })
    const mine = await talk("GET", `/v1/reservations/${reservationId}`, { user })
    expect(mine.body.status).toBe("confirmed")
    const entries = await talk("GET", "/v1/wallet/entries", { user })
    expect(entries.body.items.map((e: { kind: string }) => e.kind)).toEqual(["payment", "charge"])
    expect(entries.body.items[0].balance.amount).toBe(50)

    const refunded = await talk("POST", `/v1/admin/payments/${paid.body.paymentId}/refund`, {
      admin: true,
      key: "refund-1"
    })
    expect(refunded).toMatchObject({ status: 201, body: { balance: { amount: 250 } } })
    const repeated = await talk("POST", `/v1/admin/payments/${paid.body.paymentId}/refund`, {
      admin: true,
      key: "refund-1"
    })
    expect(repeated.body).toEqual(refunded.body)
    expect(repeated.headers.get("idempotency-replayed")).toBe("true")
    const cancelled = await talk("GET", `/v1/reservations/${reservationId}`, { user })
    expect(cancelled.body.status).toBe("cancelled")
  })

  test("200 callers on one seat: one has it", async () => {
    const users = await Promise.all(
      Array.from({ length: 200 }, (_, i) => enter(talk, `caller-${i}`))
    )
    const answers = await Promise.all(users.map((user) => user.hold(["B-10"])))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    const refused = answers.filter(({ status }) => status === 409)
    expect(refused).toHaveLength(199)
    for (const { body } of refused) {
      expect(body.code).toBe("seat_unavailable")
      expect(body.conflicts).toEqual([{ seatId: "B-10", reason: "held" }])
    }
  }, 30_000)

  test("200 times the same user joins at once: one token", async () => {
    const tokens = await Promise.all(Array.from({ length: 200 }, () => join(talk, "eager")))
    expect(new Set(tokens).size).toBe(1)
  }, 30_000)

  test("the same payment 100 times at once has one effect and one answer", async () => {
    const user = await enter(talk, "insistent")
    await user.charge(100, "c")
    const { body } = await user.hold(["B-9"])
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => user.pay(body.reservationId, "p"))
    )
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
    const replayed = answers.filter(({ headers }) => headers.get("idempotency-replayed") === "true")
    expect(replayed).toHaveLength(99)
  }, 30_000)

  test("a refusal is replayed as well, and a key serves one request only", async () => {
    const user = await enter(talk, "poor")
    const { body } = await user.hold(["B-1"], { key: "h" })
    const first = await user.pay(body.reservationId, "p")
    expect(first).toMatchObject({
      status: 402,
      body: {
        code: "insufficient_balance",
        required: { amount: 100, currency: "KRW" },
        available: { amount: 0, currency: "KRW" }
      }
    })
    await user.charge(100, "c")
    const second = await user.pay(body.reservationId, "p")
    expect(second.headers.get("idempotency-replayed")).toBe("true")
    const withoutId = ({ requestId: _, ...rest }: Record<string, unknown>) => rest
    expect(withoutId(second.body)).toEqual(withoutId(first.body))

    const held = await user.hold(["B-1"], { key: "h" })
    expect(held).toMatchObject({ status: 201, body: { reservationId: body.reservationId } })
    expect(held.headers.get("idempotency-replayed")).toBe("true")
    const other = await user.hold(["B-2"], { key: "h" })
    expect(other).toMatchObject({ status: 422, body: { code: "idempotency_key_reused" } })
    expect(other.headers.get("idempotency-replayed")).toBe(null)
    expect((await user.pay(body.reservationId, "p2")).status).toBe(201)
  })
})
