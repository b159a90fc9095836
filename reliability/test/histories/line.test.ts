/** What a line does to a transaction, with a real server behind it. */
import pg from "pg"
import { expect, inject, onTestFinished, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { openLine } from "../../src/histories/line/line.ts"
import { sqlOf } from "../../src/histories/world/sql.ts"

const openTable = async () => {
  const { url, drop } = await createTestDatabase(inject("postgresUrl"))
  onTestFinished(drop)
  const sql = sqlOf(url)
  await sql("CREATE TABLE written (n int)")
  const line = await openLine(url)
  onTestFinished(line.close)
  const connect = async () => {
    const client = new pg.Client({ connectionString: line.url })
    client.on("error", () => {})
    await client.connect()
    onTestFinished(() => client.end().catch(() => {}))
    return client
  }
  const written = async () => (await sql("SELECT n FROM written")).length
  return { line, connect, written }
}

const write = async (client: pg.Client): Promise<string> => {
  try {
    await client.query("BEGIN")
    await client.query("INSERT INTO written VALUES ($1)", [1])
    await client.query("COMMIT")
    return "committed"
  } catch {
    return "lost"
  }
}

test("a connection that is cut before COMMIT leaves nothing", async () => {
  const { line, connect, written } = await openTable()
  const client = await connect()
  line.cut("before COMMIT", 1)
  expect(await write(client)).toBe("lost")
  expect(await write(await connect())).toBe("committed")
  expect(await written()).toBe(1)
  expect(line.cuts).toEqual({ "before COMMIT": 1, "after COMMIT": 0 })
})

test("a connection that is cut after COMMIT has committed, and its client does not know", async () => {
  const { line, connect, written } = await openTable()
  line.cut("after COMMIT", 1)
  expect(await write(await connect())).toBe("lost")
  expect(await written()).toBe(1)
  expect(line.cuts).toEqual({ "before COMMIT": 0, "after COMMIT": 1 })
})

test("a silent line passes on nothing, and a healed one lets new connections through", async () => {
  const { line, connect, written } = await openTable()
  const client = await connect()
  line.silence("all")
  const answered = client.query("INSERT INTO written VALUES (1)").then(
    () => "answered",
    () => "ended"
  )
  const silent = new Promise((resolve) => setTimeout(() => resolve("silent"), 300))
  expect(await Promise.race([answered, silent])).toBe("silent")
  line.heal()
  expect(await write(await connect())).toBe("committed")
  expect(await written()).toBe(1)
})

test("a slow line delays both ways", async () => {
  const { line, connect } = await openTable()
  const client = await connect()
  line.slowDown(40)
  const from = performance.now()
  await client.query("SELECT 1")
  expect(performance.now() - from).toBeGreaterThan(79)
})

test("a reset ends every connection", async () => {
  const { line, connect } = await openTable()
  const clients = [await connect(), await connect()]
  line.reset()
  for (const client of clients) await expect(client.query("SELECT 1")).rejects.toThrow()
})
