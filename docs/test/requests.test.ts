import { afterAll, beforeAll, expect, test } from "vitest"
import { requestOf } from "./curl.ts"
import { type CodeBlock, codeBlocks, pages } from "./markdown.ts"
import { type Office, openOffice } from "./office.ts"

const shown = pages
  .filter((page) => page.startsWith("docs/apis/"))
  .flatMap(codeBlocks)
  .filter(({ language, text }) => language === "sh" && text.includes("curl"))

let office: Office
const variables: Record<string, string> = { BASE: "", KEY: "a-key" }
beforeAll(async () => {
  office = await openOffice()
  // As the page says.
  const settings = codeBlocks("docs/apis/README.md").find(({ language }) => language === "sh")!
  for (const [, name, value] of settings.text.matchAll(/(\w+)=(\S+)/g)) {
    if (name !== "BASE") variables[name!] = value!
  }
  const { QUEUE: queueId, SHOW: showId, PERFORMANCE: performanceId, SEAT: seatId } = variables
  await office.asAdmin("POST", "/v1/admin/queues", { queueId })
  await office.asAdmin("POST", "/v1/admin/shows", { showId, title: "Gala", queueId })
  await office.asAdmin("POST", `/v1/admin/shows/${showId}/performances`, {
    performanceId,
    startsAt: "2099-12-31T10:30:00.000Z",
    timeZone: "Asia/Seoul"
  })
  const price = { amount: 165_000, currency: "KRW" }
  await office.asAdmin("POST", `/v1/admin/performances/${performanceId}/seats`, {
    seats: [{ seatId, section: "Floor A", row: "1", number: "1", price }]
  })
})
afterAll(() => office.close())

const join = async () => {
  const { body } = await office.call(requestOf(shown[0]!.text, variables))
  variables.TOKEN = String(body.token)
}

test.each(shown.map((block: CodeBlock) => ({ title: `${block.page}:${block.line}`, block })))(
  "$title answers as it says",
  async ({ block }) => {
    // The page before may have left the queue.
    if (block !== shown[0]) await join()
    const answer = await office.call(requestOf(block.text, variables))
    expect({ status: answer.status, body: answer.body }).toMatchObject({
      status: Number(block.info)
    })
    // The JSON beside it has the fields of the real answer.
    const blocks = codeBlocks(block.page)
    const beside = blocks[blocks.findIndex(({ line }) => line === block.line) + 1]
    if (beside?.language === "json") {
      expect(Object.keys(answer.body)).toEqual(Object.keys(JSON.parse(beside.text)))
    }
    if (typeof answer.body.token === "string") variables.TOKEN = answer.body.token
    if (typeof answer.body.reservationId === "string") {
      variables.RESERVATION = answer.body.reservationId
    }
  }
)
