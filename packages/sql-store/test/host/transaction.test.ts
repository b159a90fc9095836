import {
  BoxOffice,
  BoxOfficeStore,
  layerOf,
  type QueueId,
  type ShowId,
  within
} from "@boxoffice/core"
import { LoadPlan } from "@boxoffice/core/store"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, ManagedRuntime, Redacted } from "effect"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Host, SqlStore } from "../../src/index.ts"
import { addPerformance, addSeats, addShow, type OpenStore, planFor } from "../support.ts"
import { charge, hold, openWorld, price, signingKeys, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await openWorld(60)
}, 60_000)
afterAll(() => world.close())

let seats = 0
const nextSeat = () => `A${++seats}`
let users = 0
const nextUser = () => `user-${++users}`

/** A client, and every statement sent to it. */
const withClient = async <A>(
  work: (client: pg.Client, sent: Array<string>) => Promise<A>
): Promise<A> => {
  const client = new pg.Client({ connectionString: world.url })
  client.on("error", () => {})
  await client.connect()
  const sent: Array<string> = []
  const query = client.query.bind(client) as (...args: Array<unknown>) => unknown
  client.query = ((...args: Array<unknown>) => {
    sent.push(args[0] as string)
    return query(...args)
  }) as typeof client.query
  try {
    return await work(client, sent)
  } finally {
    await client.end()
  }
}

const engine = <A, E>(client: Host.HostClient, effect: Effect.Effect<A, E>) =>
  Effect.runPromise(Host.within(client)(effect))

test("the host can still roll back its earlier work", () =>
  withClient(async (client, sent) => {
    const [user, seat] = [nextUser(), nextSeat()]
    await client.query("BEGIN")
    await client.query(`INSERT INTO public.host_order VALUES ('${user}')`)
    sent.length = 0
    await engine(client, charge(world, user))
    await engine(client, hold(world, user, seat))
    // Other sessions see nothing of it: no COMMIT was sent.
    expect(await world.traces(user, user)).toEqual([0, 0, 0])
    const control = sent.filter((sql) => !/^\s*(SELECT|INSERT|UPDATE|WITH)\b/.test(sql))
    expect(control).toEqual([
      expect.stringMatching(/^SAVEPOINT boxoffice_\d+$/),
      control[0]!.replace("SAVEPOINT", "RELEASE SAVEPOINT"),
      expect.stringMatching(/^SAVEPOINT boxoffice_\d+$/),
      control[2]!.replace("SAVEPOINT", "RELEASE SAVEPOINT")
    ])
    expect(control[2]).not.toBe(control[0])
    await client.query("ROLLBACK")
    expect(await world.traces(user, user)).toEqual([0, 0, 0])
  }))

test("no setting of the host's transaction is changed", () =>
  withClient(async (client) => {
    const settings = async () => (await client.query("SHOW ALL")).rows
    await client.query("BEGIN")
    await client.query("SET LOCAL statement_timeout = '1min'")
    // Settings of the language appear with its first function in a session.
    await client.query("DO 'BEGIN END'")
    const before = await settings()
    const user = nextUser()
    await engine(client, charge(world, user))
    await engine(client, hold(world, user, nextSeat()))
    await expect(engine(client, hold(world, user, "none"))).rejects.toThrow()
    expect(await settings()).toEqual(before)
    await client.query("COMMIT")
  }))

describe("whatever fails, the savepoint is closed and the transaction goes on", () => {
  const openSavepoints = (sent: ReadonlyArray<string>) => {
    const open = new Set<string>()
    for (const sql of sent) {
      const [, name] = sql.match(/^SAVEPOINT (\w+)/) ?? []
      if (name !== undefined) open.add(name)
      const [, released] = sql.match(/^RELEASE SAVEPOINT (\w+)/) ?? []
      if (released !== undefined) open.delete(released)
    }
    return [...open]
  }

  test("the schema refuses", () =>
    withClient(async (client, sent) => {
      const [user, other] = [nextUser(), nextUser()]
      await client.query("BEGIN")
      await client.query(
        `ALTER TABLE boxoffice.wallet ADD CONSTRAINT not_${user.replace("-", "_")}
          CHECK (user_id <> '${user}')`
      )
      await expect(engine(client, charge(world, user))).rejects.toMatchObject({
        _tag: "StoreUnavailable",
        retryable: false
      })
      expect(openSavepoints(sent)).toEqual([])
      await engine(client, charge(world, other))
      await client.query("ROLLBACK")
    }))

  test("a decider throws", () =>
    withClient(async (client, sent) => {
      const [user, other] = [nextUser(), nextUser()]
      await client.query("BEGIN")
      const { transaction } = Host.transactionOf(client)
      const broken = transaction.store.transact(new LoadPlan(), () => {
        throw new Error("a bug")
      })
      await expect(Effect.runPromise(broken)).rejects.toThrow("a bug")
      expect(openSavepoints(sent)).toEqual([])
      await engine(client, charge(world, other))
      await client.query("COMMIT")
      expect(await world.traces(user, "")).toEqual([0, 0, 0])
      expect(await world.traces(other, "")).toEqual([0, 0, 1])
    }))

  test("the caller stops waiting", () =>
    withClient(async (client, sent) => {
      const user = nextUser()
      await world.run(charge(world, user))
      await withClient(async (blocker) => {
        await blocker.query("BEGIN")
        await blocker.query(`SELECT 1 FROM boxoffice.wallet WHERE user_id = '${user}' FOR UPDATE`)
        await client.query("BEGIN")
        const waiting = engine(client, Effect.timeoutOption(charge(world, user), "20 millis"))
        await expect
          .poll(() => world.query("SELECT 1 FROM pg_locks WHERE NOT granted").then((r) => r.length))
          .toBeGreaterThan(0)
        await blocker.query("ROLLBACK")
        // A statement runs to its end, and so does the operation that it is part of.
        await waiting
      })
      expect(openSavepoints(sent)).toEqual([])
      await client.query("COMMIT")
    }))

  test("the connection is lost", () =>
    withClient(async (client) => {
      const user = nextUser()
      await client.query("BEGIN")
      const { rows } = await client.query("SELECT pg_backend_pid() AS pid")
      await world.query(`SELECT pg_terminate_backend(${rows[0].pid})`)
      await expect(engine(client, charge(world, user))).rejects.toMatchObject({
        _tag: "StoreUnavailable"
      })
      expect(await world.traces(user, "")).toEqual([0, 0, 0])
    }))
})

test("concurrent commands take turns, and a refusal undoes none of the others", () =>
  withClient(async (client) => {
    const user = nextUser()
    const seat = nextSeat()
    await world.run(hold(world, nextUser(), seat))
    await client.query("BEGIN")
    const outcomes = await Promise.allSettled([
      engine(client, charge(world, user, 1n)),
      engine(client, hold(world, user, seat)),
      engine(client, charge(world, user, 2n)),
      engine(client, hold(world, user, nextSeat()))
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled"
    ])
    await client.query("COMMIT")
    expect(await world.traces(user, "")).toEqual([0, 1, 2])
  }))

describe("any value, under any settings of the host's", () => {
  const nasty = [
    `"double" 'single' \\back\\slash {braces},commas, (parens)`,
    "NULL",
    "null",
    " leading, trailing ",
    "",
    "line\nbreak\ttab",
    "ünïcödé 한국어 🎫 \u2028",
    "$1 $2::text",
    "{}",
    '{"a":1}'
  ]
  const instants = [
    "2030-01-01T00:00:00.123Z",
    "1890-06-01T12:34:56.789Z",
    "0001-01-01T00:00:00.000Z",
    "-000043-03-15T12:00:00.000Z",
    "+010000-01-01T00:00:00.000Z",
    "+099999-12-31T23:59:59.999Z"
  ]
  const settings = [
    "SET LOCAL TimeZone = 'Asia/Kolkata'",
    "SET LOCAL TimeZone = 'Asia/Seoul'",
    "SET LOCAL DateStyle = 'SQL, DMY'",
    "SET LOCAL DateStyle = 'German'",
    "SET LOCAL IntervalStyle = 'sql_standard'",
    "SET LOCAL standard_conforming_strings = off",
    "SET LOCAL search_path = 'nowhere'"
  ]

  test.each(settings)("%s", (setting) =>
    withClient(async (client) => {
      await client.query("BEGIN")
      await client.query(setting)
      const { store } = Host.transactionOf(client).transaction
      const run = <A>(effect: Effect.Effect<A, unknown>) => Effect.runPromise(effect)
      const transact: OpenStore["transact"] = (fill, decide) =>
        run(store.transact(planFor(fill), decide))
      const prefix = `${settings.indexOf(setting)}`
      const queueId = "main" as QueueId
      const shows = [...nasty, ...instants].map((text, i) => ({
        showId: `nasty-${prefix}-${i}` as ShowId,
        title: text,
        queueId,
        salesOpenAt: instants.includes(text) ? new Date(text) : null,
        salesCloseAt: null
      }))
      for (const show of shows) {
        await addShow({ transact }, show)
        expect(await run(store.show(show.showId))).toEqual(show)
      }
      const performanceId = `nasty-${prefix}` as never
      await addPerformance(
        { transact },
        {
          performanceId,
          showId: shows[0]!.showId,
          startsAt: new Date("2100-01-01T00:00:00.123Z"),
          timeZone: "Asia/Seoul"
        }
      )
      const added = nasty.map((text, i) => ({
        seatId: `S${i}` as never,
        section: text,
        row: text,
        number: text,
        price: { amount: 2n ** 53n + BigInt(i), currency: "KRW" as never }
      }))
      await addSeats({ transact }, performanceId, added)
      const read = await run(store.seats(performanceId))
      expect(read!.performance.startsAt).toBe(Date.parse("2100-01-01T00:00:00.123Z"))
      expect(read!.seats.map(({ section, price }) => ({ section, price }))).toEqual(
        added.map(({ section, price }) => ({ section, price }))
      )
      const held = await engine(
        client,
        world.office.reservations.hold({
          userId: "ann",
          performanceId,
          seatIds: ["S0", "S1", "S6"]
        })
      )
      expect(held.amount.amount).toBe(3n * 2n ** 53n + 7n)
      expect(held.seats.map((seat) => seat.section)).toEqual([nasty[0], nasty[1], nasty[6]])
      await client.query("COMMIT")
      // The store's own driver, which is binary, reads the very same.
      const { store: own } = world
      for (const show of shows) expect(await run(own.show(show.showId))).toEqual(show)
      const ownSeats = await run(own.seats(performanceId))
      expect(ownSeats!.seats.map((seat) => [seat.section, seat.price.amount])).toEqual(
        added.map((seat) => [seat.section, seat.price.amount])
      )
      await client.query("BEGIN")
      await client.query(setting)
      const { reservations } = await run(store.reservation(held.reservationId as never))
      expect(reservations).toEqual(
        (await run(own.reservation(held.reservationId as never))).reservations
      )
      await client.query("ROLLBACK")
    })
  )

  test("instants finer than a millisecond are cut off alike", () =>
    withClient(async (client) => {
      await client.query("BEGIN")
      await client.query("SET LOCAL TimeZone = 'Asia/Kolkata'")
      await client.query(`INSERT INTO boxoffice.performance (performance_id, show_id, starts_at,
        time_zone) VALUES ('fine', 'gala', '2030-01-01T00:00:00.123999Z', 'UTC'),
        ('forever', 'gala', 'infinity', 'UTC')`)
      await client.query("COMMIT")
      await client.query("BEGIN")
      const { store } = Host.transactionOf(client).transaction
      const fine = "fine" as never
      const inside = await Effect.runPromise(store.performance(fine))
      expect(inside!.startsAt.toISOString()).toBe("2030-01-01T00:00:00.123Z")
      expect(inside).toEqual(await Effect.runPromise(world.store.performance(fine)))
      const forever = await Effect.runPromise(store.performance("forever" as never))
      expect(forever!.startsAt.getTime()).toBeNaN()
      await client.query("ROLLBACK")
      await world.query(
        "DELETE FROM boxoffice.performance WHERE performance_id IN ('fine', 'forever')"
      )
    }))
})

describe("this node's caches follow the commit", () => {
  const free = (office: World["office"]) =>
    Effect.map(
      office.catalog.availableSeats({ userId: "ann", performanceId: "gala-1" }),
      ({ seats }) => seats.length
    )

  test("at once when the host reports the commit, and never before", () =>
    withClient(async (client) => {
      const before = await world.run(free(world.office))
      await client.query("BEGIN")
      const { transaction, committed } = Host.transactionOf(client)
      await world.run(within(transaction)(hold(world, nextUser(), nextSeat())))
      expect(await world.run(within(transaction)(free(world.office)))).toBe(before - 1)
      expect(await world.run(free(world.office))).toBe(before)
      await client.query("COMMIT")
      await committed()
      expect(await world.run(free(world.office))).toBe(before - 1)
    }))

  test("a SqlClient reports the commit by itself, and not after a rollback", async () => {
    const client = PgClient.layer({ url: Redacted.make(world.url) })
    // The cache stays fresh for long: only the announcement explains the new value.
    const options = { signingKeys, policies: { gate: [], catalogMaxAgeMs: 60_000 } }
    const runtime = ManagedRuntime.make(
      layerOf(options).pipe(Layer.provideMerge(SqlStore.layer()), Layer.provideMerge(client))
    )
    try {
      const context = await runtime.context()
      const [office, sql] = [
        Context.get(context, BoxOffice),
        Context.get(context, PgClient.PgClient)
      ]
      const own = { office }
      const before = await runtime.runPromise(free(office))
      const seat = nextSeat()
      const held = Host.within(sql)(hold(own, nextUser(), seat))
      await expect(
        runtime.runPromise(sql.withTransaction(Effect.andThen(held, Effect.fail("rolled back"))))
      ).rejects.toThrow()
      expect(await runtime.runPromise(free(office))).toBe(before)
      await runtime.runPromise(sql.withTransaction(held))
      expect(await runtime.runPromise(free(office))).toBe(before - 1)
    } finally {
      await runtime.dispose()
    }
  })
})

test("above READ COMMITTED, counts over other rows are those of the snapshot", () =>
  withClient(async (client) => {
    const user = nextUser()
    const limited = (atMost: number) =>
      Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const options = { signingKeys, policies: { gate: [], seatsPerUser: atMost } }
            const store = Layer.succeed(BoxOfficeStore, world.store)
            const context = yield* Layer.build(Layer.provide(layerOf(options), store))
            const office = Context.get(context, BoxOffice)
            return yield* Host.within(client)(hold({ office }, user, nextSeat()))
          })
        )
      )
    for (const [level, outcome] of [
      ["READ COMMITTED", "LimitExceeded"],
      ["REPEATABLE READ", "held"]
    ]) {
      await client.query(`BEGIN ISOLATION LEVEL ${level}`)
      await client.query("SELECT 1 FROM public.host_order")
      await world.run(hold(world, user, nextSeat()))
      const held = limited(level === "READ COMMITTED" ? 1 : 2)
      expect(await held.then(({ status }) => status).catch((error) => error._tag)).toBe(outcome)
      await client.query("ROLLBACK")
    }
  }))

test("a command waits for another transaction's row lock, and decides on the row as that left it", () =>
  withClient(async (client) => {
    const [user, seat] = [nextUser(), nextSeat()]
    await withClient(async (other) => {
      await other.query("BEGIN")
      await engine(other, hold(world, nextUser(), seat))
      await client.query("BEGIN")
      const waiting = engine(client, hold(world, user, seat)).catch((error) => error._tag)
      await expect
        .poll(() => world.query("SELECT 1 FROM pg_locks WHERE NOT granted").then((r) => r.length))
        .toBeGreaterThan(0)
      await other.query("COMMIT")
      expect(await waiting).toBe("SeatUnavailable")
    })
    await engine(client, charge(world, user, price.amount))
    await client.query("COMMIT")
    expect(await world.traces(user, "")).toEqual([0, 0, 1])
  }))
