/**
 * Reads the outbox while other transactions write it, on a server, where transactions end in any
 * order.
 */
import { BoxOfficeStore, type Delivery, EventFeed, layerOf } from "@boxoffice/core"
import { encodeEvents } from "@boxoffice/core/store"
import { exampleEvents } from "@boxoffice/core/testing"
import { Effect, Layer, ManagedRuntime, Random, Stream } from "effect"
import { expect, test } from "vitest"
import { SqlStore } from "../src/index.ts"
import { atEnd, charge, openDatabase, openSql, openStore, type Sql } from "./support.ts"

const signingKeys = { test: "events events events events events events" }

/** A node: the engine's feed over the database, and how to take events from it. */
const openNode = async (
  url: string,
  change: (store: BoxOfficeStore["Service"]) => BoxOfficeStore["Service"] = (store) => store
) => {
  const store = Layer.effect(BoxOfficeStore, Effect.map(BoxOfficeStore, change)).pipe(
    Layer.provide(SqlStore.layerUrl({ url, maxConnections: 4 }))
  )
  const runtime = ManagedRuntime.make(Layer.provideMerge(layerOf({ signingKeys }), store))
  atEnd(() => runtime.dispose())
  const feed = await runtime.runPromise(EventFeed)
  return {
    feed,
    run: runtime.runPromise,
    /** The next events, each acknowledged. */
    take: (consumer: string, count: number): Promise<ReadonlyArray<Delivery>> =>
      runtime.runPromise(
        feed.consume(consumer, { pollMs: 10 }).pipe(
          Stream.take(count),
          Stream.tap(({ acknowledge }) => acknowledge),
          Stream.runCollect
        )
      )
  }
}

/** A batch of events about a wallet, whose amounts are their numbers in the wallet's order. */
const insertCharge = (wallet: string, ...amounts: ReadonlyArray<number>) => {
  const events = amounts.map((amount) => ({
    ...exampleEvents.find(({ _tag }) => _tag === "WalletCharged")!,
    userId: wallet,
    amount: { amount: BigInt(amount), currency: "KRW" }
  }))
  return `INSERT INTO boxoffice.outbox (occurred_at, events)
    VALUES (now(), '${encodeEvents(events as never)}')`
}

const chargeOf = ({ aggregate, event }: Delivery): string =>
  event._tag === "WalletCharged" ? `${aggregate.id} ${event.amount.amount}` : event._tag

test("a transaction that commits late is not skipped, however many have committed since", async () => {
  const database = await openDatabase()
  const node = await openNode(database.url)
  const late = openSql(database.url)
  await late("BEGIN")
  await late(insertCharge("late", 1))
  for (let n = 1; n <= 3; n++) await charge(database, "ann", BigInt(n))
  expect((await node.take("mailer", 3)).map(chargeOf)).toEqual(["ann 1", "ann 2", "ann 3"])
  await charge(database, "ann", 4n)
  expect((await node.take("mailer", 1)).map(chargeOf)).toEqual(["ann 4"])
  await late("COMMIT")
  expect((await node.take("mailer", 1)).map(chargeOf)).toEqual(["late 1"])
  await charge(database, "ann", 5n)
  expect((await node.take("mailer", 1)).map(chargeOf)).toEqual(["ann 5"])
})

test("a consumer that stops inside a batch misses nothing of one that commits late in front of it", async () => {
  const database = await openDatabase()
  const node = await openNode(database.url)
  await database.sql("SELECT 1")
  const late = openSql(database.url)
  await node.run(
    node.feed.consume("mailer", { pollMs: 10 }).pipe(Stream.runDrain, Effect.timeoutOption(200))
  )
  await late("BEGIN")
  await late(insertCharge("late", 1, 2))
  await database.sql(insertCharge("ann", 1, 2, 3))
  expect((await node.take("mailer", 2)).map(chargeOf)).toEqual(["ann 1", "ann 2"])
  await late("COMMIT")
  expect((await node.take("mailer", 3)).map(chargeOf)).toEqual(["ann 3", "late 1", "late 2"])
})

test("a cursor in memory is given up when the server's life ends", async () => {
  const database = await openDatabase()
  const node = await openNode(database.url)
  await charge(database, "ann", 1n)
  const { outbox } = await node.run(BoxOfficeStore)
  const lease = { consumer: "mailer", owner: crypto.randomUUID(), leaseMs: 60_000 }
  const bookmark = await node.run(outbox.takeLease({ ...lease, from: "beginning" }))
  if (typeof bookmark === "string") throw new Error(bookmark)
  const page = await node.run(outbox.read(bookmark.cursor, 10))
  if (page === "interrupted") throw new Error(page)
  expect(page.batches).toHaveLength(1)
  const next = { cursor: page.next, position: 0 }
  const again = () => node.run(outbox.read(page.next, 10, page.at))
  expect(await again()).toMatchObject({ batches: [] })
  // Another session of the same life is as good.
  await database.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`)
  await expect.poll(() => again().catch(() => "away")).toMatchObject({ batches: [] })

  // What Postgres does to an unlogged table after a crash, and what a promoted standby has of it.
  const [table] = await database.sql<{ kept: string }>(
    "SELECT relpersistence AS kept FROM pg_class WHERE oid = 'boxoffice.server_life'::regclass"
  )
  expect(table?.kept).toBe("u")
  await database.sql("TRUNCATE boxoffice.server_life")
  expect(await again()).toBe("interrupted")
  const save = { ...lease, bookmark: next, since: page.at }
  expect(await node.run(outbox.save(save))).toBe("interrupted")
  // The lease is kept, and the cursor as it was saved.
  const [found] = await database.sql("SELECT batch_id, seen::text FROM boxoffice.event_consumer")
  expect(found).toMatchObject({ seen: "3:3:" })
  expect(await node.run(outbox.takeLease({ ...lease, from: "now" }))).toEqual(bookmark)
  // The new life has a name, and it differs from that of the life before.
  expect(await again()).toBe("interrupted")
  expect(await node.run(outbox.read(bookmark.cursor, 10))).toMatchObject({ batches: [{}] })
})

test("the schema refuses a position that belongs to no round", async () => {
  const database = await openDatabase()
  const node = await openNode(database.url)
  await charge(database, "ann", 1n)
  await node.take("mailer", 1)
  const move = database.sql(
    "UPDATE boxoffice.event_consumer SET reading = NULL, batch_id = 0, position = 1"
  )
  await expect(move).rejects.toThrow()
})

test("a transaction with a higher id and a lower batch number than those that ended is not skipped", async () => {
  const database = await openDatabase()
  const node = await openNode(database.url)
  const [early, late] = [openSql(database.url), openSql(database.url)]
  // Ids in one order, batches in the other, and then the end of the one with the lower id.
  await early("BEGIN")
  await early("SELECT pg_current_xact_id()::text")
  await late("BEGIN")
  await late(insertCharge("late", 1))
  await early(insertCharge("early", 1))
  await early("COMMIT")
  expect((await node.take("mailer", 1)).map(chargeOf)).toEqual(["early 1"])
  await late("COMMIT")
  expect((await node.take("mailer", 1)).map(chargeOf)).toEqual(["late 1"])
})

test("a transaction that began before another on the same aggregate, and ended after it, comes after it", async () => {
  const database = await openDatabase()
  await charge(database, "ann", 1n)
  const node = await openNode(database.url)
  await node.take("mailer", 1)
  const [waits, first] = [openSql(database.url), openSql(database.url)]
  const lock = "SELECT FROM boxoffice.wallet WHERE user_id = 'ann' FOR UPDATE"
  await waits("BEGIN")
  await waits("SELECT pg_current_xact_id()::text")
  await first("BEGIN")
  await first(lock)
  const held = waits(lock)
  await first(insertCharge("ann", 2))
  await first("COMMIT")
  await held
  await waits(insertCharge("ann", 3))
  await waits("COMMIT")
  expect((await node.take("mailer", 2)).map(chargeOf)).toEqual(["ann 2", "ann 3"])
})

test("transactions that end in any order, or never, and a consumer that stops anywhere", async () => {
  const database = await openDatabase()
  const nodes = [await openNode(database.url), await openNode(database.url)]
  const writers = Array.from({ length: 6 }, () => ({ sql: openSql(database.url), held: "" }))
  const wallets = ["w0", "w1", "w2", "w3"]
  await database.sql("CREATE TABLE public.aggregate (id text PRIMARY KEY, number int NOT NULL)")
  for (const wallet of wallets) {
    await database.sql(`INSERT INTO public.aggregate VALUES ('${wallet}', 0)`)
  }
  const pick = (below: number) =>
    Effect.runSync(Random.nextIntBetween(0, below, { halfOpen: true }))
  const free = () => wallets.filter((wallet) => writers.every(({ held }) => held !== wallet))
  const committed: Array<string> = []
  const open = new Map<Sql, Array<string>>()
  const seen: Array<string> = []

  for (let step = 0; step < 400; step++) {
    const writer = writers[pick(writers.length)]!
    const wallet = free()[pick(Math.max(1, free().length))]
    const mine = open.get(writer.sql)
    if (mine === undefined) {
      await writer.sql("BEGIN")
      open.set(writer.sql, [])
      // Some have an id long before they write.
      if (pick(2) === 0) await writer.sql("SELECT pg_current_xact_id()::text")
    } else if (writer.held === "" && wallet !== undefined && pick(3) > 0) {
      const [row] = await writer.sql<{ number: number }>(
        `UPDATE public.aggregate SET number = number + 1 WHERE id = '${wallet}' RETURNING number`
      )
      await writer.sql(insertCharge(wallet, row!.number))
      writer.held = wallet
      mine.push(`${wallet} ${row!.number}`)
    } else {
      const commits = pick(5) > 0
      await writer.sql(commits ? "COMMIT" : "ROLLBACK")
      if (commits) committed.push(...mine)
      open.delete(writer.sql)
      writer.held = ""
    }
    const unseen = committed.length - seen.length
    if (unseen > 0 && pick(4) === 0) {
      const taken = await nodes[pick(2)]!.take("mailer", 1 + pick(unseen))
      seen.push(...taken.map(chargeOf))
    }
  }
  for (const sql of open.keys()) await sql("ROLLBACK")
  seen.push(...(await nodes[0]!.take("mailer", committed.length - seen.length)).map(chargeOf))

  expect(committed.length).toBeGreaterThan(50)
  expect(seen.toSorted()).toEqual(committed.toSorted())
  for (const wallet of wallets) {
    const of = (all: ReadonlyArray<string>) => all.filter((text) => text.startsWith(wallet))
    expect(of(seen)).toEqual(of(committed))
  }
}, 60_000)

test("many writers, and two nodes of one consumer: each event once, each wallet's in order", async () => {
  const database = await openDatabase({ maxConnections: 8 })
  const second = await openStore(SqlStore.layerUrl({ url: database.url, maxConnections: 8 }))
  const users = Array.from({ length: 8 }, (_, n) => `user${n}`)
  const perUser = 25
  const writing = users.flatMap((user, n) => {
    const node = n % 2 === 0 ? database : second
    return [...Array(perUser).keys()].reduce(
      (before, amount) => before.then(() => charge(node, user, BigInt(amount + 1))),
      Promise.resolve()
    )
  })
  const nodes = [await openNode(database.url), await openNode(database.url)]
  const total = users.length * perUser
  const seen: Array<string> = []
  // Each node takes a few events, and lets the other go on.
  const consuming = nodes.map(async (node) => {
    while (seen.length < total) {
      await node.run(
        node.feed.consume("mailer", { pollMs: 10 }).pipe(
          Stream.take(17),
          Stream.tap((delivery) =>
            Effect.andThen(
              Effect.sync(() => seen.push(chargeOf(delivery))),
              delivery.acknowledge
            )
          ),
          Stream.takeUntil(() => seen.length >= total),
          Stream.interruptWhen(
            Effect.promise(async () => {
              while (seen.length < total) await new Promise((resolve) => setTimeout(resolve, 5))
            })
          ),
          Stream.runDrain
        )
      )
    }
  })
  await Promise.all([...writing, ...consuming])
  expect(seen).toHaveLength(total)
  for (const user of users) {
    const expected = [...Array(perUser).keys()].map((n) => `${user} ${n + 1}`)
    expect(seen.filter((text) => text.startsWith(`${user} `))).toEqual(expected)
  }
}, 60_000)

test.each(["before", "behind"])(
  "a save that is still in the database %s the lease that replaces its owner",
  async (order) => {
    const database = await openDatabase()
    // Two stores, since one sends both statements on the same connection, in turn.
    const [node, again] = [await openNode(database.url), await openNode(database.url)]
    const locker = openSql(database.url)
    await charge(database, "ann", 1n)
    const { outbox } = await node.run(BoxOfficeStore)
    const [ended, next] = [crypto.randomUUID(), crypto.randomUUID()]
    const lease = { consumer: "mailer", leaseMs: 60_000, from: "beginning" } as const
    const bookmark = await node.run(outbox.takeLease({ ...lease, owner: ended }))
    if (typeof bookmark === "string") throw new Error(bookmark)
    const page = await node.run(outbox.read(bookmark.cursor, 10))
    if (page === "interrupted") throw new Error(page)
    const passed = { cursor: page.next, position: 0 }

    const waiting = (count: number) =>
      expect
        .poll(() =>
          database.sql(`SELECT 1 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`)
        )
        .toHaveLength(count)
    // Whoever waits for the row first gets it first.
    await locker("BEGIN")
    await locker("SELECT 1 FROM boxoffice.event_consumer FOR UPDATE")
    const save = () => {
      const leaseMs = order === "before" ? 60_000 : 0
      return node.run(outbox.save({ ...lease, leaseMs, owner: ended, bookmark: passed }))
    }
    const take = async () => {
      const store = await again.run(BoxOfficeStore)
      return again.run(store.outbox.takeLease({ ...lease, owner: next, replaces: ended }))
    }
    const running: Array<Promise<unknown>> = []
    for (const [index, send] of (order === "before" ? [save, take] : [take, save]).entries()) {
      running.push(send())
      await waiting(index + 1)
    }
    await locker("COMMIT")
    const [first, second] = await Promise.all(running)

    if (order === "before") {
      expect(first).toBe(true)
      // The next session begins where the save has led.
      expect(second).toEqual(passed)
    } else {
      expect(first).toEqual(bookmark)
      expect(second).toBe(false)
    }
    // The lease belongs to the next owner, and for as long as that one has asked for.
    const other = { ...lease, owner: crypto.randomUUID(), replaces: ended }
    expect(await node.run(outbox.takeLease(other))).toBe("busy")
    const kept = order === "before" ? passed : bookmark
    expect(await node.run(outbox.takeLease({ ...lease, owner: next }))).toEqual(kept)
  }
)

test("a node that hangs loses the lease to another, which begins at the saved cursor", async () => {
  const database = await openDatabase()
  for (let n = 1; n <= 5; n++) await charge(database, "ann", BigInt(n))
  const hung = await openNode(database.url, (store) => ({
    ...store,
    outbox: { ...store.outbox, save: () => Effect.never }
  }))
  const other = await openNode(database.url)
  const stuck = new AbortController()
  const first: Array<string> = []
  const hanging = hung.run(
    hung.feed.consume("mailer", { leaseMs: 1_000 }).pipe(
      Stream.take(3),
      Stream.tap((delivery) => {
        first.push(chargeOf(delivery))
        return first.length === 3 ? Effect.never : delivery.acknowledge
      }),
      Stream.runDrain
    ),
    { signal: stuck.signal }
  )
  await expect.poll(() => first.length).toBe(3)
  const second = await other.take("mailer", 5)
  expect(first).toEqual(["ann 1", "ann 2", "ann 3"])
  expect(second.map(chargeOf)).toEqual(["ann 1", "ann 2", "ann 3", "ann 4", "ann 5"])
  void hanging.catch(() => {})
}, 20_000)

test("after a lost lease the late node waits for the lease, and then goes on", async () => {
  const database = await openDatabase()
  const node = await openNode(database.url)
  await charge(database, "ann", 1n)
  const seen: Array<string> = []
  const consuming = node.run(
    node.feed.consume("mailer", { pollMs: 10, leaseMs: 1_000 }).pipe(
      Stream.tap((delivery) => {
        seen.push(chargeOf(delivery))
        return delivery.acknowledge
      }),
      Stream.takeUntil(() => seen.filter((text) => text === "ann 1").length === 2),
      Stream.runDrain
    )
  )
  await expect.poll(() => seen).toEqual(["ann 1"])
  // An operator resets the consumer, which takes its lease from the node that holds it.
  await node.run(node.feed.reset("mailer", "beginning"))
  await charge(database, "ann", 2n)
  await consuming
  expect((await node.take("mailer", 1)).map(chargeOf)).toEqual(["ann 2"])
}, 20_000)

test.each([
  ["higher", 1_000_000_000],
  ["lower", -100]
])(
  "a dump restored where ids are %s: refused, recovered, and nothing missed",
  async (_, shift) => {
    const database = await openDatabase()
    const node = await openNode(database.url)
    const late = openSql(database.url)
    for (let n = 1; n <= 3; n++) await charge(database, "ann", BigInt(n))
    await late("BEGIN")
    await late(insertCharge("late", 1))
    await charge(database, "ann", 4n)
    await node.take("mailer", 4)
    await node.take("audit", 1)
    await late("COMMIT")
    await charge(database, "ann", 5n)
    // As the rows of a dump look in a cluster with other transaction ids.
    await database.sql(`UPDATE boxoffice.outbox
    SET xid = (xid::text::bigint + ${shift})::text::xid8`)
    const moved = (column: string) => `(SELECT string_agg(coalesce(
      (nullif(part, '')::bigint + ${shift})::text, ''), ':' ORDER BY place)
    FROM unnest(string_to_array(replace(${column}::text, ',', ':'), ':')) WITH ORDINALITY
      AS p (part, place))::pg_snapshot`
    await database.sql(`UPDATE boxoffice.event_consumer SET cluster = 'another',
    seen = CASE WHEN seen::text = '3:3:' THEN seen ELSE ${moved("seen")} END,
    reading = ${moved("reading")}`)
    await charge(database, "ann", 6n)

    await expect(node.take("mailer", 1)).rejects.toMatchObject({
      _tag: "ConsumerMisplaced",
      message: expect.stringContaining("recover")
    })
    expect(await node.run(node.feed.prune({ olderThanMs: 0 }))).toBe(0)
    expect(await node.run(node.feed.recover())).toEqual(["audit", "mailer"])
    expect(await node.run(node.feed.recover())).toEqual([])

    await charge(database, "ann", 7n)
    // From the first batch that was not passed on: the one that committed late.
    expect((await node.take("mailer", 5)).map(chargeOf)).toEqual([
      "late 1",
      "ann 4",
      "ann 5",
      "ann 6",
      "ann 7"
    ])
    expect((await node.take("audit", 7)).map(chargeOf)).toEqual([
      "ann 2",
      "ann 3",
      "late 1",
      "ann 4",
      "ann 5",
      "ann 6",
      "ann 7"
    ])
    await charge(database, "ann", 8n)
    expect((await node.take("mailer", 1)).map(chargeOf)).toEqual(["ann 8"])
  },
  20_000
)

test("events of a newer node stop the consumer, and arrive once it can read them", async () => {
  const database = await openDatabase()
  const node = await openNode(database.url)
  await charge(database, "ann", 1n)
  await database.sql(`INSERT INTO boxoffice.outbox (occurred_at, events)
    VALUES (now(), '[{"_tag": "SeatMoved", "at": 0}]')`)
  await expect(node.take("mailer", 2)).rejects.toMatchObject({
    _tag: "EventsUnreadable",
    batchId: 2n
  })
  await database.sql("DELETE FROM boxoffice.outbox WHERE batch_id = 2")
  await charge(database, "ann", 2n)
  expect((await node.take("mailer", 2)).map(chargeOf).at(-1)).toBe("ann 2")
})
