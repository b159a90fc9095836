import { commitmentOf, type QueueId, verifyLottery } from "@boxoffice/core"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
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
  ).toMatchObject(reused)
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

test("operators add seats in bodies above the usual limit, and other callers cannot", async () => {
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

const poll = async (user: string, queueId: string, token: string) =>
  (await server.talk("GET", `/v1/queues/${queueId}/token`, { user, token })).body

test("a queue is paused, resumed, drained, and closed permanently", async () => {
  const settings = { maxActive: 1 }
  await admin("POST", "/queues", { json: { queueId: "modes", settings } })
  const inside = await join(server.talk, "inside", "modes")
  const waiting = await join(server.talk, "waiting", "modes")
  const refused = { status: 409, body: { code: "queue_closed" } }
  const joining = () => server.talk("POST", "/v1/queues/modes/token", { user: "late" })
  for (const [verb, mode] of [
    ["pause", "paused"],
    ["drain", "draining"]
  ]) {
    expect(await admin("POST", `/queues/modes/${verb}`)).toMatchObject({
      status: 200,
      body: { mode, waiting: 1, active: 1, opening: null }
    })
    expect(await joining()).toMatchObject({ ...refused, body: { mode } })
  }
  expect((await admin("POST", "/queues/modes/resume")).body.mode).toBe("open")

  expect(await admin("POST", "/queues/modes/close")).toMatchObject({
    status: 200,
    body: { mode: "closed" }
  })
  expect((await admin("POST", "/queues/modes/close")).status).toBe(200)
  expect(await admin("POST", "/queues/modes/resume")).toMatchObject(refused)
  expect(await joining()).toMatchObject({ ...refused, body: { mode: "closed" } })
  expect(await poll("waiting", "modes", waiting)).toMatchObject({ state: "expired" })
  expect(await poll("inside", "modes", inside)).toMatchObject({ state: "admitted" })
  expect((await admin("POST", "/queues/nope/close")).status).toBe(404)
  expect((await admin("POST", "/queues/modes/close", { json: { now: true } })).status).toBe(400)
})

test("a queue that opens later says what its draw will be checked by", async () => {
  const opensAt = "2030-01-31T09:00:00.000Z"
  const made = await admin("POST", "/queues", { key: "o", json: { queueId: "later", opensAt } })
  expect(made).toMatchObject({
    status: 201,
    body: { mode: "collecting", opening: { opensAt, seed: null, drawn: null, openedAt: null } }
  })
  expect(made.body.opening.commitment).toMatch(/^[0-9a-f]{64}$/)
  const again = await admin("POST", "/queues", { key: "o", json: { queueId: "later", opensAt } })
  expect(again).toMatchObject({ status: 201, body: made.body })
  const sooner = { queueId: "later", opensAt: "2030-01-30T09:00:00.000Z" }
  expect((await admin("POST", "/queues", { key: "o", json: sooner })).status).toBe(422)
  expect((await admin("POST", "/queues", { json: sooner })).status).toBe(409)

  const joined = await server.talk("POST", "/v1/queues/later/token", { user: "early" })
  expect(joined.body).toMatchObject({ state: "waiting", position: 0, opensAt })
  expect((await admin("GET", "/queues/later")).body).toEqual({ ...made.body, waiting: 1 })
  for (const opensAt of ["soon", "", null, 1, "+300000-01-01T00:00:00.000Z"]) {
    expect((await admin("POST", "/queues", { json: { opensAt } })).status).toBe(400)
  }
})

test("anyone can look up what a draw is checked by: the promise before, the seed after", async () => {
  const notice = (queueId: string, ask: Ask = { user: "doubter" }) =>
    server.talk("GET", `/v1/queues/${queueId}`, ask)
  await admin("POST", "/queues", { json: { queueId: "plain" } })
  expect(await notice("plain")).toMatchObject({
    status: 200,
    body: { queueId: "plain", mode: "open", opening: null }
  })
  expect((await notice("nope")).body.code).toBe("queue_not_found")
  expect((await notice("a%2Fb")).body.code).toBe("queue_not_found")
  expect((await notice("plain", {})).body.code).toBe("identity_required")

  const opensAt = new Date(Date.now() + 1_500)
  const settings = { maxActive: 1 }
  await admin("POST", "/queues", { json: { queueId: "drawn", settings, opensAt } })
  const before = await notice("drawn")
  expect(before.body).toEqual({
    queueId: "drawn",
    mode: "collecting",
    opening: {
      opensAt: opensAt.toISOString(),
      commitment: expect.stringMatching(/^[0-9a-f]{64}$/),
      seed: null,
      drawn: null,
      openedAt: null
    }
  })
  const users = ["one", "two", "three", "four", "five"]
  for (const user of users) await join(server.talk, user, "drawn")
  // Only the verifying user polls: that alone makes the node open the queue when it is due.
  const after = await vi.waitFor(
    async () => {
      const { body } = await notice("drawn")
      expect(body.opening.seed).not.toBe(null)
      return body
    },
    { timeout: 10_000, interval: 100 }
  )
  expect(after.mode).toBe("open")
  const { commitment, seed, drawn } = after.opening
  expect([commitment, commitmentOf(seed), drawn]).toEqual([
    before.body.opening.commitment,
    commitment,
    users.length
  ])
  // The user with the first place by the published figures is the admitted one.
  const numbers = [1, 2, 3, 4, 5]
  const { kept, places } = verifyLottery(
    { queueId: "drawn" as QueueId, seed, drawn, commitment },
    numbers
  )
  expect(kept).toBe(true)
  const states = await Promise.all(
    users.map(async (user) => {
      const token = await join(server.talk, user, "drawn")
      return (await poll(user, "drawn", token)).state
    })
  )
  expect(states).toEqual(places.map((place) => (place === 1 ? "admitted" : "waiting")))
})

test("the opening of a queue is moved while it collects people, and not after", async () => {
  const opensAt = "2030-01-31T09:00:00.000Z"
  await admin("POST", "/queues", { json: { queueId: "moved", opensAt } })
  const move = (opensAt: unknown, queueId = "moved") =>
    admin("POST", `/queues/${queueId}/reschedule`, { json: { opensAt } })
  const later = "2031-01-31T09:00:00.000Z"
  const moved = await move(later)
  expect(moved).toMatchObject({ status: 200, body: { opening: { opensAt: later, seed: null } } })
  const { body } = await server.talk("POST", "/v1/queues/moved/token", { user: "early" })
  expect(body).toMatchObject({ state: "waiting", opensAt: later })

  // Opened at once, the draw still uses the seed of the commitment.
  const { commitment } = moved.body.opening
  expect((await move(null)).body.opening.commitment).toBe(commitment)
  await vi.waitFor(
    async () => {
      expect(await poll("early", "moved", body.token)).toMatchObject({ state: "admitted" })
    },
    { timeout: 10_000, interval: 100 }
  )
  const { opening } = (await admin("GET", "/queues/moved")).body
  expect(opening).toMatchObject({ commitment, drawn: 1, openedAt: expect.any(String) })
  expect(commitmentOf(opening.seed)).toBe(commitment)

  const tooLate = { status: 409, body: { code: "queue_already_open" } }
  expect(await move(later)).toMatchObject(tooLate)
  expect(await move(later, "plain")).toMatchObject(tooLate)
  expect(await move(later, "modes")).toMatchObject({ body: { code: "queue_closed" } })
  expect((await move(later, "nope")).body.code).toBe("queue_not_found")
  for (const wrong of ["soon", 1, undefined]) expect((await move(wrong)).status).toBe(400)
})

test("codes open the priority lane, can be withdrawn, and are never shown again", async () => {
  const settings = { maxActive: 1, prioritySharePercent: 100, absenceSeconds: 0 }
  const made = await admin("POST", "/queues", { json: { queueId: "lanes", settings } })
  expect(made.body.settings).toMatchObject(settings)
  await join(server.talk, "inside", "lanes")
  await join(server.talk, "general", "lanes")

  const codes = ["members-0001", "members-0002"]
  const add = (json: unknown, queueId = "lanes") =>
    admin("POST", `/queues/${queueId}/codes`, { json })
  const added = await add({ codes })
  expect(added).toMatchObject({ status: 200, body: { queueId: "lanes", added: 2 } })
  const joinBy = (user: string, code: string) =>
    server.talk("POST", "/v1/queues/lanes/token", { user, headers: { "Queue-Code": code } })
  expect((await joinBy("member", codes[0]!)).body).toMatchObject({ state: "waiting", position: 1 })
  const used = await joinBy("second", codes[0]!)
  expect(used.body.code).toBe("queue_code_invalid")
  await add({ codes: [codes[1]], uses: 0 })
  expect((await joinBy("second", codes[1]!)).body.code).toBe("queue_code_invalid")

  const refusals = [
    await add({ codes: ["short-0"] }),
    await add({ codes: [`too-long-${"x".repeat(64)}`] }),
    await add({ codes: ["twice-0001", "twice-0001"] }),
    await add({ codes: [] }),
    await add({ codes: Array.from({ length: 10_001 }, (_, n) => `code-${n}-of-many`) }),
    await add({ codes: ["unknown-field"], lane: "priority" }),
    await add({ codes: ["bad-uses-1"], uses: -1 })
  ]
  for (const { status, body } of refusals) {
    expect([status, body.code]).toEqual([400, "request_invalid"])
  }
  expect((await add({ codes }, "nope")).body.code).toBe("queue_not_found")
  const most = Array.from({ length: 10_000 }, (_, n) => `${n}-${"z".repeat(58)}`)
  expect((await add({ codes: most })).body).toMatchObject({ added: 10_000 })

  const told = JSON.stringify([added.body, used.body, refusals, server.logs])
  for (const code of [...codes, "short-0", "too-long", "twice-", "unknown-field", "bad-uses"]) {
    expect(told).not.toContain(code)
  }
})

test("a set-up can run again: what is there already just so is 200, what differs is 409", async () => {
  const setUp: ReadonlyArray<readonly [path: string, json: object, differs: object]> = [
    ["/queues", { queueId: "again", settings: { maxActive: 7 } }, { settings: { maxActive: 8 } }],
    ["/shows", { showId: "again", title: "Named", queueId: "again" }, { title: "Renamed" }],
    [
      "/shows/again/performances",
      { performanceId: "again-1", startsAt, timeZone: "Asia/Seoul" },
      { timeZone: "UTC" }
    ],
    ["/performances/again-1/seats", { seats: seatsOf(["A"], 3) }, { seats: seatsOf(["A"], 3, 5) }]
  ]
  for (const [path, json, differs] of setUp) {
    const first = await admin("POST", path, { json })
    expect(first.status).toBe(201)
    const again = await admin("POST", path, { json })
    expect(again.status).toBe(200)
    expect(again.headers.get("location")).toBe(first.headers.get("location"))
    if (!path.endsWith("/seats")) expect(again.body).toEqual(first.body)
    else expect(again.body).toEqual({ ...first.body, added: 0 })
    expect(await admin("POST", path, { json: { ...json, ...differs } })).toMatchObject({
      status: 409,
      body: { code: "already_exists" }
    })
  }
})

test("ids in any script, with one spelling of each in a path", async () => {
  const show = { showId: "공연/2030 봄", title: "Gala", queueId: "main" }
  const performanceId = "서울: 1회/A"
  const created = await admin("POST", "/shows", { json: show })
  const path = encodeURIComponent(show.showId)
  expect(created.headers.get("location")).toBe(`/v1/shows/${path}`)
  const performance = { performanceId, startsAt, timeZone: "Asia/Seoul" }
  const made = await admin("POST", `/shows/${path}/performances`, { json: performance })
  const segment = encodeURIComponent(performanceId)
  const location = `/v1/admin/performances/${segment.replace("%3A", ":")}/seats`
  expect([made.status, made.headers.get("location")]).toEqual([201, location])
  const seatIds = ["가 1", "가/2", "𠮷-3", "ﬀ-4", "é"]
  const seats = seatIds.map((seatId) => ({ ...seatsOf(["A"], 1)[0]!, seatId }))
  const seatsPath = `/performances/${segment}/seats`
  expect((await admin("POST", seatsPath, { json: { seats } })).body.added).toBe(5)
  expect((await admin("GET", seatsPath)).body.items).toHaveLength(5)

  const user = "ids"
  const token = await join(server.talk, user, "main")
  const map = await server.talk("GET", `/v1/performances/${segment}/seats`, { user, token })
  expect(map.body.seats.map(({ seatId }: { seatId: string }) => seatId)).toEqual(seatIds)
  const json = { performanceId, seatIds: ["가/2", "𠮷-3"] }
  const held = await server.talk("POST", "/v1/reservations", { user, token, json })
  expect(held).toMatchObject({ status: 201, body: { performanceId } })
  expect((await server.talk("GET", `/v1/shows/${path}/dates`, { user, token })).status).toBe(200)

  // Other spellings of the path match no route.
  for (const other of [path.toLowerCase(), path.replace("%2F", "/"), path.replace("%20", "+")]) {
    expect((await server.talk("GET", `/v1/shows/${other}`, { user })).status).toBe(404)
  }
  const refused = [
    " a",
    "a ",
    "a  b",
    "a\u0000",
    "a\n",
    "e\u0301",
    "/a",
    "",
    "..",
    "a\ud800",
    "가".repeat(65)
  ]
  for (const showId of refused) {
    const answer = await admin("POST", "/shows", { json: { ...show, showId } })
    expect([showId, answer.status]).toEqual([showId, 400])
  }
  const longest = "𠮷".repeat(64)
  const long = await admin("POST", "/shows", { json: { ...show, showId: longest } })
  expect(long.status).toBe(201)
  const page = await admin("GET", `/shows?limit=200`)
  expect(page.body.items.map(({ showId }: { showId: string }) => showId)).toContain(longest)
})

test("every change of an operator's is made once for its key, however late it is repeated", async () => {
  const queueId = "keyed"
  const opensAt = "2030-01-31T09:00:00.000Z"
  const codes = ["keyed-code-1", "keyed-code-2"]
  await admin("POST", "/queues", { json: { queueId } })
  await admin("POST", "/queues", { json: { queueId: "keyed-too", opensAt } })
  const show = { showId: "keyed", title: "Keyed", queueId }
  const performance = { performanceId: "keyed-1", startsAt, timeZone: "Asia/Seoul" }
  const seats = { seats: seatsOf(["A"], 2) }
  type Step = readonly [method: string, path: string, json?: object, another?: object]
  const steps: ReadonlyArray<Step> = [
    ["POST", "/queues", { queueId: "keyed-new" }, { queueId: "keyed-newer" }],
    ["POST", "/shows", show, { ...show, title: "Another" }],
    ["POST", "/shows/keyed/performances", performance, { ...performance, timeZone: "UTC" }],
    ["POST", "/performances/keyed-1/seats", seats, { seats: seatsOf(["B"], 2) }],
    ["POST", `/queues/${queueId}/codes`, { codes }, { codes, uses: 2 }],
    ["PATCH", `/queues/${queueId}`, { settings: { maxActive: 3 } }, { settings: { maxActive: 4 } }],
    ["POST", "/queues/keyed-too/reschedule", { opensAt: startsAt }, { opensAt: null }],
    ["POST", `/queues/${queueId}/pause`],
    ["POST", `/queues/${queueId}/drain`],
    ["POST", `/queues/${queueId}/resume`],
    // Refusals are recorded as well, although each of these requests would succeed by the end.
    ["POST", `/queues/${queueId}/reschedule`, { opensAt }],
    ["POST", "/queues/keyed-later/pause"],
    ["POST", "/shows", { showId: "late", title: "Late", queueId: "keyed-later" }],
    ["POST", "/shows/late/performances", { ...performance, performanceId: "late-1" }],
    ["POST", "/performances/late-1/seats", seats],
    ["POST", "/payments/0198c7b2-0000-7000-8000-000000000000/refund"],
    ["POST", `/queues/${queueId}/close`],
    ["POST", `/queues/${queueId}/pause`]
  ]
  const ask = (n: number, json: object | undefined) => ({
    key: `keyed-${n}`,
    ...(json !== undefined && { json })
  })
  const first = []
  for (const [n, [method, path, json]] of steps.entries()) {
    const answer = await admin(method, path, ask(n, json))
    expect(answer.headers.get("idempotency-replayed")).toBe(null)
    first.push(answer)
  }
  expect(first.map(({ status }) => status)).toEqual([
    ...[201, 201, 201, 201, 200, 200, 200, 200, 200, 200],
    ...[409, 404, 404, 404, 404, 404, 200, 409]
  ])
  await admin("POST", "/queues", { json: { queueId: "keyed-later" } })
  await admin("POST", "/shows", { json: { showId: "late", title: "Late", queueId } })
  await admin("POST", "/shows/late/performances", {
    json: { ...performance, performanceId: "late-1" }
  })
  const standing = async () => [
    (await admin("GET", "/queues?limit=200")).body,
    (await admin("GET", "/shows?limit=200")).body,
    (await admin("GET", "/performances/keyed-1/seats")).body,
    (await admin("GET", "/performances/late-1/seats")).body
  ]
  const before = await standing()
  for (const [n, [method, path, json, another]] of steps.entries()) {
    const again = await admin(method, path, ask(n, json))
    const { requestId: _, ...body } = again.body
    expect(first[n]!.body).toMatchObject(body)
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([
      first[n]!.status,
      "true"
    ])
    expect(again.headers.get("location")).toBe(first[n]!.headers.get("location"))
    if (another === undefined) continue
    expect(await admin(method, path, ask(n, another))).toMatchObject({
      status: 422,
      body: { code: "idempotency_key_reused" }
    })
  }
  expect(await standing()).toEqual(before)
  // A key is scoped to its operation.
  const elsewhere = await admin("POST", "/queues/keyed-later/drain", { key: "keyed-7" })
  expect(elsewhere).toMatchObject({ status: 200, body: { mode: "draining" } })
})
