import { randomUUID } from "node:crypto"
import { connect } from "node:net"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { join, startServer, type TestServer } from "./support.ts"

// Metrics are global to the process, so each test uses the labels of its own queue.
const door = `door-${randomUUID()}`
const estimates = `estimates-${randomUUID()}`

let server: TestServer
beforeAll(async () => {
  server = await startServer({ policies: { queueMaxAgeMs: 20 } })
})
afterAll(() => server.stop())

/** The metrics of a queue: each series by its name, without buckets. */
const metricsOf = async (queueId: string): Promise<Record<string, number>> => {
  const { body } = await server.talk("GET", "/metrics")
  const lines = (body as string).split("\n").filter((line) => line.includes(`queue="${queueId}"`))
  return Object.fromEntries(
    lines
      .filter((line) => !line.includes("_bucket{"))
      .map((line) => [
        line.slice("boxoffice_queue_".length, line.indexOf("{")),
        Number(line.slice(line.lastIndexOf(" ") + 1))
      ])
  )
}
const create = (queueId: string, settings: Record<string, number>) =>
  server.talk("POST", "/v1/admin/queues", { admin: true, json: { queueId, settings } })
const poll = async (user: string, queueId: string, token: string) =>
  (await server.talk("GET", `/v1/queues/${queueId}/token`, { user, token })).body
const inTime = { timeout: 10_000, interval: 50 }

test("an operator sees how many users wait, are inside, are admitted, and did not show up", async () => {
  await create(door, { maxActive: 1, claimSeconds: 1, sessionSeconds: 60 })
  const first = await join(server.talk, "first", door)
  const second = await join(server.talk, "second", door)
  const third = await join(server.talk, "third", door)
  await vi.waitFor(async () => {
    await poll("third", door, third)
    expect(await metricsOf(door)).toMatchObject({
      waiting: 2,
      active: 1,
      admitted_last_minute: 1,
      admitted_total: 1
    })
  }, inTime)

  // The second user is admitted but does not show up, so the third one is admitted.
  await server.talk("DELETE", `/v1/queues/${door}/token`, { user: "first", token: first })
  await vi.waitFor(async () => {
    expect(await poll("third", door, third)).toMatchObject({ state: "admitted" })
  }, inTime)
  expect(await poll("second", door, second)).toMatchObject({ state: "expired" })
  await vi.waitFor(async () => {
    // A request for the queue itself also makes the node read it.
    await server.talk("GET", `/v1/queues/${door}`, { user: "operator" })
    expect(await metricsOf(door)).toMatchObject({
      waiting: 0,
      active: 1,
      admitted_last_minute: 3,
      admitted_total: 3,
      expired_total: 1,
      unclaimed_total: 1
    })
  }, inTime)
}, 30_000)

test("and how far the first estimate was off", async () => {
  // With room and one admission a minute the rate is known; for a full queue it is not known yet.
  await create(estimates, { maxActive: 10, admitPerMinute: 1 })
  await join(server.talk, "first", estimates)
  const second = await join(server.talk, "second", estimates)
  const told = await poll("second", estimates, second)
  expect(told).toMatchObject({
    state: "waiting",
    estimatedWait: { p50Seconds: expect.any(Number) }
  })
  expect(await metricsOf(estimates)).not.toHaveProperty("estimate_error_count")
  await server.talk("PATCH", `/v1/admin/queues/${estimates}`, {
    admin: true,
    json: { settings: { admitPerMinute: 10 } }
  })
  await vi.waitFor(async () => {
    expect(await poll("second", estimates, second)).toMatchObject({ state: "admitted" })
  }, inTime)
  const { estimate_error_count, estimate_error_sum } = await metricsOf(estimates)
  expect(estimate_error_count).toBe(1)
  // The wait was short, and counts as at least one second.
  expect(estimate_error_sum).toBe(Math.abs(told.estimatedWait.p50Seconds - 1))
}, 30_000)

test("requests that come at once get the same text, and the next one gets a new one", async () => {
  const { port } = new URL(server.url)
  const socket = connect(Number(port), "127.0.0.1")
  const ask = "GET /metrics HTTP/1.1\r\nHost: x\r\n"
  socket.write(`${ask}\r\n${ask}\r\n${ask}Connection: close\r\n\r\n`)
  const counted = (answers: string) =>
    Array.from(
      answers.matchAll(/requests_total\{method="GET",route="\/metrics",status="200"\} (\d+)/g),
      ([, count]) => Number(count)
    )
  const [first, ...others] = counted(await text(socket))
  expect(others).toEqual([first, first])
  const { body } = await server.talk("GET", "/metrics")
  expect(counted(body)).toEqual([first! + 3])
})
