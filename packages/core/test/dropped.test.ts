import { afterEach, beforeEach, expect, test } from "vitest"
import type { PolicyOptions } from "../src/index.ts"
import { handleDropped } from "../src/store.ts"
import { makeTestOffice } from "../src/testing.ts"

// A rejection without a handler ends the host's process.

const unhandled: Array<unknown> = []
const note = (reason: unknown) => void unhandled.push(reason)
beforeEach(() => void process.on("unhandledRejection", note))
afterEach(() => void process.off("unhandledRejection", note))

const rejecting = async (): Promise<never> => {
  throw new Error("a bug of the host")
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 5))

const policies: ReadonlyArray<readonly [string, Partial<PolicyOptions>]> = [
  ["price", { price: rejecting as never }],
  ["each price", { price: (({ seats }: { seats: [] }) => seats.map(rejecting)) as never }],
  ["prices within prices", { price: (() => [[{ deep: rejecting() }]]) as never }],
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

const thrown = new Error("do not look at me")
const throwing: ReadonlyArray<readonly [string, object]> = [
  [
    "then",
    {
      // biome-ignore lint/suspicious/noThenProperty: what a host may give
      get then() {
        throw thrown
      }
    }
  ],
  [
    "amount",
    {
      get amount() {
        throw thrown
      }
    }
  ],
  [
    "anything",
    new Proxy(
      {},
      {
        ownKeys: () => {
          throw thrown
        },
        get: () => {
          throw thrown
        }
      }
    )
  ]
]

test.each(throwing)(
  "an answer that throws when it is read fails its command: %s",
  async (_, bad) => {
    const rules = { gate: [], price: () => bad, refund: () => bad, seatsPerUser: 4 } as never
    await using office = await makeTestOffice({ policies: rules })
    await office.arrange.performance({ seats: 1 })
    const hold = { userId: "ada", performanceId: "gala-1", seatIds: ["A1"] }
    await expect(office.reservations.hold(hold)).rejects.toMatchObject({ code: "policy_failed" })
    await using other = await makeTestOffice({ policies: { gate: [], refund: () => bad } as never })
    await other.arrange.performance({ seats: 1 })
    const { reservationId, amount } = await other.reservations.hold(hold)
    await other.wallet.charge({ userId: "ada", amount })
    const { paymentId } = await other.payments.pay({ userId: "ada", reservationId })
    await expect(other.payments.refund({ paymentId })).rejects.toMatchObject({
      code: "policy_failed"
    })
  }
)

test("the engine uses the answer that it checked, even if a getter gives another value later", async () => {
  let looks = 0
  const refund = () => ({
    get amount() {
      return looks++ === 0 ? 0n : 2n ** 70n
    }
  })
  await using office = await makeTestOffice({ policies: { gate: [], refund } })
  await office.arrange.performance({ seats: 1 })
  const hold = { userId: "ada", performanceId: "gala-1", seatIds: ["A1"] }
  const { reservationId, amount } = await office.reservations.hold(hold)
  await office.wallet.charge({ userId: "ada", amount })
  const { paymentId } = await office.payments.pay({ userId: "ada", reservationId })
  expect((await office.payments.refund({ paymentId })).amount.amount).toBe(0n)
})

test("a callback of a replay that throws leaves the recorded answer as it is", async () => {
  await using office = await makeTestOffice({ policies: { gate: [] } })
  const onReplay = () => {
    throw thrown
  }
  const keyed = {
    userId: "ada",
    amount: { amount: 1n, currency: "KRW" },
    idempotencyKey: "k",
    onReplay
  }
  const first = await office.wallet.charge(keyed)
  expect(await office.wallet.charge(keyed)).toEqual(first)
})

test("the search for dropped promises survives cycles, depth, and getters that throw", async () => {
  const cycle: Record<string, unknown> = { deep: { deeper: { promise: rejecting() } } }
  cycle.itself = cycle
  for (const value of [cycle, ...throwing.map(([, bad]) => [bad, rejecting()])]) {
    expect(() => handleDropped(value)).not.toThrow()
  }
  await turn()
  expect(unhandled).toEqual([])
})
