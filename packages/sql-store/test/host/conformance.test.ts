import { HostTransaction } from "@boxoffice/core"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { hosts, type OpenHost } from "./hosts.ts"
import { charge, hold, openWorld, price, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await openWorld(100)
}, 60_000)
afterAll(() => world.close())

let seats = 0
/** A seat that no other test has. */
const nextSeat = () => `A${++seats}`
let names = 0
const next = (name: string) => `${name}-${++names}`

describe.each(Object.entries(hosts))("%s", (_, open) => {
  let host: OpenHost
  beforeAll(async () => {
    host = await open(world.url)
  }, 60_000)
  afterAll(() => host.close())

  test("a hold and a payment commit with the host's row", async () => {
    const [user, order, seat] = [next("ann"), next("order"), nextSeat()]
    const payment = await host.transaction(async ({ insert, engine }) => {
      await insert(order)
      await engine(charge(world, user))
      const { reservationId } = await engine(hold(world, user, seat))
      return engine(world.office.payments.pay({ userId: user, reservationId }))
    })
    expect(payment).toMatchObject({ amount: price, balance: { amount: 0n } })
    expect(await world.traces(user, order)).toEqual([1, 1, 2])
    const { userId, reservationId } = { userId: user, reservationId: payment.reservationId }
    const read = await world.run(world.office.reservations.get({ userId, reservationId }))
    expect(read.status).toBe("confirmed")
  })

  test("rolled back in the middle, nothing is left of either side", async () => {
    const [user, order, seat] = [next("ann"), next("order"), nextSeat()]
    const changedMind = new Error("changed their mind")
    const work = host.transaction(async ({ insert, engine }) => {
      await insert(order)
      await engine(charge(world, user))
      await engine(hold(world, user, seat))
      throw changedMind
    })
    await expect(work).rejects.toThrow("changed their mind")
    expect(await world.traces(user, order)).toEqual([0, 0, 0])
    await world.run(hold(world, next("bob"), seat))
  })

  test("20 transactions want one seat at once: one has it", async () => {
    const seat = nextSeat()
    const users = Array.from({ length: 20 }, () => next("user"))
    const outcomes = await Promise.all(
      users.map((user) =>
        host
          .transaction(async ({ insert, engine }) => {
            await insert(user)
            await engine(charge(world, user))
            const { reservationId } = await engine(hold(world, user, seat))
            await engine(world.office.payments.pay({ userId: user, reservationId }))
            return "sold"
          })
          .catch((error: { readonly _tag?: string }) => error._tag ?? error)
      )
    )
    expect(outcomes.filter((outcome) => outcome === "sold")).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === "SeatUnavailable")).toHaveLength(19)
    const traces = await Promise.all(users.map((user) => world.traces(user, user)))
    expect(traces.filter(([orders]) => orders === 1)).toEqual([[1, 1, 2]])
    expect(traces.filter(([orders]) => orders === 0)).toEqual(Array(19).fill([0, 0, 0]))
  })

  test("a refusal leaves the transaction usable", async () => {
    const [user, order, seat] = [next("ann"), next("order"), nextSeat()]
    await world.run(hold(world, next("bob"), seat))
    await host.transaction(async ({ insert, engine }) => {
      await expect(engine(hold(world, user, seat))).rejects.toMatchObject({
        _tag: "SeatUnavailable"
      })
      await insert(order)
      await engine(charge(world, user, 7n))
    })
    expect(await world.traces(user, order)).toEqual([1, 0, 1])
  })

  test("it reads its own uncommitted work, and no other session does", async () => {
    const user = next("ann")
    const balance = world.office.wallet.balance({ userId: user })
    await host.transaction(async ({ engine }) => {
      await engine(charge(world, user, 9_007_199_254_740_993n - 9_007_199_254_740_900n))
      expect((await engine(balance)).balance.amount).toBe(93n)
      expect((await world.run(balance)).balance.amount).toBe(0n)
    })
    expect((await world.run(balance)).balance.amount).toBe(93n)
  })

  test("every service works inside, gated as ever", async () => {
    const { gated } = world
    const [user, seat] = [next("ann"), nextSeat()]
    const performanceId = "gala-1"
    await host.transaction(async ({ engine }) => {
      const { token } = await engine(gated.queue.join({ queueId: "main", userId: user }))
      const caller = { userId: user, queueToken: token }
      const seatsNow = () => engine(gated.catalog.availableSeats({ ...caller, performanceId }))
      const { dates } = await engine(gated.catalog.availableDates({ ...caller, showId: "gala" }))
      expect(dates).toHaveLength(1)
      const before = (await seatsNow()).seats.length
      const held = await engine(
        gated.reservations.hold({ ...caller, performanceId, seatIds: [seat] })
      )
      expect((await seatsNow()).seats).toHaveLength(before - 1)
      const { reservationId } = held
      await engine(gated.reservations.release({ userId: user, reservationId }))
      const again = await engine(
        gated.reservations.hold({ ...caller, performanceId, seatIds: [seat] })
      )
      const list = await engine(gated.reservations.list({ userId: user }))
      expect(list.items.map(({ status }) => status)).toEqual(["held", "released"])
      await engine(gated.wallet.charge({ ...caller, amount: price }))
      const payment = await engine(
        gated.payments.pay({ ...caller, reservationId: again.reservationId })
      )
      await engine(gated.payments.refund({ paymentId: payment.paymentId }))
      const { items } = await engine(gated.wallet.entries({ userId: user }))
      expect(items.map(({ kind, balance }) => [kind, balance.amount])).toEqual([
        ["refund", 5_000n],
        ["payment", 0n],
        ["charge", 5_000n]
      ])
      const { state } = await engine(gated.queue.status(caller))
      expect(state).toBe("completed")
      expect((await seatsNow().catch((error) => error))._tag).toBe("QueueTokenExpired")
      expect((await engine(gated.queue.get("main"))).mode).toBe("open")
      expect((await engine(gated.queue.list({}))).items.map((q) => q.queueId)).toContain("main")
      expect((await engine(gated.catalog.shows({}))).items[0]!.showId).toBe("gala")
      const lapsed = await engine(
        Effect.flatMap(HostTransaction, (inside) => inside!.store.lapsed(10))
      )
      expect(lapsed).toEqual({ reservations: [], queues: [] })
    })
    const { items } = await world.run(gated.reservations.list({ userId: user }))
    expect(items.map(({ status }) => status)).toEqual(["cancelled", "released"])
  })

  test("a pool, or a client without a transaction, is refused", async () => {
    const user = next("ann")
    await expect(host.mistaken(charge(world, user))).rejects.toMatchObject({
      _tag: "HostTransactionRefused",
      reason: "none"
    })
    expect(await world.traces(user, "")).toEqual([0, 0, 0])
  })

  test("a transaction that has failed is refused", async () => {
    const user = next("ann")
    let refused: unknown
    const work = host.transaction(async ({ query, engine }) => {
      await query("SELECT 1 / 0").catch(() => {})
      refused = await engine(charge(world, user)).catch((error) => error)
      throw new Error("as the host must")
    })
    await expect(work).rejects.toThrow()
    expect(refused).toMatchObject({ _tag: "HostTransactionRefused", reason: "aborted" })
  })

  test("a read-only transaction allows reads only", async () => {
    const user = next("ann")
    await host.transaction(async ({ engine }) => {
      expect((await engine(world.office.wallet.balance({ userId: user }))).balance.amount).toBe(0n)
      await expect(engine(charge(world, user))).rejects.toMatchObject({
        _tag: "HostTransactionRefused",
        reason: "readOnly"
      })
      expect((await engine(world.office.wallet.balance({ userId: user }))).balance.amount).toBe(0n)
    }, "BEGIN READ ONLY")
  })

  test("an idempotency key commits and rolls back with the transaction", async () => {
    const user = next("ann")
    const keyed = charge(world, user, 5n, "key")
    const work = host.transaction(async ({ engine }) => {
      await engine(keyed)
      throw new Error("rolled back")
    })
    await expect(work).rejects.toThrow()
    const first = await host.transaction(({ engine }) => engine(keyed))
    expect(await host.transaction(({ engine }) => engine(keyed))).toEqual(first)
    expect(await world.run(keyed)).toEqual(first)
    expect(await world.traces(user, "")).toEqual([0, 0, 1])
  })

  test.each(["REPEATABLE READ", "SERIALIZABLE"])(
    "%s: the second transaction gets a conflict",
    async (level) => {
      const user = next("ann")
      await world.run(charge(world, user, 1n))
      const order = next("order")
      await host.transaction(async ({ insert, query, engine }) => {
        await query("SELECT 1 FROM public.host_order")
        await world.run(charge(world, user, 1n))
        await expect(engine(charge(world, user, 1n))).rejects.toMatchObject({
          _tag: "HostTransactionConflict"
        })
        await insert(order)
      }, `BEGIN ISOLATION LEVEL ${level}`)
      expect(await world.traces(user, order)).toEqual([1, 0, 2])
    }
  )
})
