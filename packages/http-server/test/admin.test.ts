import { afterAll, beforeAll, expect, test } from "vitest"
import { type Ask, join, seatsOf, startServer, type TestServer } from "./support.ts"

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

const admin = (method: string, path: string, ask: Ask = {}) =>
  server.talk(method, `/v1/admin${path}`, { admin: true, ...ask })
const startsAt = "2030-01-31T10:00:00.000Z"

test("what is created without an id gets one, and the same one for the same key", async () => {
  const queue = await admin("POST", "/queues", { key: "q", json: { settings: { maxActive: 7 } } })
  expect(queue).toMatchObject({
    status: 201,
    body: {
      mode: "open",
      settings: { maxActive: 7, admitPerMinute: 60_000 },
      waiting: 0,
      active: 0
    }
  })
  const { queueId } = queue.body
  expect(queue.headers.get("location")).toBe(`/v1/admin/queues/${queueId}`)
  expect(queue.headers.get("idempotency-replayed")).toBe(null)

  const show = await admin("POST", "/shows", { key: "s", json: { title: "Gala", queueId } })
  expect(show).toMatchObject({ status: 201, body: { salesOpenAt: null, salesCloseAt: null } })
  const { showId } = show.body
  const performances = `/shows/${showId}/performances`
  const when = { startsAt, timeZone: "Asia/Seoul" }
  const performance = await admin("POST", performances, { key: "p", json: when })
  expect(performance).toMatchObject({ status: 201, body: { showId, ...when } })
  const seats = `/performances/${performance.body.performanceId}/seats`
  const added = await admin("POST", seats, { key: "x", json: { seats: seatsOf(["A"], 3) } })
  expect(added).toMatchObject({ status: 201, body: { added: 3 } })

  const again = [
    [await admin("POST", "/queues", { key: "q", json: { settings: { maxActive: 7 } } }), queue],
    [await admin("POST", "/shows", { key: "s", json: { title: "Gala", queueId } }), show],
    [await admin("POST", performances, { key: "p", json: when }), performance],
    [await admin("POST", seats, { key: "x", json: { seats: seatsOf(["A"], 3) } }), added]
  ] as const
  for (const [second, first] of again) {
    expect(second).toMatchObject({ status: 201, body: first.body })
    expect(second.headers.get("idempotency-replayed")).toBe("true")
  }

  const reused = { status: 422, body: { code: "idempotency_key_reused" } }
  expect(
    await admin("POST", "/shows", { key: "s", json: { title: "Ball", queueId } })
  ).toMatchObject(reused)
  expect(
    await admin("POST", seats, { key: "x", json: { seats: seatsOf(["A"], 3, 5) } })
  ).toMatchObject({ status: 409, body: { code: "already_exists", kind: "seat" } })

  const named = { showId: "named", title: "Named", queueId }
  expect((await admin("POST", "/shows", { json: named })).status).toBe(201)
  expect((await admin("POST", "/shows", { json: named })).status).toBe(409)
  expect((await admin("POST", "/shows", { key: "n", json: named })).status).toBe(201)
  const differs = { ...named, title: "Renamed" }
  expect((await admin("POST", "/shows", { key: "n", json: differs })).status).toBe(409)
})

test("lists what there is", async () => {
  await admin("POST", "/queues", { json: { queueId: "main" } })
  await admin("POST", "/shows", { json: { showId: "gala", title: "Gala", queueId: "main" } })
  await admin("POST", "/shows/gala/performances", {
    json: { performanceId: "gala-1", startsAt, timeZone: "Asia/Seoul" }
  })
  await admin("POST", "/performances/gala-1/seats", { json: { seats: seatsOf(["A"], 5) } })

  const queues = await admin("GET", "/queues?limit=1")
  expect(queues.body.items).toHaveLength(1)
  const rest = await admin("GET", `/queues?cursor=${queues.body.nextCursor}`)
  expect(rest.body).toMatchObject({ items: [{ queueId: "main" }], nextCursor: null })
  expect((await admin("GET", "/queues/main")).body.queueId).toBe("main")
  expect((await admin("GET", "/shows?limit=200")).body.items).toContainEqual(
    expect.objectContaining({ showId: "gala" })
  )
  expect((await admin("GET", "/shows/gala/performances")).body).toEqual({
    items: [
      {
        performanceId: "gala-1",
        showId: "gala",
        startsAt,
        timeZone: "Asia/Seoul",
        availableSeats: 5,
        totalSeats: 5
      }
    ],
    nextCursor: null
  })
  const seats = await admin("GET", "/performances/gala-1/seats?limit=3")
  expect(seats.body.items.map((seat: { seatId: string }) => seat.seatId)).toEqual([
    "A-1",
    "A-2",
    "A-3"
  ])
  const more = await admin("GET", `/performances/gala-1/seats?cursor=${seats.body.nextCursor}`)
  expect(more.body).toMatchObject({
    items: [{ seatId: "A-4" }, { seatId: "A-5" }],
    nextCursor: null
  })
})

test("what does not fit, or belongs to nothing, is refused", async () => {
  const of = (answer: { status: number; body: { code: string } }) => [
    answer.status,
    answer.body.code
  ]
  expect(of(await admin("POST", "/queues", { json: { queueId: "a/b" } }))).toEqual([
    400,
    "request_invalid"
  ])
  expect(of(await admin("POST", "/queues", { json: { settings: { maxActive: 0 } } }))).toEqual([
    400,
    "request_invalid"
  ])
  expect(of(await admin("POST", "/shows", { json: { title: "X", queueId: "nope" } }))).toEqual([
    404,
    "queue_not_found"
  ])
  const when = { startsAt, timeZone: "Asia/Seoul" }
  expect(of(await admin("POST", "/shows/nope/performances", { json: when }))).toEqual([
    404,
    "show_not_found"
  ])
  const nowhere = { startsAt: "soon", timeZone: "Asia/Atlantis" }
  expect(of(await admin("POST", "/shows/gala/performances", { json: nowhere }))).toEqual([
    400,
    "request_invalid"
  ])
  const seats = { seats: seatsOf(["A"], 1) }
  expect(of(await admin("POST", "/performances/nope/seats", { json: seats }))).toEqual([
    404,
    "performance_not_found"
  ])
  expect(of(await admin("GET", "/performances/nope/seats"))).toEqual([404, "performance_not_found"])
  expect(of(await admin("PATCH", "/queues/nope", { json: { settings: {} } }))).toEqual([
    404,
    "queue_not_found"
  ])
  expect(of(await admin("POST", "/queues/nope/pause"))).toEqual([404, "queue_not_found"])
})

test("settings change one by one", async () => {
  await admin("POST", "/queues", { json: { queueId: "tuned" } })
  const changed = await admin("PATCH", "/queues/tuned", { json: { settings: { maxActive: 1 } } })
  expect(changed.body.settings).toMatchObject({ maxActive: 1, admitPerMinute: 60_000 })
  await join(server.talk, "first", "tuned")
  const second = await server.talk("POST", "/v1/queues/tuned/token", { user: "second" })
  expect(second.body).toMatchObject({ state: "waiting", position: 1 })
  expect((await admin("GET", "/queues/tuned")).body).toMatchObject({ waiting: 1, active: 1 })
})

test("seats come in bulk, more than other bodies may have; but not from just anybody", async () => {
  await admin("POST", "/shows/gala/performances", {
    json: { performanceId: "stadium", startsAt, timeZone: "Asia/Seoul" }
  })
  const json = { seats: seatsOf(["N", "E", "S", "W"], 1_000) }
  expect(JSON.stringify(json).length).toBeGreaterThan(65_536)
  const path = "/performances/stadium/seats"
  expect((await admin("POST", path, { json, admin: false })).status).toBe(401)
  expect(await admin("POST", path, { json })).toMatchObject({ status: 201, body: { added: 4_000 } })
  const tooMuch = new Uint8Array(16 * 1024 * 1024 + 1).fill(0x20)
  const headers = { "Content-Type": "application/json" }
  expect(await admin("POST", path, { body: tooMuch, headers })).toMatchObject({
    status: 413,
    body: { limit: 16 * 1024 * 1024 }
  })
})
