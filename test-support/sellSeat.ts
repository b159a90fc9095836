/** Tests over HTTP for every framework that mounts the routes: a purchase, and edge cases. */

import { expect } from "vitest"
import { connect } from "../packages/http-server/src/client.ts"

/** Buys a seat of `gala-1` over HTTP. */
export const sellSeat = async (baseUrl: string): Promise<void> => {
  await using tickets = connect({ baseUrl, userId: "ada" })
  expect((await tickets.join("main")).state).toBe("admitted")
  const { seats } = await tickets.seats("gala-1")
  const seatIds = [seats[0]!.seatId]
  const hold = await tickets.hold({ performanceId: "gala-1", seatIds })
  await expect(tickets.pay(hold.reservationId)).rejects.toMatchObject({
    _tag: "InsufficientBalance",
    required: hold.amount
  })
  await tickets.charge(hold.amount)
  expect((await tickets.pay(hold.reservationId)).balance.amount).toBe(0n)

  await using late = connect({ baseUrl, userId: "grace" })
  await late.join("main")
  await expect(late.hold({ performanceId: "gala-1", seatIds })).rejects.toMatchObject({
    _tag: "SeatUnavailable",
    conflicts: [{ seatId: seatIds[0], reason: "sold" }]
  })
}

/** Checks what a framework could change between a client and the routes. */
export const meetTheEdges = async (baseUrl: string): Promise<void> => {
  const headers = { "X-User-Id": "edsger" }
  const joined = await fetch(`${baseUrl}/v1/queues/main/token`, { method: "POST", headers })
  const { token } = await joined.json()
  const asUser = { ...headers, "Queue-Token": token, "Content-Type": "application/json" }

  const head = await fetch(`${baseUrl}/v1/shows/gala`, { method: "HEAD", headers })
  expect([head.status, await head.text()]).toEqual([200, ""])

  const broken = { method: "POST", headers: asUser, body: '{"performanceId":' }
  expect((await fetch(`${baseUrl}/v1/reservations`, broken)).status).toBe(400)

  // The error page is the server's and not the framework's, and its links include the prefix.
  const unknown = await (await fetch(`${baseUrl}/v1/shows/none`, { headers })).json()
  expect(unknown.type).toBe(`${new URL(baseUrl).pathname}/docs/errors/show_not_found`)

  const held = await fetch(`${baseUrl}/v1/reservations`, {
    method: "POST",
    headers: asUser,
    body: JSON.stringify({ performanceId: "gala-1", seatIds: ["A3"] })
  })
  const location = new URL(held.headers.get("location")!, baseUrl)
  expect((await fetch(location, { headers: asUser })).status).toBe(200)
  const released = await fetch(location, { method: "DELETE", headers: asUser })
  expect(released.status).toBe(204)

  // An event stream sends its first event at once, and ends when its client disconnects.
  const leaving = new AbortController()
  const { signal } = leaving
  const events = await fetch(`${baseUrl}/v1/queues/main/token/events`, { headers: asUser, signal })
  const { value } = await events.body!.getReader().read()
  expect(new TextDecoder().decode(value)).toContain('"state":"admitted"')
  leaving.abort()
}
