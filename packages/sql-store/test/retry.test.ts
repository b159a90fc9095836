import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { evolve } from "@boxoffice/core/store"
import { Effect } from "effect"
import { expect, test } from "vitest"
import { SqlStore } from "../src/index.ts"
import {
  atEnd,
  charge,
  chargedEvent,
  id,
  openDatabase,
  openSql,
  openStore,
  planFor,
  seedCatalog,
  untilSomeoneWaits
} from "./support.ts"

/** How often a batch that charges Ann 5 is decided, and its result. */
const charging = () => {
  const transferId = id.transfer()
  const batch = { decided: 0, transferId }
  const run = ({ transact }: Pick<Awaited<ReturnType<typeof openStore>>, "transact">) =>
    transact(
      (plan) => plan.wallets.add(id.user("ann")),
      (rows) => {
        batch.decided++
        evolve(rows, chargedEvent(rows, "ann", 5n, transferId))
        return batch.decided
      }
    )
  return Object.assign(batch, { run })
}

const stateOf = async (database: Awaited<ReturnType<typeof openDatabase>>) =>
  database.sql("SELECT balance, version FROM boxoffice.wallet WHERE user_id = 'ann'")

test("a deadlock with another application's transaction runs the batch again (40P01)", async () => {
  const database = await openDatabase()
  await charge(database, "ann", 1n)
  await charge(database, "bob", 1n)
  const raw = openSql(database.url)
  // The other session waits longer before it looks for a deadlock, so the batch is the victim.
  await raw("SET deadlock_timeout = '1min'")
  await raw("BEGIN")
  await raw("SELECT FROM boxoffice.wallet WHERE user_id = 'bob' FOR UPDATE")
  let decided = 0
  const batch = database.transact(
    (plan) => plan.wallets.add(id.user("ann")).add(id.user("bob")),
    (rows) => {
      decided++
      for (const user of ["ann", "bob"]) evolve(rows, chargedEvent(rows, user, 1n))
    }
  )
  await untilSomeoneWaits(database.url)
  await raw("SELECT FROM boxoffice.wallet WHERE user_id = 'ann' FOR UPDATE")
  await raw("COMMIT")
  await batch
  // The first attempt ended before it came to decide.
  expect(decided).toBe(1)
  expect(await stateOf(database)).toEqual([{ balance: 2n, version: 2n }])
  const [stat] = await raw<{ n: bigint }>(
    "SELECT count(*) AS n FROM boxoffice.transfer WHERE user_id = 'bob'"
  )
  expect(stat!.n).toBe(2n)
})

test("a serialization failure runs the batch again on fresh rows (40001)", async () => {
  const database = await openDatabase()
  await charge(database, "ann", 1n)
  // A sequence advances even when the transaction is rolled back: the trigger fails twice, then
  // passes.
  await database.sql("CREATE SEQUENCE public.attempts")
  await database.sql(
    "CREATE FUNCTION public.fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$\n" +
      "BEGIN IF nextval('public.attempts') <= 2 THEN RAISE 'again' USING ERRCODE = '40001'; END IF;\n" +
      "RETURN NEW; END $$"
  )
  await database.sql(`CREATE TRIGGER fail_twice BEFORE UPDATE ON boxoffice.wallet
    FOR EACH ROW EXECUTE FUNCTION public.fail_twice()`)
  const batch = charging()
  expect(await batch.run(database)).toBe(3)
  expect(await stateOf(database)).toEqual([{ balance: 6n, version: 2n }])
})

test("endless contention fails as retryable", async () => {
  const database = await openDatabase()
  await charge(database, "ann", 1n)
  await database.sql(
    "CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$\n" +
      "BEGIN RAISE 'again' USING ERRCODE = '40001'; END $$"
  )
  await database.sql(`CREATE TRIGGER fail BEFORE UPDATE ON boxoffice.wallet
    FOR EACH ROW EXECUTE FUNCTION public.fail()`)
  const batch = charging()
  await expect(batch.run(database)).rejects.toMatchObject({
    _tag: "StoreUnavailable",
    retryable: true
  })
  expect(batch.decided).toBe(12)
  // And the connection is fit for the next one.
  await database.sql("DROP TRIGGER fail ON boxoffice.wallet")
  expect(await charging().run(database)).toBe(1)
})

test("a statement that the schema refuses is not retried, and leaves nothing behind", async () => {
  const database = await openDatabase()
  let decided = 0
  const overdraw = database.transact(
    (plan) => plan.wallets.add(id.user("ann")),
    (rows) => {
      decided++
      evolve(rows, chargedEvent(rows, "ann", 5n))
      evolve(rows, chargedEvent(rows, "ann", -6n))
    }
  )
  await expect(overdraw).rejects.toMatchObject({ _tag: "StoreUnavailable", retryable: false })
  expect(decided).toBe(1)
  expect(await stateOf(database)).toEqual([])
  expect(await database.sql("SELECT FROM boxoffice.outbox")).toEqual([])
})

test("a value that cannot be sent sends no COMMIT either", async () => {
  const database = await openDatabase()
  const impossible = database.transact(
    (plan) => plan.wallets.add(id.user("ann")),
    (rows) => {
      evolve(rows, chargedEvent(rows, "ann", 5n))
      rows.addOutcome({
        commandId: "no uuid" as never,
        userId: id.user("ann"),
        operation: "x",
        fingerprint: "",
        outcome: ""
      })
    }
  )
  await expect(impossible).rejects.toMatchObject({ _tag: "StoreUnavailable", retryable: false })
  expect(await stateOf(database)).toEqual([])
  await charge(database, "ann", 1n)
})

test("a decision that throws rolls back, and the pool goes on", async () => {
  const database = await openDatabase({ maxConnections: 2 })
  await charge(database, "ann", 1n)
  const broken = database.transact(
    (plan) => plan.wallets.add(id.user("ann")),
    () => {
      throw new Error("a bug")
    }
  )
  await expect(broken).rejects.toThrow("a bug")
  // No session has Ann's wallet locked.
  await charge(database, "ann", 1n)
})

test("an interrupted batch leaves no lock and no connection behind", async () => {
  const database = await openDatabase({ maxConnections: 2 })
  await charge(database, "ann", 1n)
  const raw = openSql(database.url)
  await raw("BEGIN")
  await raw("SELECT FROM boxoffice.wallet WHERE user_id = 'ann' FOR UPDATE")
  const plan = planFor((plan) => plan.wallets.add(id.user("ann")))
  const interrupted = database.run(
    Effect.timeoutOption(
      database.store.transact(plan, () => "never"),
      "50 millis"
    )
  )
  await untilSomeoneWaits(database.url)
  expect(await interrupted).toMatchObject({ _tag: "None" })
  await raw("ROLLBACK")
  const lock = "SELECT FROM boxoffice.wallet WHERE user_id = 'ann' FOR UPDATE NOWAIT"
  await expect
    .poll(() =>
      raw(lock).then(
        () => "free",
        () => "locked"
      )
    )
    .toBe("free")
  await charge(database, "ann", 1n)
})

test("two nodes make the same wallet at once: one waits, and adds to it", async () => {
  const database = await openDatabase()
  const raw = openSql(database.url)
  // The other node's batch, up to its commit.
  const transferId = id.transfer()
  await raw("BEGIN")
  await raw("INSERT INTO boxoffice.wallet VALUES ('ann', 'KRW', 7, 1)")
  await raw(`INSERT INTO boxoffice.transfer (transfer_id, kind, user_id, counter_account, amount,
    currency, version, balance, made_at)
    VALUES ('${transferId}', 'charge', 'ann', 'cash', 7, 'KRW', 1, 7, now())`)
  const batch = charging()
  const late = batch.run(database)
  await untilSomeoneWaits(database.url)
  await raw("COMMIT")
  expect(await late).toBe(2)
  expect(await stateOf(database)).toEqual([{ balance: 12n, version: 2n }])
})

test("200 first charges of one user over two nodes lose nothing", async () => {
  const database = await openDatabase()
  const nodes = [database, await openStore(SqlStore.layerUrl({ url: database.url }))]
  const all = Array.from({ length: 200 }, (_, turn) => charge(nodes[turn % 2]!, "ann", 1n))
  await Promise.all(all)
  expect(await stateOf(database)).toEqual([{ balance: 200n, version: 200n }])
})

test("the same command on two nodes is answered once, and found by the other", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const nodes = [database, await openStore(SqlStore.layerUrl({ url: database.url }))]
  const commandId = id.command()
  const command = (node: (typeof nodes)[number]) =>
    node.transact(
      (plan) => {
        plan.outcomes.add(commandId)
        plan.wallets.add(id.user("ann"))
      },
      (rows) => {
        const known = rows.outcomes.get(commandId)
        if (known !== undefined) return known.outcome
        const outcome = id.transfer()
        evolve(rows, chargedEvent(rows, "ann", 5n, outcome))
        const userId = id.user("ann")
        rows.addOutcome({ commandId, userId, operation: "charge", fingerprint: "", outcome })
        return outcome
      }
    )
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => command(nodes[n % 2]!)))
  expect(new Set(answers).size).toBe(1)
  expect(await stateOf(database)).toEqual([{ balance: 5n, version: 1n }])
})

/** A proxy between a store and its server that cuts the connection at the first COMMIT. */
const cutter = async (url: string, deliverCommit: boolean) => {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  const proxy = { armed: false, cuts: 0 }
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => {
        client.destroy()
        // The server must receive what was sent.
        upstream.end()
      })
    }
    client.on("data", (chunk) => {
      const cut = proxy.armed && chunk.includes("COMMIT\0")
      if (!cut || deliverCommit) upstream.write(chunk)
      if (!cut) return
      proxy.armed = false
      proxy.cuts++
      client.destroy()
    })
    upstream.on("data", (chunk) => client.destroyed || client.write(chunk))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  atEnd(async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as { port: number }
  const through = new URL(url)
  through.port = String(port)
  return Object.assign(proxy, { url: through.href })
}

test("a commit whose answer was lost delivers its outcome, once it is in", async () => {
  const database = await openDatabase()
  await charge(database, "ann", 1n)
  // The commit is slow, so that the store first finds it still in progress.
  await database.sql(
    "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$\n" +
      "BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$"
  )
  await database.sql(`CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON boxoffice.transfer
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.slow()`)
  const line = await cutter(database.url, true)
  const store = await openStore(SqlStore.layerUrl({ url: line.url }))
  const batch = charging()
  line.armed = true
  expect(await batch.run(store)).toBe(1)
  expect([line.cuts, batch.decided]).toEqual([1, 1])
  expect(await stateOf(database)).toEqual([{ balance: 6n, version: 2n }])
})

test("a commit that never arrived runs again", async () => {
  const database = await openDatabase()
  await charge(database, "ann", 1n)
  const line = await cutter(database.url, false)
  const store = await openStore(SqlStore.layerUrl({ url: line.url }))
  const batch = charging()
  line.armed = true
  expect(await batch.run(store)).toBe(2)
  expect(line.cuts).toBe(1)
  expect(await stateOf(database)).toEqual([{ balance: 6n, version: 2n }])
})

test("an unreachable server is unavailable, and retryable", async () => {
  const database = await openDatabase()
  const line = await cutter(database.url, true)
  const { store, run } = await openStore(SqlStore.layerUrl({ url: line.url }))
  await run(store.ping)
  await database.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`)
  await expect
    .poll(
      () =>
        run(store.ping).then(
          () => "up",
          (error) => error.retryable
        ),
      { timeout: 10_000 }
    )
    .toBe("up")
  await expect(
    openStore(SqlStore.layerUrl({ url: "postgres://nobody@127.0.0.1:1/nothing" }))
  ).rejects.toMatchObject({ _tag: "StoreUnavailable", retryable: true })
})
