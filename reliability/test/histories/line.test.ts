/** What a line does to a transaction, with a real server behind it. */
import { connect, createServer } from "node:net"
import pg from "pg"
import { expect, inject, onTestFinished, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { openLine } from "../../src/histories/line/line.ts"
import type { Credentials } from "../../src/histories/line/tls.ts"
import { startEncrypted } from "../../src/histories/world/encrypted.ts"
import { listen } from "../../src/histories/world/ports.ts"
import { sqlOf } from "../../src/histories/world/sql.ts"

const openTable = async (server = inject("postgresUrl"), credentials?: Credentials) => {
  const { url, drop } = await createTestDatabase(server)
  onTestFinished(drop)
  const sql = sqlOf(url)
  await sql("CREATE TABLE written (n int)")
  const line = await openLine(url, credentials)
  onTestFinished(line.close)
  const ssl = credentials && { ca: credentials.certificate }
  const connect = async () => {
    const client = new pg.Client({ connectionString: line.url, ssl })
    client.on("error", () => {})
    await client.connect()
    onTestFinished(() => client.end().catch(() => {}))
    return client
  }
  const written = async () => (await sql("SELECT n FROM written")).length
  return { line, connect, written }
}

const message = (type: string, text: string): Buffer => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(4 + text.length + 1)
  return Buffer.concat([Buffer.from(type), length, Buffer.from(`${text}\0`)])
}

/** A client's first message: its length, and version 3 of the protocol. */
const startup = Buffer.from([0, 0, 0, 8, 0, 3, 0, 0])

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

test("what a slow line has under way stays in its order when the line recovers", async () => {
  const received: Array<Buffer> = []
  const server = createServer((socket) => {
    socket.on("data", (chunk) => received.push(chunk))
    socket.on("error", () => {})
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const line = await openLine(`postgres://127.0.0.1:${port}`)
  onTestFinished(line.close)
  const client = connect(Number(new URL(line.url).port), "127.0.0.1")
  onTestFinished(() => void client.destroy())
  const sent = ["a", "b", "c", "d"].map((text) => message("Q", text))
  client.write(startup)
  line.slowDown(200)
  client.write(Buffer.concat(sent.slice(0, 2)))
  await new Promise((resolve) => setTimeout(resolve, 50))
  line.heal()
  client.write(sent[2]!)
  client.end(sent[3]!)
  const all = Buffer.concat([startup, ...sent])
  await expect.poll(() => Buffer.concat(received).length, { timeout: 2_000 }).toBe(all.length)
  expect(Buffer.concat(received).toString()).toBe(all.toString())
})

test("a reset ends every connection", async () => {
  const { line, connect } = await openTable()
  const clients = [await connect(), await connect()]
  line.reset()
  for (const client of clients) await expect(client.query("SELECT 1")).rejects.toThrow()
})

test("over TLS a line cuts and resets as without it, and lets no other connection through", async () => {
  const { server, credentials } = await startEncrypted()
  onTestFinished(server.stop)
  const { line, connect, written } = await openTable(server.url, credentials)
  line.cut("before COMMIT", 1)
  expect(await write(await connect())).toBe("lost")
  line.cut("after COMMIT", 1)
  expect(await write(await connect())).toBe("lost")
  expect(await written()).toBe(1)
  const client = await connect()
  const { rows } = await client.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
  expect(rows).toEqual([{ ssl: true }])
  expect(line.encrypted()).toBe(3)
  line.reset()
  await expect(client.query("SELECT 1")).rejects.toThrow()
  const plain = new pg.Client({ connectionString: line.url })
  await expect(plain.connect()).rejects.toThrow()
})
