import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { serve } from "@hono/node-server"
import { afterAll, beforeAll, expect, test } from "vitest"
import { meetTheEdges, sellSeat } from "../../../test-support/sellSeat.ts"
import * as route from "../app/tickets/[...path]/route.ts"

/** Calls the export with the name of the method, as Next.js does; 405 if there is none. */
const answer = (request: Request): Response | Promise<Response> => {
  const handlers: Partial<Record<string, (typeof route)["GET"]>> = { ...route }
  return handlers[request.method]?.(request) ?? new Response(null, { status: 405 })
}

const server = serve({
  fetch: answer,
  port: 0,
  hostname: "127.0.0.1",
  overrideGlobalObjects: false
})
let url: string
beforeAll(async () => {
  if (!server.listening) await once(server, "listening")
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tickets`
  expect((await fetch(`${url}/livez`)).status).toBe(200)
}, 60_000)
afterAll(() => server.close())

test("sells a seat, once", () => sellSeat(url))
test("passes on what clients send, and what they are sent", () => meetTheEdges(url))
