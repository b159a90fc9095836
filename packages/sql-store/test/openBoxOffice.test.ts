import { spawnSync } from "node:child_process"
import pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import { Host, migrate, type OpenOptions, openBoxOffice } from "../src/index.ts"
import { openWorld, price, signingKeys, type World } from "./host/world.ts"

let world: World
let pool: pg.Pool
beforeAll(async () => {
  world = await openWorld()
  pool = new pg.Pool({ connectionString: world.url })
})
afterAll(async () => {
  await pool.end()
  await world.close()
})

const open = (database: OpenOptions["database"]) =>
  openBoxOffice({ database, signingKeys, policies: { gate: [] } } as OpenOptions)

const sell = async (
  office: Pick<Awaited<ReturnType<typeof open>>, "reservations" | "wallet" | "payments">,
  userId: string,
  seatId: string
) => {
  const input = { userId, performanceId: "gala-1", seatIds: [seatId] }
  const { reservationId, amount } = await office.reservations.hold(input)
  await office.wallet.charge({ userId, amount })
  return office.payments.pay({ userId, reservationId })
}

test("a URL, a pool of pg, and the transaction of its client", async () => {
  await using byUrl = await open(world.url)
  expect((await sell(byUrl, "ann", "A1")).amount).toEqual(price)
  await using byPool = await open(pool)
  expect((await sell(byPool, "ann", "A2")).amount).toEqual(price)

  for (const [office, seatId] of [[byUrl, "A3"] as const, [byPool, "A4"] as const]) {
    const free = async () =>
      (await office.catalog.availableSeats({ userId: "ann", performanceId: "gala-1" })).seats
    const client = await pool.connect()
    const before = (await free()).length
    await client.query("BEGIN")
    const inside = office.within(client)
    await client.query(`INSERT INTO public.host_order VALUES ('${seatId}')`)
    await sell(inside, seatId, seatId)
    await client.query("ROLLBACK")
    expect(await world.traces(seatId, seatId)).toEqual([0, 0, 0])

    await client.query("BEGIN")
    const again = office.within(client)
    await client.query(`INSERT INTO public.host_order VALUES ('${seatId}')`)
    await sell(again, seatId, seatId)
    await expect(sell(again, "bob", seatId)).rejects.toMatchObject({ _tag: "SeatUnavailable" })
    expect((await free()).length).toBe(before)
    await client.query("COMMIT")
    await again.committed()
    expect((await free()).length).toBe(before - 1)
    client.release()
    expect(await world.traces(seatId, seatId)).toEqual([1, 1, 2])
  }
})

test("a mistake in the setting is reported as one, with its value and without its password", async () => {
  const pass = "hunter2"
  const mistakes: ReadonlyArray<readonly [unknown, RegExp]> = [
    ["pglit", /`database` is "pglit": expected .*pglite/],
    ["", /`database` is "": expected/],
    [undefined, /`database` is undefined: expected/],
    [{}, /`database` is an object without fields: expected/],
    [{ query: {}, transaction: () => {} }, /an object with query, transaction: expected .*Host/],
    [`mysql://ann:${pass}@db/tickets`, /is "mysql:\/\/…@db\/tickets": expected/],
    [`postgres:/ann:${pass}@db/x`, /…@/],
    [`postgres//ann:${pass}`, /is "…": expected/],
    [`postgres://ann:${pass}`, /is "postgres:\/\/…": expected/],
    [`host=db password=${pass}`, /is "…": expected/],
    [`postgres://ann:${pass}@db:99999/x`, /…@db:99999\/x": expected/],
    [`postgres://ann:${pass}%@db/x`, /the password has a %/],
    [`postgres://ann@db/x?password=${pass}&sslmode=maybe`, /expected an sslmode of disable,/],
    [`${world.url.replace(/\/[^/]*$/, "/no_such_database")}`, /has no database of this name/],
    [
      world.url.replace("postgres://", `postgres://nobody_at_all:${pass}@`).replace(/@[^@]*@/, "@"),
      /refuses this user/
    ]
  ]
  for (const [database, message] of mistakes) {
    const error = await open(database as never).then(
      () => undefined,
      (error) => error
    )
    expect(error, String(database)).toMatchObject({ _tag: "DatabaseInvalid" })
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain(pass)
    expect(error.message).not.toContain("try again")
  }
  const never = { database: world.url, waits: { answerWithinMs: 0 }, signingKeys }
  await expect(openBoxOffice(never)).rejects.toThrow("waits.answerWithinMs must be")
})

test("a pool where a transaction is wanted is refused", async () => {
  await using office = await open(pool)
  await expect(sell(office.within(pool), "eve", "A9")).rejects.toMatchObject({
    _tag: "HostTransactionRefused",
    reason: "none",
    message: expect.stringContaining("not a pool")
  })
})

test("Postgres in process", { timeout: 60_000 }, async () => {
  await using office = await openBoxOffice({ database: "pglite", signingKeys })
  await office.queue.create({ queueId: "main" })
  expect((await office.queue.get("main")).mode).toBe("open")
})

test("a missing PGlite is named, with the command that installs it", () => {
  // No package is installed at the root of the file system.
  const program = `
    import { registerHooks } from "node:module"
    registerHooks({
      resolve: (name, context, next) =>
        next(name, name === "@electric-sql/pglite" ? { ...context, parentURL: "file:///" } : context)
    })
    const { openBoxOffice } = await import("@boxoffice/sql-store")
    const office = openBoxOffice({ database: "pglite:./data", signingKeys: { k1: "k".repeat(32) } })
    await office.catch(({ _tag, message }) => console.log(JSON.stringify({ _tag, message })))`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=boxoffice-source", "--input-type=module", "--eval", program],
    { cwd: import.meta.dirname, encoding: "utf8", timeout: 60_000 }
  )
  expect(stderr).toBe("")
  expect(JSON.parse(stdout)).toEqual({
    _tag: "DatabaseInvalid",
    message: expect.stringContaining("npm install @electric-sql/pglite")
  })
}, 60_000)

test("a pool's schema is verified, and left alone", async () => {
  const options = { database: pool, schema: "elsewhere", signingKeys }
  await expect(openBoxOffice(options)).rejects.toMatchObject({
    _tag: "SchemaMismatch",
    schema: '"elsewhere"'
  })
  const migrated = { database: pool, migrate: true, signingKeys } as unknown as OpenOptions
  await expect(openBoxOffice(migrated)).rejects.toThrow('a pool cannot be given with "migrate"')
})

test("an unknown option, or one of the wrong type, is named", async () => {
  const good = { database: pool, signingKeys }
  const mistakes: ReadonlyArray<readonly [unknown, RegExp]> = [
    [
      undefined,
      /the options of openBoxOffice: expected an object with some of database, signingKeys/
    ],
    [
      { ...good, polcies: {} },
      /"polcies" is not known .* Did you mean "policies"\? Known are database/
    ],
    [{ ...good, connections: 5 }, /Did you mean "maxConnections"\?/],
    [{ database: pool }, /signingKeys: expected secrets/],
    [{ ...good, policies: null }, /policies: expected an object/],
    [{ ...good, waits: null }, /waits: expected an object with some of lockTimeoutMs/],
    [{ ...good, waits: { lockTimeout: 5 } }, /Did you mean "lockTimeoutMs"\?/],
    [
      { ...good, database: world.url, migrate: "yes" },
      /migrate: expected true or false, not "yes"/
    ],
    [{ ...good, schema: 5 }, /schema: expected a text, such as "boxoffice", not 5/],
    [{ ...good, inTransaction: [] }, /inTransaction: expected a function/]
  ]
  for (const [options, message] of mistakes) {
    const error = await openBoxOffice(options as never).catch((error) => error)
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toMatch(message)
  }
})

test("a value that is no client is refused by within at once", async () => {
  await using office = await open(pool)
  for (const given of [undefined, null, 5, "x", {}, () => {}]) {
    expect(() => office.within(given as never)).toThrow(
      /^within: expected the client that your BEGIN/
    )
    expect(() => Host.within(given as never)).toThrow(TypeError)
  }
})

test("the same mistakes are reported for a host's pool, and TLS mistakes for both", async () => {
  const pass = "hunter2"
  const withUser = world.url.replace(/\/\/[^@/]*@/, `//nobody_at_all:${pass}@`)
  const noTls = `${world.url}?sslmode=require`
  const mistakes: ReadonlyArray<readonly [pg.PoolConfig | string, RegExp]> = [
    [
      { connectionString: world.url.replace(/\/[^/]*$/, "/no_such_database") },
      /no database of this/
    ],
    [{ connectionString: withUser }, /is a pool of [^ ]+:\d+: the server refuses this user/],
    [{ connectionString: world.url, ssl: true }, /it asks for TLS, .* `ssl` to false/],
    [noTls, /it asks for TLS, .* `sslmode` to prefer or disable/]
  ]
  for (const [config, message] of mistakes) {
    const database = typeof config === "string" ? config : new pg.Pool(config)
    for (const attempt of [open, migrate]) {
      const error = await attempt(database).catch((error) => error)
      expect(error).toMatchObject({ _tag: "DatabaseInvalid", setting: "database" })
      expect(error.message).toMatch(message)
      expect(error.message).not.toContain(pass)
    }
    if (typeof database !== "string") await database.end()
  }
})

test("an unreachable server is reported with its host and port, and without the password", async () => {
  for (const at of ["127.0.0.1:1", "no-such-host.invalid:5432"]) {
    const url = `postgres://ann:hunter2@${at}/tickets`
    const byParts = new pg.Pool({ host: at.split(":")[0]!, port: Number(at.split(":")[1]) })
    const own = Host.pg(new pg.Pool({ connectionString: url }))
    for (const database of [url, new pg.Pool({ connectionString: url }), byParts, own]) {
      const error = await open(database).catch((error) => error)
      expect(error).toMatchObject({ _tag: "StoreUnavailable", retryable: true, address: at })
      expect(error.message).toContain(`The store at ${at} is unavailable: see that`)
    }
    // Another driver's pool: only the socket's error has the address.
    const pool = new pg.Pool({ connectionString: url })
    const other = { query: pool.query.bind(pool), transaction: () => Promise.reject() } as never
    const error = await open(other).catch((error) => error)
    expect(error.message).toContain(`The store at ${at.split(":")[0]}`)
  }
})
