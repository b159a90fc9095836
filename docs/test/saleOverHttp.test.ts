import { afterAll, beforeAll, expect, test } from "vitest"
import { requestOf } from "./curl.ts"
import { codeBlocks } from "./markdown.ts"
import { adminToken, type Office, openOffice } from "./office.ts"

// A newcomer pastes the sale of docs/getting-started.md from top to bottom.

const curlsOf = (page: string) =>
  codeBlocks(page).filter(({ language, text }) => language === "sh" && text.includes("curl "))

let office: Office
beforeAll(async () => {
  office = await openOffice()
  // What the demo has on sale.
  await office.asAdmin("POST", "/v1/admin/queues", { queueId: "main" })
  const show = { showId: "gala", title: "Gala", queueId: "main" }
  await office.asAdmin("POST", "/v1/admin/shows", show)
  await office.asAdmin("POST", "/v1/admin/shows/gala/performances", {
    performanceId: "gala-1",
    startsAt: "2099-12-31T10:30:00.000Z",
    timeZone: "Asia/Seoul"
  })
  const price = { amount: 165_000, currency: "KRW" }
  await office.asAdmin("POST", "/v1/admin/performances/gala-1/seats", {
    seats: [{ seatId: "A-1-1", section: "Floor A", row: "1", number: "1", price }]
  })
})
afterAll(() => office.close())

test("the commands of getting started buy the seat", async () => {
  const variables: Record<string, string> = { BASE: "" }
  const shown = curlsOf("docs/getting-started.md")
  expect(shown).toHaveLength(4)
  for (const block of shown) {
    const { status, body } = await office.call(requestOf(block.text, variables))
    expect({ line: block.line, status, body }).toMatchObject({
      line: block.line,
      status: Number(block.info)
    })
    // The page says which fields to keep in variables.
    if (typeof body.token === "string") variables.TOKEN = body.token
    if (typeof body.reservationId === "string") variables.RESERVATION = body.reservationId
  }
  const seats = await office.asAdmin("GET", "/v1/admin/performances/gala-1/seats")
  expect(seats.body.items).toMatchObject([{ seatId: "A-1-1", status: "sold" }])
})

test("the command of the waiting room in operation changes the limit", async () => {
  const [block, ...others] = curlsOf("docs/operations-waiting-room.md")
  expect(others).toEqual([])
  const request = requestOf(block!.text, { BASE: "", ADMIN_TOKEN: adminToken })
  const { status, body } = await office.call(request)
  expect({ status, body }).toMatchObject({
    status: Number(block!.info),
    body: { settings: { maxActive: 800 } }
  })
})
