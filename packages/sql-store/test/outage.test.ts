/**
 * Servers, connections and rows that do not answer: which commands wait for them, for how long, and
 * which do not.
 */
import { makeBoxOffice, type PolicyOptions, type PromisedBoxOffice } from "@boxoffice/core"
import pg from "pg"
import postgres from "postgres"
import { expect, test } from "vitest"
import { probeStatements } from "../src/connection/probe.ts"
import { Host, type InTransaction, SqlStore } from "../src/index.ts"
import { schemaName } from "../src/schemaName.ts"
import { openLine } from "./line.ts"
import { atEnd, emptyDatabase, openPgPool, openSql, putOnSale } from "./support.ts"

const openNode = async (
  url: string,
  options: Partial<SqlStore.SqlStoreOptions> = {},
  policies: Partial<PolicyOptions> = {}
) => {
  const office = await makeBoxOffice(SqlStore.layerUrl({ url, ...options }), {
    signingKeys: { test: "outages outages outages outages outages" },
    policies: { gate: [], ...policies },
    batches: { batchers: 1, capacity: 20_000, batchSize: 1_000 }
  })
  atEnd(office.close)
  return office
}

const charge = (office: PromisedBoxOffice, userId: string, idempotencyKey?: string) =>
  office.wallet.charge({ userId, amount: { amount: 10n, currency: "KRW" }, idempotencyKey })

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "ok",
    (error) => error.code
  )

/** As psql does in a transaction that it leaves open. */
const lockWhere = async (url: string, table: string, condition: string) => {
  const other = openSql(url)
  await other("BEGIN")
  const rows = await other(`SELECT 1 FROM boxoffice.${table} WHERE ${condition} FOR UPDATE`)
  expect(rows.length).toBeGreaterThan(0)
  return () => other("ROLLBACK")
}

const lockRow = (url: string, table: "wallet" | "queue_token", userId: string) =>
  lockWhere(url, table, `user_id = '${userId}'`)

test("a row that another session has locked delays only the commands that need it", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  await charge(office, "victim")
  const unlock = await lockRow(url, "wallet", "victim")
  const victim = charge(office, "victim")
  const others = Array.from({ length: 200 }, (_, n) => charge(office, `user${n}`))
  await Promise.all(others)
  // Later commands do not wait either.
  await charge(office, "late")
  await unlock()
  expect(await codeOf(victim)).toBe("ok")
})

test("many commands that need a locked row delay neither other commands nor the closing of the node", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  await charge(office, "victim")
  const unlock = await lockRow(url, "wallet", "victim")
  const victims = Array.from({ length: 100 }, () => codeOf(charge(office, "victim")))
  const neighbours = Array.from({ length: 5 }, (_, n) => charge(office, `user${n}`))
  await Promise.all(neighbours)
  // Still locked: nothing waits for the lock's end.
  await office.close()
  expect(new Set(await Promise.all(victims))).toEqual(new Set(["overloaded"]))
  await unlock()
})

test("nor does a user who keeps sending commands for the locked row", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  await charge(office, "victim")
  const unlock = await lockRow(url, "wallet", "victim")
  const victims: Array<Promise<string>> = []
  for (let round = 0; round < 12; round++) {
    victims.push(codeOf(charge(office, "victim")))
    const neighbours = Array.from({ length: 5 }, (_, n) => charge(office, `user${round}-${n}`))
    await Promise.all(neighbours)
  }
  await unlock()
  expect(new Set(await Promise.all(victims))).toEqual(new Set(["ok"]))
  // In the order in which they were asked for, and each once.
  expect((await office.wallet.balance({ userId: "victim" })).balance.amount).toBe(130n)
})

test("rows that get free one after the other have no batch wait for all of them", async () => {
  const url = await emptyDatabase()
  // Less time for a statement than these locks take together, though each is short enough.
  const waits = { lockTimeoutMs: 1_000, statementTimeoutMs: 4_000 }
  const office = await openNode(url, { migrate: true, waits })
  const victims = Array.from({ length: 9 }, (_, n) => `a${n}`)
  for (const victim of victims) await charge(office, victim)
  const unlocks: Array<() => Promise<unknown>> = []
  for (const victim of victims) unlocks.push(await lockRow(url, "wallet", victim))
  const charges = [...victims, "b0", "b1", "b2"].map((user) => codeOf(charge(office, user)))
  for (const unlock of unlocks) {
    await new Promise((resolve) => setTimeout(resolve, 600))
    await unlock()
  }
  expect(new Set(await Promise.all(charges))).toEqual(new Set(["ok"]))
})

test("a locked token far back in line delays no joins", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  await office.queue.create({ queueId: "main", settings: { maxActive: 1 } })
  const join = (n: number) => office.queue.join({ queueId: "main", userId: `user${n}` })
  let last = await join(0)
  for (let n = 1; n <= 60; n++) last = await join(n)
  const unlock = await lockRow(url, "queue_token", "user60")
  const left = codeOf(office.queue.leave({ userId: "user60", queueToken: last.token }))
  const joined = Array.from({ length: 7 }, (_, n) => codeOf(join(100 + n)))
  expect(new Set(await Promise.all(joined))).toEqual(new Set(["ok"]))
  // Nor do later joins.
  expect(await codeOf(join(200))).toBe("ok")
  await unlock()
  expect(await left).toBe("ok")
})

test("a locked token that is next in line stops admissions, but no joins", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  await office.queue.create({ queueId: "main", settings: { maxActive: 2 } })
  const join = (n: number) => office.queue.join({ queueId: "main", userId: `user${n}` })
  const inside = [await join(0), await join(1)]
  for (const n of [2, 3, 4]) expect((await join(n)).state).toBe("waiting")
  const unlock = await lockRow(url, "queue_token", "user3")
  const joined = Array.from({ length: 20 }, (_, n) => codeOf(join(100 + n)))
  expect(new Set(await Promise.all(joined))).toEqual(new Set(["ok"]))
  const stateOf = async (n: number) => (await join(n)).state
  for (const [n, { token }] of inside.entries()) {
    await office.queue.leave({ userId: `user${n}`, queueToken: token })
  }
  await expect.poll(() => stateOf(2)).toBe("admitted")
  // There is room for one more. The next token is locked, and no user overtakes it.
  expect(await codeOf(join(200))).toBe("ok")
  expect(await stateOf(4)).toBe("waiting")
  await unlock()
  await expect.poll(() => stateOf(3)).toBe("admitted")
  expect(await stateOf(4)).toBe("waiting")
})

test("a queue whose row is locked keeps no other queue waiting", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  for (const queueId of ["locked", "free"]) await office.queue.create({ queueId })
  const unlock = await lockWhere(url, "queue", "queue_id = 'locked'")
  const join = (queueId: string, n: number) =>
    codeOf(office.queue.join({ queueId, userId: `user${n}` }))
  const stuck: Array<Promise<string>> = []
  for (let n = 0; n < 8; n++) {
    stuck.push(join("locked", n))
    expect(await join("free", n)).toBe("ok")
  }
  await unlock()
  expect(new Set(await Promise.all(stuck))).toEqual(new Set(["ok"]))
})

test("a user who asks again and again for a locked token keeps nobody else from joining", async () => {
  const url = await emptyDatabase()
  const offices = [await openNode(url, { migrate: true }), await openNode(url)]
  await offices[0]!.queue.create({ queueId: "main", settings: { maxActive: 1 } })
  const join = (office: PromisedBoxOffice, userId: string) =>
    codeOf(office.queue.join({ queueId: "main", userId }))
  for (const userId of ["inside", "victim"]) expect(await join(offices[0]!, userId)).toBe("ok")
  const unlock = await lockRow(url, "queue_token", "victim")
  const victims: Array<Promise<string>> = []
  for (let n = 0; n < 10; n++) {
    for (const office of offices) victims.push(join(office, "victim"))
    const others = offices.map((office, at) => join(office, `user${n}-${at}`))
    expect(await Promise.all(others)).toEqual(["ok", "ok"])
  }
  await unlock()
  expect(new Set(await Promise.all(victims))).toEqual(new Set(["ok"]))
})

test("a join stays behind the leave of the same user, though the leave waits for a locked row", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  await office.queue.create({ queueId: "main", settings: { maxActive: 1 } })
  const join = (userId: string) => office.queue.join({ queueId: "main", userId })
  await join("inside")
  const { token: queueToken } = await join("ada")
  const unlock = await lockRow(url, "queue_token", "ada")
  const left = office.queue.leave({ userId: "ada", queueToken })
  // Answered once the batcher has blocked the row of the leave.
  await join("other")
  await unlock()
  const again = await join("ada")
  await left
  expect(again.created).toBe(true)
  expect((await office.queue.status({ userId: "ada", queueToken: again.token })).state).toBe(
    "waiting"
  )
})

test("the sweeper admits in other queues while one queue's row is locked", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  const tokens = new Map<string, string>()
  for (const queueId of ["locked", "free"]) {
    await office.queue.create({ queueId, settings: { maxActive: 1 } })
    for (const userId of ["first", "second"]) {
      tokens.set(`${queueId}/${userId}`, (await office.queue.join({ queueId, userId })).token)
    }
  }
  const sql = openSql(url)
  await sql(
    "UPDATE boxoffice.queue_token SET expires_at = clock_timestamp() WHERE state = 'admitted'"
  )
  const unlock = await lockWhere(url, "queue", "queue_id = 'locked'")
  // As the sweeper does it, one queue beside the other.
  const stuck = office.queue.advance("locked")
  await office.queue.advance("free")
  const second = { userId: "second", queueToken: tokens.get("free/second")! }
  expect((await office.queue.status(second)).state).toBe("admitted")
  await stuck
  await unlock()
})

test("what a user reads, and what they have committed, waits for no lock", async () => {
  const url = await emptyDatabase()
  const first = await openNode(url, { migrate: true })
  await first.queue.create({ queueId: "main", settings: { maxActive: 1 } })
  const join = (userId: string) => first.queue.join({ queueId: "main", userId })
  const [inside, next] = [await join("inside"), await join("next")]
  await join("last")
  // There is room, so that whoever reads the queue first admits the next one.
  const sql = openSql(url)
  await sql(
    `UPDATE boxoffice.queue_token SET state = 'left', ended_at = now() WHERE user_id = 'inside'`
  )
  await sql("UPDATE boxoffice.queue SET active = 0")
  expect(inside.state).toBe("admitted")
  const unlock = await lockWhere(url, "queue", "queue_id = 'main'")
  const node = await openNode(url)
  const asked = { userId: "next", queueToken: next.token }
  expect((await node.queue.status(asked)).state).toBe("waiting")
  expect((await node.queue.notice("main")).mode).toBe("open")
  await unlock()
  await expect.poll(async () => (await node.queue.status(asked)).state).toBe("admitted")
})

test("a charge is answered though the user's session cannot be extended", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true }, { gate: ["charge", "balance"] })
  await office.queue.create({ queueId: "main" })
  const { token: queueToken } = await office.queue.join({ queueId: "main", userId: "ada" })
  await openSql(url)("UPDATE boxoffice.queue_token SET claimed = false")
  const unlock = await lockRow(url, "queue_token", "ada")
  const caller = { userId: "ada", queueToken }
  await office.wallet.charge({ ...caller, amount: { amount: 10n, currency: "KRW" } })
  expect((await office.wallet.balance(caller)).balance.amount).toBe(10n)
  // Still locked: neither has waited for it.
  await office.close()
  await unlock()
})

test("a seat that is locked keeps holds of other seats from nobody", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  const performanceId = "gala-1"
  const seatIds = Array.from({ length: 40 }, (_, n) => `S${n}`)
  await putOnSale(office, seatIds, 1n)
  const unlock = await lockWhere(url, "seat", "seat_id = 'S0'")
  const hold = (n: number, ...seats: ReadonlyArray<string>) =>
    codeOf(office.reservations.hold({ userId: `user${n}`, performanceId, seatIds: seats }))
  const stuck = Array.from({ length: 8 }, (_, n) => hold(n, `S${n + 1}`, "S0"))
  const others = Array.from({ length: 20 }, (_, n) => hold(100 + n, `S${n + 10}`))
  expect(new Set(await Promise.all(others))).toEqual(new Set(["ok"]))
  await unlock()
  const codes = await Promise.all(stuck)
  expect(codes.filter((code) => code === "ok")).toHaveLength(1)
  expect(codes.filter((code) => code === "seat_unavailable")).toHaveLength(7)
})

test("a command that can never be inserted delays no other", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  await charge(office, "ada", "k1")
  await openSql(url)("DELETE FROM boxoffice.command_outcome")
  const poison = codeOf(charge(office, "ada", "k1"))
  const others = Array.from({ length: 100 }, (_, n) => codeOf(charge(office, `user${n}`)))
  expect(new Set(await Promise.all(others))).toEqual(new Set(["ok"]))
  expect(await poison).toBe("ok")
  // It was charged once.
  expect((await office.wallet.balance({ userId: "ada" })).balance.amount).toBe(10n)
})

test("connections that go silent are dropped and replaced", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const line = await openLine(url)
  const office = await openNode(line.url, {
    waits: { answerWithinMs: 1_500, lockTimeoutMs: 1_000 }
  })
  await Promise.all(Array.from({ length: 20 }, (_, n) => charge(office, `user${n}`)))
  await office.wallet.balance({ userId: "user0" })
  line.silence()
  const during = Array.from({ length: 40 }, (_, n) => codeOf(charge(office, `during${n}`, "k")))
  const reading = codeOf(office.wallet.balance({ userId: "user1" }))
  for (const code of await Promise.all([...during, reading])) {
    expect(["ok", "store_unavailable", "overloaded"]).toContain(code)
  }
  // A refused command can be sent again with its key, and takes effect once.
  for (let n = 0; n < 40; n++) {
    await expect.poll(() => codeOf(charge(office, `during${n}`, "k"))).toBe("ok")
  }
  const balances = await openSql(url)(
    "SELECT DISTINCT balance FROM boxoffice.wallet WHERE user_id LIKE 'during%'"
  )
  expect(balances).toEqual([{ balance: 10n }])
})

test("a node whose link is cut within a batch keeps its locks for a limited time", async () => {
  const url = await emptyDatabase()
  const other = await openNode(url, { migrate: true })
  await other.queue.create({ queueId: "main" })
  const line = await openLine(url)
  const waits = { lockTimeoutMs: 300, idleInTransactionMs: 1_000, answerWithinMs: 2_000 }
  const vanishing = await openNode(line.url, { waits })
  line.swallow("COMMIT\0")
  const cut = codeOf(vanishing.queue.join({ queueId: "main", userId: "ada" }))
  const sql = openSql(url)
  const holding = () =>
    sql(`SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle in transaction'`)
  await expect.poll(async () => (await holding()).length).toBe(1)
  // The server ends the silent session, whose locks they wait for.
  const users = Array.from({ length: 20 }, (_, n) =>
    codeOf(other.queue.join({ queueId: "main", userId: `user${n}` }))
  )
  expect(new Set(await Promise.all(users))).toEqual(new Set(["ok"]))
  // The node finds out that its attempt was not committed, and runs it again.
  expect(await cut).toBe("ok")
  expect((await other.queue.get("main")).active).toBe(21)
})

test("an engine closes within its time, though its database is silent", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const line = await openLine(url)
  // If it ends sooner than in an hour, closing has ended it.
  const waits = { answerWithinMs: 3_600_000, closeWithinMs: 300 }
  const office = await openNode(line.url, { waits })
  await charge(office, "ada")
  await office.wallet.balance({ userId: "ada" })
  line.silenceAll()
  const during = ["ada", "bob", "cyd"].map((user) => codeOf(charge(office, user)))
  const reading = codeOf(office.wallet.balance({ userId: "ada" }))
  const asked = codeOf(office.ping())
  await office.close()
  for (const code of await Promise.all([...during, reading, asked])) {
    expect(["store_unavailable", "overloaded"]).toContain(code)
  }
})

test("connections that are reset lose no charge, and make none twice", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const line = await openLine(url)
  const office = await openNode(line.url)
  const users = Array.from({ length: 30 }, (_, n) => `user${n}`)
  const charged = users.map(async (user, n) => {
    if (n % 10 === 0) line.reset()
    await expect.poll(() => codeOf(charge(office, user, "k")), { timeout: 30_000 }).toBe("ok")
  })
  await Promise.all(charged)
  const balances = await openSql(url)(
    "SELECT balance, count(*)::int AS users FROM boxoffice.wallet GROUP BY balance"
  )
  expect(balances).toEqual([{ balance: 10n, users: 30 }])
})

test("callers of a slow database get answers; of a slower one, refusals in time", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const line = await openLine(url)
  const office = await openNode(line.url, { waits: { answerWithinMs: 2_000, lockTimeoutMs: 500 } })
  await charge(office, "ada")
  line.slowDown(150)
  const users = Array.from({ length: 50 }, (_, n) => codeOf(charge(office, `user${n}`)))
  expect(new Set(await Promise.all(users))).toEqual(new Set(["ok"]))
  line.slowDown(3_000)
  expect(await codeOf(charge(office, "eve", "k"))).toBe("store_unavailable")
  line.slowDown(0)
  await expect.poll(() => codeOf(charge(office, "eve", "k")), { timeout: 30_000 }).toBe("ok")
  expect((await office.wallet.balance({ userId: "eve" })).balance.amount).toBe(10n)
})

test("a closing node writes the presence that it holds", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true })
  await office.queue.create({ queueId: "main", settings: { maxActive: 1 } })
  await office.queue.join({ queueId: "main", userId: "ada" })
  const { token: queueToken } = await office.queue.join({ queueId: "main", userId: "bob" })
  await office.queue.status({ userId: "bob", queueToken })
  await office.close()
  const notes = await openSql(url)("SELECT queue_id FROM boxoffice.queue_presence")
  expect(notes).toEqual([{ queue_id: "main" }])
})

test("a session of a server that was read-only is not used again", async () => {
  const url = await emptyDatabase()
  const office = await openNode(url, { migrate: true, maxConnections: 3 })
  const sql = openSql(url)
  const name = new URL(url).pathname.slice(1)
  await sql(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`)
  await sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`)
  await expect.poll(() => codeOf(charge(office, "ada"))).toBe("store_unavailable")
  // Reads would work on it, but users could not buy.
  expect(await codeOf(office.ping())).toBe("store_unavailable")
  const writable = openSql(url)
  await writable("SET default_transaction_read_only = off")
  await writable(`ALTER DATABASE "${name}" SET default_transaction_read_only = off`)
  await expect.poll(() => codeOf(office.ping())).toBe("ok")
  await expect.poll(() => codeOf(charge(office, "ada"))).toBe("ok")
})

/** As a migration does, or an operator in psql. */
const lockTable = async (url: string, table: string) => {
  const other = openSql(url)
  await other("BEGIN")
  await other(`LOCK TABLE boxoffice.${table} IN ACCESS EXCLUSIVE MODE`)
  return () => other("ROLLBACK")
}

// Users' commands write to the first one, and only read the second one.
test.each(["wallet", "performance"])(
  "while a session has locked the table %s, a node is not ready, and is once the lock ends",
  async (table) => {
    const url = await emptyDatabase()
    const office = await openNode(url, { migrate: true })
    const onPool = await openOnPool(Host.pg(openPgPool(url)))
    const unlock = await lockTable(url, table)
    // The lock stays: nothing but the probe's own limit ends these.
    const during = [codeOf(office.ping()), codeOf(onPool.ping())]
    expect(await Promise.all(during)).toEqual(["store_unavailable", "store_unavailable"])
    await unlock()
    for (const { ping } of [office, onPool]) {
      await expect.poll(() => codeOf(ping()), { timeout: 60_000 }).toBe("ok")
    }
  }
)

test("readiness needs each table that users need, and none that is for operators alone", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const sql = openSql(url)
  await sql("BEGIN")
  for (const { sql: statement, params } of probeStatements(schemaName("boxoffice"))) {
    if (params.length === 0) await sql(statement)
  }
  const locked = await sql<{ name: string }>(`
    SELECT relname AS name FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pid = pg_backend_pid() AND nspname = 'boxoffice' AND relkind = 'r' ORDER BY relname`)
  expect(locked.map(({ name }) => name)).toEqual([
    "command_outcome",
    "outbox",
    "performance",
    "queue",
    "queue_code",
    "queue_departure",
    "queue_exit",
    "queue_grant",
    "queue_presence",
    "queue_token",
    "reservation",
    "seat",
    "show",
    "transfer",
    "wallet"
  ])
  await sql("ROLLBACK")
})

test("nor is it while reads wait for the table, and is ready again once they have their answers", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const waits = { answerWithinMs: 1_500, lockTimeoutMs: 1_000 }
  const office = await openNode(url, { waits })
  const unlock = await lockTable(url, "wallet")
  const reads = Array.from({ length: 8 }, (_, n) =>
    codeOf(office.wallet.balance({ userId: `user${n}` }))
  )
  expect(await codeOf(office.ping())).toBe("store_unavailable")
  expect(new Set(await Promise.all(reads))).toEqual(new Set(["store_unavailable"]))
  await unlock()
  await expect.poll(() => codeOf(office.ping()), { timeout: 60_000 }).toBe("ok")
  expect(await codeOf(charge(office, "user1"))).toBe("ok")
})

test("a connection of the host's pool that dies while the engine has it does not end the process", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  // The host has no error listener on its clients.
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  pool.on("error", () => {})
  atEnd(() => pool.end())
  const wrapped = Host.pg(pool)
  const killer = openSql(url)
  const died = wrapped.transaction(async (client) => {
    const { rows } = (await client.query("SELECT pg_backend_pid()::text AS pid", [])) as {
      rows: Array<{ pid: string }>
    }
    await killer(`SELECT pg_terminate_backend(${rows[0]!.pid})`)
    // Time for the pool to notice, with no statement under way.
    await new Promise((resolve) => setTimeout(resolve, 100))
    return client.query("SELECT 1", [])
  })
  await expect(died).rejects.toThrow()
  expect(pool.totalCount).toBe(0)
  const office = await makeBoxOffice(SqlStore.layerPool(wrapped), {
    signingKeys: { test: "outages outages outages outages outages" },
    policies: { gate: [] }
  })
  atEnd(office.close)
  expect(await codeOf(charge(office, "ada"))).toBe("ok")
})

const openOnPool = async (host: Host.HostPool, waits: Partial<SqlStore.Waits> = {}) => {
  const office = await makeBoxOffice(SqlStore.layerPool(host, { waits }), {
    signingKeys: { test: "outages outages outages outages outages" },
    policies: { gate: [] }
  })
  atEnd(office.close)
  return office
}

test("a silent host's pool keeps no caller waiting, and gets its connections back", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const line = await openLine(url)
  const pool = openPgPool(line.url, { max: 2 })
  const office = await openOnPool(Host.pg(pool), { answerWithinMs: 700, lockTimeoutMs: 500 })
  await charge(office, "ada")
  line.silence()
  const during = [
    codeOf(charge(office, "bob", "k")),
    codeOf(office.wallet.balance({ userId: "ada" }))
  ]
  for (const code of await Promise.all(during)) expect(["ok", "store_unavailable"]).toContain(code)
  await expect.poll(() => codeOf(charge(office, "bob", "k")), { timeout: 30_000 }).toBe("ok")
  expect((await office.wallet.balance({ userId: "bob" })).balance.amount).toBe(10n)
  expect(await codeOf(office.ping())).toBe("ok")
  expect(pool.totalCount).toBeLessThanOrEqual(2)
  expect(pool.waitingCount).toBe(0)
})

test("a read-only session of the host's pool is dropped", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const pool = openPgPool(url, { max: 1 })
  const office = await openOnPool(Host.pg(pool))
  await pool.query("SET default_transaction_read_only = on")
  expect(await codeOf(office.ping())).toBe("store_unavailable")
  expect(await codeOf(charge(office, "ada"))).toBe("ok")
})

test("a connection of postgres.js that dies within a transaction fails that one alone", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  atEnd(() => sql.end({ timeout: 1 }))
  const killer = openSql(url)
  const died = Host.postgresJs(sql).transaction(async (client) => {
    const rows = (await client.query("SELECT pg_backend_pid()::text AS pid", [])) as Array<{
      pid: string
    }>
    await killer(`SELECT pg_terminate_backend(${rows[0]!.pid})`)
    // Time for the driver to notice: a statement in that very moment ends the process, which no
    // caller of the driver can prevent. See "operations.md".
    await new Promise((resolve) => setTimeout(resolve, 300))
    return client.query("SELECT 1", [])
  })
  await expect(died).rejects.toThrow()
  const office = await openOnPool(Host.postgresJs(sql), { answerWithinMs: 5_000 })
  expect(await codeOf(charge(office, "ada"))).toBe("ok")
})

test("on the host's pool, a hook that throws fails its own command alone", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const pool = openPgPool(url)
  const inTransaction: InTransaction = (events) => {
    if (events.some((event) => "userId" in event && event.userId === "mallory")) {
      throw new Error("a bug of the host")
    }
    return []
  }
  const office = await makeBoxOffice(SqlStore.layerPool(Host.pg(pool), { inTransaction }), {
    signingKeys: { test: "outages outages outages outages outages" },
    policies: { gate: [] },
    batches: { batchers: 1, capacity: 20_000, batchSize: 1_000 }
  })
  atEnd(office.close)
  const users = ["ada", "bob", "mallory", "cyd", "dan"]
  const charged = await Promise.all(
    users.map((user) =>
      charge(office, user).then(
        () => "ok",
        (error) => String(error.message)
      )
    )
  )
  expect(charged).toEqual(["ok", "ok", "a bug of the host", "ok", "ok"])
})
