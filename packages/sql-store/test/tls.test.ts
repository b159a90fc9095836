/** Over TLS: what holds for plain connections when their server goes silent holds there too. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeBoxOffice, type PromisedBoxOffice } from "@boxoffice/core"
import { PgClient } from "@effect/sql-pg"
import { Layer, Redacted } from "effect"
import { afterAll, beforeAll, expect, test } from "vitest"
import { selfSigned } from "../../../test-support/certificate.ts"
import { createTestDatabase } from "../../../test-support/database.ts"
import { type PostgresServer, startPostgres } from "../../../test-support/startPostgres.ts"
import { SqlStore } from "../src/index.ts"
import { openLine } from "./line.ts"
import { atEnd, openSql } from "./support.ts"

const { certificate, key } = selfSigned()
let directory: string
let server: PostgresServer

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "boxoffice-tls-"))
  const [ssl_cert_file, ssl_key_file] = [join(directory, "cert.pem"), join(directory, "key.pem")]
  writeFileSync(ssl_cert_file, certificate)
  writeFileSync(ssl_key_file, key, { mode: 0o600 })
  // The server runs as that user where the tests run as root.
  if (process.getuid?.() === 0) execFileSync("chown", ["-R", "nobody", directory])
  server = await startPostgres({ ssl: "on", ssl_cert_file, ssl_key_file })
}, 60_000)
afterAll(async () => {
  await server?.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** A database of the server, by a URL that asks for TLS. */
const openTlsDatabase = async () => {
  const database = await createTestDatabase(server.url)
  atEnd(database.drop)
  const url = new URL(database.url)
  url.searchParams.set("sslmode", "require")
  return { url: url.href, sql: openSql(database.url) }
}

const openNode = async (
  url: string,
  options: SqlStore.SqlStoreOptions = {},
  stream?: () => Socket
) => {
  const client = PgClient.layer({
    url: Redacted.make(url),
    ssl: { ca: certificate },
    idleTimeout: "1 second",
    ...(stream && { stream })
  })
  const office = await makeBoxOffice(SqlStore.layer(options).pipe(Layer.provide(client)), {
    signingKeys: { test: "encrypted encrypted encrypted encrypted" },
    policies: { gate: [] }
  })
  atEnd(office.close)
  return office
}

const charge = (office: PromisedBoxOffice, userId: string) =>
  codeOf(
    office.wallet.charge({
      userId,
      amount: { amount: 10n, currency: "KRW" },
      idempotencyKey: "once"
    })
  )

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "ok",
    (error) => error.code
  )

const openOf = (sockets: ReadonlyArray<Socket>) =>
  sockets.filter((socket) => !socket.destroyed).length

test("commands and readings go over TLS, and no connection of the node's without it", async () => {
  const { url, sql } = await openTlsDatabase()
  const office = await openNode(url, { migrate: true })
  const users = Array.from({ length: 30 }, (_, n) => `user${n}`)
  const charged = await Promise.all(users.map((user) => charge(office, user)))
  expect(new Set(charged)).toEqual(new Set(["ok"]))
  expect((await office.wallet.balance({ userId: "user7" })).balance.amount).toBe(10n)
  expect(await codeOf(office.ping())).toBe("ok")
  const connections = await sql(`SELECT DISTINCT ssl FROM pg_stat_ssl
    JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND pid <> pg_backend_pid()`)
  expect(connections).toEqual([{ ssl: true }])
})

test("connections over TLS that go silent are given up, and leave no socket behind", async () => {
  const { url } = await openTlsDatabase()
  await openNode(url, { migrate: true })
  const line = await openLine(url)
  const sockets: Array<Socket> = []
  const stream = () => {
    const socket = connect(Number(new URL(line.url).port), "127.0.0.1")
    sockets.push(socket)
    return socket
  }
  const waits = { answerWithinMs: 1_000, lockTimeoutMs: 500 }
  const office = await openNode(line.url, { waits }, stream)
  expect(await charge(office, "ada")).toBe("ok")
  await office.wallet.balance({ userId: "ada" })
  // The first one is the client's own, on which the schema was verified.
  const silent = sockets.slice(1)
  expect(openOf(silent)).toBeGreaterThan(1)
  line.silence()
  const users = Array.from({ length: 10 }, (_, n) => `user${n}`)
  const during = users.map((user) => charge(office, user))
  const reading = codeOf(office.wallet.balance({ userId: "ada" }))
  for (const code of await Promise.all([...during, reading])) {
    expect(["ok", "store_unavailable", "overloaded"]).toContain(code)
  }
  for (const user of users) {
    await expect.poll(() => charge(office, user), { timeout: 60_000 }).toBe("ok")
    expect((await office.wallet.balance({ userId: user })).balance.amount).toBe(10n)
  }
  await expect.poll(() => codeOf(office.ping()), { timeout: 60_000 }).toBe("ok")
  const made = sockets.length
  const stillOpen = async () => {
    expect(await charge(office, "ada")).toBe("ok")
    return openOf(silent)
  }
  await expect.poll(stillOpen, { timeout: 60_000 }).toBe(0)
  // Those that are in use stayed.
  expect(sockets.length).toBe(made)
  await office.close()
  await expect.poll(() => openOf(sockets.slice(1)), { timeout: 60_000 }).toBe(0)
})

test("an engine closes within its time, though its database is silent over TLS", async () => {
  const { url } = await openTlsDatabase()
  await openNode(url, { migrate: true })
  const line = await openLine(url)
  // Whatever ends this sooner than an hour is the closing.
  const waits = { answerWithinMs: 3_600_000, closeWithinMs: 300 }
  const office = await openNode(line.url, { waits })
  expect(await charge(office, "ada")).toBe("ok")
  await office.wallet.balance({ userId: "ada" })
  line.silenceAll()
  const during = ["ada", "bob", "cyd"].map((user) => charge(office, user))
  const reading = codeOf(office.wallet.balance({ userId: "ada" }))
  const asked = codeOf(office.ping())
  await office.close()
  for (const code of await Promise.all([...during, reading, asked])) {
    expect(["store_unavailable", "overloaded"]).toContain(code)
  }
})
