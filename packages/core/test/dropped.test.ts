import { afterEach, beforeEach, expect, test } from "vitest"
import type { PolicyRules } from "../src/index.ts"
import { makeTestOffice } from "../src/testing.ts"

// A rejection that nobody handles ends the host's process.

const unhandled: Array<unknown> = []
const note = (reason: unknown) => void unhandled.push(reason)
beforeEach(() => void process.on("unhandledRejection", note))
afterEach(() => void process.off("unhandledRejection", note))

const rejecting = async (): Promise<never> => {
  throw new Error("a bug of the host")
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 5))

const policies: ReadonlyArray<readonly [string, Partial<PolicyRules>]> = [
  ["price", { price: rejecting as never }],
  ["each price", { price: (({ seats }: { seats: [] }) => seats.map(rejecting)) as never }],
  ["gate", { gate: rejecting as never }],
  ["holdSeconds", { holdSeconds: rejecting as never }],
  ["seatsPerUser", { seatsPerUser: rejecting as never }],
  ["seatsPerReservation", { seatsPerReservation: rejecting as never }]
]

test.each(policies)(
  "a policy that gives a rejecting promise fails its command: %s",
  async (_, rules) => {
    await using office = await makeTestOffice({ policies: rules })
    await office.arrange.performance({ seats: 2 })
    const { token: queueToken } = await office.queue.join({ queueId: "main", userId: "ada" })
    const hold = office.reservations.hold({
      userId: "ada",
      queueToken,
      performanceId: "gala-1",
      seatIds: ["A1", "A2"]
    })
    await expect(hold).rejects.toMatchObject({ code: "policy_failed" })
    await turn()
    expect(unhandled).toEqual([])
  }
)

test("so does a ceiling, and a callback of a replay breaks nothing", async () => {
  await using office = await makeTestOffice({
    policies: { gate: [], walletCeiling: rejecting as never }
  })
  const amount = { amount: 1n, currency: "KRW" }
  const charge = office.wallet.charge({ userId: "ada", amount })
  await expect(charge).rejects.toMatchObject({ code: "policy_failed" })
  await using other = await makeTestOffice({ policies: { gate: [] } })
  const keyed = { userId: "ada", amount, idempotencyKey: "k", onReplay: rejecting as never }
  const first = await other.wallet.charge(keyed)
  expect(await other.wallet.charge(keyed)).toEqual(first)
  await turn()
  expect(unhandled).toEqual([])
})
