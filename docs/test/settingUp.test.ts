import { afterAll, beforeAll, expect, test } from "vitest"
import { requestOf } from "./curl.ts"
import { type CodeBlock, codeBlocks } from "./markdown.ts"
import { adminToken, type Office, openOffice } from "./office.ts"

// An operator pastes the page from top to bottom; then a user buys, and gets the money back.

const blocks = codeBlocks("docs/guides/setting-up.md")
const shown = blocks.filter(({ language, text }) => language === "sh" && text.includes("curl"))
const isRefund = ({ text }: CodeBlock) => text.includes("$PAYMENT")
const isChange = ({ text }: CodeBlock) => text.includes("-X PATCH")
const isSetUp = (block: CodeBlock) => !isRefund(block) && !isChange(block)
const jsonBeside = (block: CodeBlock): Record<string, unknown> | undefined => {
  const next = blocks[blocks.indexOf(block) + 1]
  return next?.language === "json" ? JSON.parse(next.text) : undefined
}

let office: Office
beforeAll(async () => {
  office = await openOffice()
})
afterAll(() => office.close())

const send = (block: CodeBlock, variables: Readonly<Record<string, string>> = {}) =>
  office.call(requestOf(block.text, { BASE: "", ADMIN_TOKEN: adminToken, ...variables }))

/** What a buyer does, and what it answers. */
const asBuyer = async (method: string, path: string, token: string, body?: unknown) => {
  const headers = { "x-user-id": "ada", "queue-token": token, "idempotency-key": path }
  const answer = await office.call({ method, path, headers, body })
  expect(answer).toMatchObject({ status: 201 })
  return answer.body
}

test("something is put on sale", async () => {
  expect(shown).toHaveLength(7)
  for (const block of shown.filter(isSetUp)) {
    const { status, body } = await send(block)
    expect({ line: block.line, status, body }).toMatchObject({
      line: block.line,
      status: Number(block.info),
      body: jsonBeside(block) ?? {}
    })
  }
  const seats = await office.asAdmin("GET", "/v1/admin/performances/opera-1/seats")
  expect(seats.body.items).toMatchObject([
    { seatId: "A-1", status: "available" },
    { seatId: "A-2", status: "blocked" }
  ])
})

test("running it again changes nothing", async () => {
  for (const block of shown.filter(isSetUp)) {
    const { status, body } = await send(block)
    expect({ line: block.line, status }).toEqual({ line: block.line, status: 200 })
    expect(body.added ?? 0).toBe(0)
  }
})

test("the settings of the queue are changed", async () => {
  const block = shown.find(isChange)!
  const { status, body } = await send(block)
  expect({ status, body }).toMatchObject({
    status: Number(block.info),
    body: { queueId: "hall", settings: { maxActive: 800, admitPerMinute: 600 } }
  })
})

test("what was bought is given back", async () => {
  const { token } = await asBuyer("POST", "/v1/queues/hall/token", "")
  const buy = (path: string, body: unknown) => asBuyer("POST", path, String(token), body)
  const price = { amount: 110_000, currency: "KRW" }
  const { reservationId } = await buy("/v1/reservations", {
    performanceId: "opera-1",
    seatIds: ["A-1"]
  })
  await buy("/v1/wallet/charges", price)
  const { paymentId } = await buy("/v1/payments", { reservationId })

  const block = shown.find(isRefund)!
  const { status, body } = await send(block, { PAYMENT: String(paymentId) })
  expect({ status, body }).toMatchObject({
    status: Number(block.info),
    body: { paymentId, reservationId, amount: price, balance: price }
  })
  expect(Object.keys(body)).toEqual(Object.keys(jsonBeside(block)!))
})
