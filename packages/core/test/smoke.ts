import { makeBoxOffice } from "../src/index.ts"
import { layerMemory } from "../src/testing.ts"
await using office = await makeBoxOffice(layerMemory, { signingKeys: { k1: "a secret of at least thirty-two bytes" } })
await office.queue.create({ queueId: "main" })
await office.catalog.addShow({ showId: "gala" as never, title: "Gala", queueId: "main" as never, salesOpenAt: null, salesCloseAt: null })
await office.catalog.addPerformance({ performanceId: "p1" as never, showId: "gala" as never, startsAt: new Date("2030-01-01"), timeZone: "Asia/Seoul" })
await office.catalog.addSeats({ performanceId: "p1", seats: ["A1", "A2"].map((seatId) => ({ seatId, section: "A", row: "1", number: "1", price: { amount: 1000n, currency: "KRW" } })) as never })
const j = await office.queue.join({ queueId: "main", userId: "ada" })
console.log(j)
const c = { userId: "ada", queueToken: j.token }
console.log(JSON.stringify(await office.catalog.availableDates({ ...c, showId: "gala" }), (_, v) => typeof v === "bigint" ? Number(v) : v))
const h = await office.reservations.hold({ ...c, performanceId: "p1", seatIds: ["A1"] })
console.log(h)
console.log(await office.reservations.hold({ ...c, performanceId: "p1", seatIds: ["A1"] }).catch((e) => [e.code, e.message, e.conflicts]))
console.log(await office.payments.pay({ ...c, reservationId: h.reservationId, idempotencyKey: "x" }).catch((e) => [e.code, e.message]))
console.log(await office.wallet.charge({ ...c, amount: { amount: 5000n, currency: "KRW" } }))
let replayed = false
console.log(await office.payments.pay({ ...c, reservationId: h.reservationId, idempotencyKey: "x", onReplay: () => { replayed = true } }).catch((e) => [e.code, e.message]), replayed)
console.log(await office.payments.pay({ ...c, reservationId: h.reservationId, idempotencyKey: "y" }))
console.log(await office.wallet.balance(c).catch((e) => [e.code, e.message]))
console.log(await office.wallet.entries({ userId: "ada" }), (await office.reservations.list({ userId: "ada" })).items[0]?.status)
console.log(await office.reservations.hold({ ...c, performanceId: "p1", seatIds: [] as string[] }).catch((e) => [e.code, e.message]))
