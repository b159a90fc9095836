import { makeTestOffice, type TestOffice } from "@boxoffice/core/testing"
import { afterEach, beforeEach, expect, test } from "vitest"
import { checkout, type Order } from "./checkout.ts"

let office: TestOffice
beforeEach(async () => {
  office = await makeTestOffice({ now: "2030-01-01T12:00:00Z" })
})
afterEach(() => office.close())

const won = (amount: bigint) => ({ amount, currency: "KRW" })

/** Ada holds two seats, at 220,000 won. */
const order = async (): Promise<Order> => {
  await office.arrange.performance({ seats: 4, price: won(110_000n) })
  const ada = await office.arrange.admitted("ada")
  const { reservationId } = await office.arrange.hold({ ...ada, seatIds: ["A1", "A2"] })
  return { ...ada, reservationId, attemptId: "click-1" }
}

test("a user with enough money gets the seats", async () => {
  const ada = await order()
  await office.arrange.charged("ada", won(250_000n))
  expect(await checkout(office, ada)).toMatchObject({ status: "paid" })
  const { status } = await office.reservations.get(ada)
  expect(status).toBe("confirmed")
})

test("a user with too little money learns how much is missing", async () => {
  const ada = await order()
  await office.arrange.charged("ada", won(100_000n))
  expect(await checkout(office, ada)).toEqual({ status: "charge first", missing: 120_000n })
  // The answer to a click stands. With the money there, it takes another.
  await office.arrange.charged("ada", won(120_000n))
  expect(await checkout(office, ada)).toMatchObject({ status: "charge first" })
  expect(await checkout(office, { ...ada, attemptId: "click-2" })).toMatchObject({ status: "paid" })
})

test("a user who pays too late loses the seats and keeps the money", async () => {
  const ada = await order()
  await office.arrange.charged("ada", won(220_000n))
  await office.clock.advance("5 minutes")
  expect(await checkout(office, ada)).toEqual({ status: "seats lost" })
  const { balance } = await office.wallet.balance(ada)
  expect(balance).toEqual(won(220_000n))
})

test("an answer that was lost is found again, and paid for once", async () => {
  const ada = await order()
  await office.arrange.charged("ada", won(220_000n))
  office.failures.loseNextAnswer()
  expect(await checkout(office, ada)).toEqual({ status: "try again", afterSeconds: 1 })
  expect(await checkout(office, ada)).toMatchObject({ status: "paid" })
  const { items } = await office.wallet.entries(ada)
  expect(items.map(({ kind }) => kind)).toEqual(["payment", "charge"])
})

test("an outage of the store loses no order", async () => {
  const ada = await order()
  await office.arrange.charged("ada", won(220_000n))
  office.failures.takeStoreAway({ for: "10 seconds" })
  expect(await checkout(office, ada)).toEqual({ status: "try again", afterSeconds: 1 })
  await office.clock.advance("10 seconds")
  expect(await checkout(office, ada)).toMatchObject({ status: "paid" })
})

test("if the engine is overloaded, nothing is done, and the shop says when to try again", async () => {
  const ada = await order()
  await office.arrange.charged("ada", won(220_000n))
  office.failures.refuseNextCommand({ retryAfterSeconds: 3 })
  expect(await checkout(office, ada)).toEqual({ status: "try again", afterSeconds: 3 })
  expect(await checkout(office, ada)).toMatchObject({ status: "paid" })
})
