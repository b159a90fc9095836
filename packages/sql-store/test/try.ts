import { Effect, Layer } from "effect"
import { BoxOfficeStore, RowNames } from "@boxoffice/core"
import { SqlStore } from "@boxoffice/sql-store"
import { layerPglite } from "@boxoffice/sql-store/pglite"
const program = Effect.gen(function* () {
  const store = yield* BoxOfficeStore
  const s = { maxActive: 2, admitPerMinute: 100, claimSeconds: 10, sessionSeconds: 10 }
  console.log(yield* store.addQueue("q" as any, s), yield* store.addQueue("q" as any, s))
  console.log(yield* store.addShow({ showId: "s", title: "S'; drop", queueId: "q", salesOpenAt: null, salesCloseAt: null } as any), yield* store.addShow({ showId: "s2", title: "S", queueId: "nope", salesOpenAt: null, salesCloseAt: null } as any))
  console.log(yield* store.addPerformance({ performanceId: "p", showId: "s", startsAt: new Date(Date.now() + 1e8), timeZone: "Asia/Seoul" } as any))
  console.log(yield* store.addSeats("p" as any, [1, 2, 3].map((n) => ({ seatId: "A-" + n, section: "A", row: "1", number: String(n), price: { amount: 5000n, currency: "KRW" } })) as any))
  console.log(yield* store.seats("p" as any), yield* store.performances("s" as any), yield* store.queues({ after: undefined, limit: 10 }))
  const uid = () => crypto.randomUUID() as any
  const names = new RowNames()
  names.queues.add("q" as any); names.members.push({ queueId: "q" as any, userId: "u" as any })
  names.seats.push({ performanceId: "p" as any, seatIds: ["A-1", "A-2"] as any }); names.holdings.push({ performanceId: "p" as any, userId: "u" as any })
  names.wallets.add("u" as any)
  const t = uid(), r = uid(), c = uid()
  const out = yield* store.transact(names, (rows) => {
    const at = rows.now
    rows.evolve({ _tag: "QueueTokenIssued", tokenId: t, queueId: "q" as any, userId: "u" as any, number: rows.queues.get("q" as any)!.nextNumber, at })
    rows.evolve({ _tag: "SeatsHeld", reservationId: r, performanceId: "p" as any, userId: "u" as any, at, seats: ["A-1", "A-2"].map((seatId) => { const { section, row, number, price } = rows.seat("p" as any, seatId as any)!; return { seatId, section, row, number, price } }) as any, amount: { amount: 10000n, currency: "KRW" as any }, holdExpiresAt: at + 60000 })
    rows.evolve({ _tag: "WalletCharged", transferId: c, userId: "u" as any, amount: { amount: 2n ** 60n, currency: "KRW" as any }, at })
    rows.record({ commandId: c, userId: "u" as any, operation: "x", fingerprint: "f", outcome: "{}" })
    return "done"
  })
  console.log(out, yield* store.wallet("u" as any), yield* store.reservations("u" as any, { after: undefined, limit: 5 }), yield* store.gate({ tokenId: t, performanceId: "p" as any }), yield* store.lapsed(10), yield* store.transfers("u" as any, { after: undefined, limit: 5 }))
  const n2 = new RowNames(); n2.reservations.add(r); n2.wallets.add("u" as any); n2.tokens.add(t); n2.outcomes.add(c); n2.queues.add("q" as any); n2.holdings.push({ performanceId: "p" as any, userId: "u" as any })
  const p = uid()
  yield* store.transact(n2, (rows) => {
    const at = rows.now
    console.log(rows)
    rows.evolve({ _tag: "QueueTokenAdmitted", tokenId: t, queueId: "q" as any, userId: "u" as any, claimed: true, expiresAt: at + 10, at })
    rows.evolve({ _tag: "ReservationPaid", paymentId: p, showId: "s" as any, reservationId: r, performanceId: "p" as any, userId: "u" as any, at, seatIds: ["A-1", "A-2"] as any, amount: { amount: 10000n, currency: "KRW" as any } })
  })
  console.log(yield* store.seats("p" as any), yield* store.transfer(p))
  const n3 = new RowNames(); n3.wallets.add("u" as any)
  const m = 300
  let t0 = performance.now()
  for (let i = 0; i < m; i++) yield* store.transact(n3, () => 1)
  console.log("us/read-only batch", ((performance.now() - t0) / m * 1000) | 0)
  t0 = performance.now()
  for (let i = 0; i < m; i++) { const c = uid(); yield* store.transact(n3, (rows) => rows.evolve({ _tag: "WalletCharged", transferId: c, userId: "u" as any, amount: { amount: 1n, currency: "KRW" as any }, at: rows.now })) }
  console.log("us/charge batch", ((performance.now() - t0) / m * 1000) | 0)
})
const url = process.env.URL1
await Effect.runPromise(program.pipe(Effect.provide(url ? SqlStore.layerUrl({ url, migrate: true }) : SqlStore.layer({ migrate: true }).pipe(Layer.provide(layerPglite())))))
