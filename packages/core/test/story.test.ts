import { expect, it } from "vitest"
import { makeBoxOffice } from "../src/index.ts"
import { layerMemory } from "../src/testing.ts"
import { gala, signingKeys } from "./support.ts"

it("Ada buys two seats: the story in six lines", async () => {
  await using office = await makeBoxOffice(layerMemory, { signingKeys })

  // The host puts a show on sale, behind a queue.
  await office.queue.create({ queueId: "main" })
  await office.catalog.addShow(gala.show)
  await office.catalog.addPerformance(gala.performance)
  await office.catalog.addSeats(gala.seats)

  // 1. Ada joins the queue. There is room, so she is in at once.
  const userId = "ada"
  const { token: queueToken, ...place } = await office.queue.join({ queueId: "main", userId })
  expect(place).toMatchObject({ state: "admitted", position: 0, created: true })
  const ada = { userId, queueToken }

  // 2. She looks which dates there are: in the time zone of the hall.
  const { dates } = await office.catalog.availableDates({ ...ada, showId: "gala" })
  expect(dates).toEqual([
    {
      date: "2030-02-01",
      performances: [
        {
          performanceId: "gala-1",
          startsAt: gala.performance.startsAt,
          timeZone: "Asia/Seoul",
          availableSeats: 4,
          totalSeats: 4,
          priceFrom: { amount: 110_000n, currency: "KRW" }
        }
      ]
    }
  ])

  // 3. And which seats.
  const performanceId = "gala-1"
  const before = await office.catalog.availableSeats({ ...ada, performanceId })
  expect(before.seats.map((seat) => seat.seatId)).toEqual(["A1", "A2", "A3", "A4"])

  // 4. She holds two of them. For five minutes they are hers.
  const seatIds = ["A1", "A2"]
  const hold = await office.reservations.hold({ ...ada, performanceId, seatIds })
  expect(hold).toMatchObject({
    userId: "ada",
    status: "held",
    holdExpiresInSeconds: 300,
    amount: { amount: 220_000n, currency: "KRW" }
  })
  const after = await office.catalog.availableSeats({ ...ada, performanceId, status: "all" })
  expect(after.seats.map((seat) => seat.status)).toEqual(["held", "held", "available", "available"])
  expect(after.version).toBeGreaterThan(before.version)

  // 5. She charges her wallet with what it costs, and a little more.
  const amount = { amount: 250_000n, currency: "KRW" }
  const { balance } = await office.wallet.charge({ ...ada, amount })
  expect(balance).toEqual(amount)
  expect((await office.wallet.balance(ada)).balance).toEqual(amount)

  // 6. She pays. The seats are sold, and her place in the queue goes to the next.
  const { reservationId } = hold
  const payment = await office.payments.pay({ ...ada, reservationId })
  expect(payment).toMatchObject({
    reservationId,
    amount: { amount: 220_000n, currency: "KRW" },
    balance: { amount: 30_000n, currency: "KRW" }
  })
  expect(await office.queue.status(ada)).toMatchObject({ state: "completed" })
  expect(await office.reservations.get({ userId, reservationId })).toMatchObject({
    status: "confirmed",
    confirmedAt: payment.paidAt,
    holdExpiresInSeconds: 0
  })
  const statement = await office.wallet.entries({ userId })
  expect(statement.items.map(({ kind, amount, balance }) => [kind, amount.amount, balance.amount]))
    // The newest first.
    .toEqual([
      ["payment", -220_000n, 30_000n],
      ["charge", 250_000n, 250_000n]
    ])
})
