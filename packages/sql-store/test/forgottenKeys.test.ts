/**
 * Idempotency keys whose recorded outcomes are gone, as after their retention: the engine finds the
 * answer in the rows that the command made.
 */
import { makeBoxOffice } from "@boxoffice/core"
import { expect, test } from "vitest"
import { Host, SqlStore } from "../src/index.ts"
import { atEnd, openDatabase, openPgPool, openSql, putOnSale } from "./support.ts"

const options = {
  signingKeys: { test: "forgotten forgotten forgotten forgotten" },
  policies: { paymentCompletesToken: false }
}

const krw = (amount: bigint) => ({ amount, currency: "KRW" })

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "ok",
    (error) => error.code
  )

const overPools = [
  ["the engine's own connections", (url: string) => SqlStore.layerUrl({ url })],
  ["a host's pool", (url: string) => SqlStore.layerPool(Host.pg(openPgPool(url)))]
] as const

for (const [name, layerOf] of overPools) {
  test(`a key is as good without its record, over ${name}`, async () => {
    const { url } = await openDatabase()
    const office = await makeBoxOffice(layerOf(url), options)
    atEnd(office.close)
    await putOnSale(office, ["A1", "A2", "A3"], 10n)
    const { token: queueToken } = await office.queue.join({ queueId: "main", userId: "ada" })
    const ada = { userId: "ada", queueToken }
    let replays = 0
    const onReplay = () => {
      replays++
    }
    const charge = (amount: bigint) =>
      office.wallet.charge({ ...ada, amount: krw(amount), idempotencyKey: "charge", onReplay })
    const hold = (...seatIds: ReadonlyArray<string>) =>
      office.reservations.hold({
        ...ada,
        performanceId: "gala-1",
        seatIds,
        idempotencyKey: "hold",
        onReplay
      })
    const pay = (reservationId: string) =>
      office.payments.pay({ ...ada, reservationId, idempotencyKey: "pay", onReplay })
    const refund = (paymentId: string) =>
      office.payments.refund({ paymentId, idempotencyKey: "refund", onReplay })
    const forget = () => openSql(url)("DELETE FROM boxoffice.command_outcome")

    const charged = await charge(100n)
    await forget()
    expect(await charge(100n)).toEqual(charged)
    await forget()
    expect(await codeOf(charge(101n))).toBe("idempotency_key_reused")

    const held = await hold("A1", "A2")
    await forget()
    expect(await hold("A2", "A1")).toEqual(held)
    await forget()
    expect(await codeOf(hold("A1"))).toBe("idempotency_key_reused")
    // As many seats, of which one is another.
    expect(await codeOf(hold("A1", "A3"))).toBe("idempotency_key_reused")

    const other = await office.reservations.hold({
      ...ada,
      performanceId: "gala-1",
      seatIds: ["A3"]
    })
    const paid = await pay(held.reservationId)
    await forget()
    expect(await pay(held.reservationId)).toEqual(paid)
    await forget()
    expect(await codeOf(pay(other.reservationId))).toBe("idempotency_key_reused")
    expect((await hold("A1", "A2")).status).toBe("confirmed")

    const refunded = await refund(paid.paymentId)
    await forget()
    expect(await refund(paid.paymentId)).toEqual(refunded)
    const otherPaid = await office.payments.pay({ ...ada, reservationId: other.reservationId })
    await forget()
    expect(await codeOf(refund(otherPaid.paymentId))).toBe("idempotency_key_reused")

    expect(replays).toBe(5)
    expect((await office.wallet.balance(ada)).balance).toEqual(krw(90n))
  })
}

test("a join by a key whose record is gone makes no second token", async () => {
  const { url } = await openDatabase()
  const office = await makeBoxOffice(SqlStore.layerUrl({ url }), options)
  atEnd(office.close)
  await office.queue.create({ queueId: "main" })
  const join = (queueId = "main") =>
    office.queue.join({ queueId, userId: "ada", idempotencyKey: "join" })
  const joined = await join()
  const forget = () => openSql(url)("DELETE FROM boxoffice.command_outcome")
  await forget()
  const { created, ...again } = await join()
  expect(created).toBe(false)
  expect(again.token).toBe(joined.token)
  await office.queue.leave({ userId: "ada", queueToken: joined.token })
  await forget()
  expect(await join()).toMatchObject({ created: false, token: joined.token, state: "left" })
  await office.queue.create({ queueId: "other" })
  await forget()
  expect(await codeOf(join("other"))).toBe("idempotency_key_reused")
})

test("the engine recognises a free payment by its reservation alone", async () => {
  const { url } = await openDatabase()
  const office = await makeBoxOffice(SqlStore.layerUrl({ url }), {
    ...options,
    policies: { ...options.policies, price: ({ seats }) => seats.map(() => 0n), gate: [] }
  })
  atEnd(office.close)
  await putOnSale(office, ["A1", "A2", "A3"], 10n)
  const hold = (seatId: string) =>
    office.reservations.hold({ userId: "ada", performanceId: "gala-1", seatIds: [seatId] })
  const pay = ({ reservationId }: { readonly reservationId: string }) =>
    office.payments.pay({ userId: "ada", reservationId, idempotencyKey: "pay" })
  const [first, second] = [await hold("A1"), await hold("A2")]
  const paid = await pay(first)
  await openSql(url)("DELETE FROM boxoffice.command_outcome")
  expect(await pay(first)).toEqual(paid)
  await openSql(url)("DELETE FROM boxoffice.command_outcome")
  expect(await codeOf(pay(second))).toBe("idempotency_key_reused")
  // Its refund moves nothing, and neither a transfer nor the reservation has its id.
  const refund = () =>
    office.payments.refund({ paymentId: paid.paymentId, idempotencyKey: "refund" })
  expect(await refund()).toEqual(await refund())
  await openSql(url)("DELETE FROM boxoffice.command_outcome")
  expect(await codeOf(refund())).toBe("reservation_not_payable")
})

test("a repeated key gives the outcome, though the command would be refused now", async () => {
  const { url } = await openDatabase()
  const office = await makeBoxOffice(SqlStore.layerUrl({ url }), {
    ...options,
    policies: { ...options.policies, walletCeiling: 150n, gate: [] }
  })
  atEnd(office.close)
  await putOnSale(office, ["A1", "A2", "A3"], 10n)
  const forget = () => openSql(url)("DELETE FROM boxoffice.command_outcome")
  const charge = () =>
    office.wallet.charge({ userId: "ada", amount: krw(100n), idempotencyKey: "charge" })
  const charged = await charge()
  await forget()
  expect(await charge()).toEqual(charged)
  const { reservationId } = await office.reservations.hold({
    userId: "ada",
    performanceId: "gala-1",
    seatIds: ["A1"]
  })
  const pay = (reservationId: string) =>
    office.payments.pay({ userId: "ada", reservationId, idempotencyKey: "pay" })
  const paid = await pay(reservationId)
  await forget()
  // With another body nothing is recorded that would stand in the way of the first.
  expect(await codeOf(pay("00000000-0000-4000-8000-000000000000"))).toBe("idempotency_key_reused")
  expect(await pay(reservationId)).toEqual(paid)
})
