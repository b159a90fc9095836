/** Behind a pooler that gives each transaction another session of the server. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeBoxOffice } from "@boxoffice/core"
import { Effect } from "effect"
import { expect, test } from "vitest"
import { Doctor, Migrator, SqlStore } from "../src/index.ts"
import { openLine } from "./line.ts"
import { atEnd, emptyDatabase } from "./support.ts"

const openNode = async (url: string, options: Partial<SqlStore.SqlStoreOptions> = {}) => {
  const office = await makeBoxOffice(SqlStore.layerUrl({ url, ...options }), {
    signingKeys: { test: "poolers poolers poolers poolers poolers" },
    policies: { gate: [] }
  })
  atEnd(office.close)
  return office
}

/** Runs commands and reads at once, many times. Returns the errors. */
const useAll = async (office: Awaited<ReturnType<typeof openNode>>) => {
  const amount = { amount: 10n, currency: "KRW" }
  const failures: Array<string> = []
  const all = Array.from({ length: 300 }, async (_, n) => {
    const userId = `user${n % 20}`
    await office.wallet.charge({ userId, amount })
    await office.wallet.balance({ userId })
    await office.catalog.performances("none").catch(() => {})
  })
  for (const done of await Promise.allSettled(all)) {
    if (done.status === "rejected") failures.push(String(done.reason.cause?.message ?? done.reason))
  }
  return failures
}

test("without prepared statements no statement has a name", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const line = await openLine(url)
  const office = await openNode(line.url, { preparedStatements: false })
  expect(await useAll(office)).toEqual([])
  await office.ping()
  // The driver's names begin so.
  expect(line.hasSent("effect_")).toBe(false)
  const named = await openNode(line.url)
  await named.wallet.balance({ userId: "user1" })
  expect(line.hasSent("effect_")).toBe(true)
})

const program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"].find(
  (path) => existsSync(path)
)
if (program === undefined) {
  console.warn("PgBouncer is not installed: the test that runs behind it is skipped.")
}

test.skipIf(program === undefined)("PgBouncer by transaction", async () => {
  const url = await emptyDatabase()
  await openNode(url, { migrate: true })
  const target = new URL(url)
  const directory = mkdtempSync(join(tmpdir(), "boxoffice-pgbouncer-"))
  atEnd(async () => rmSync(directory, { recursive: true, force: true }))
  const free = createServer().listen(0, "127.0.0.1")
  await once(free, "listening")
  const { port } = free.address() as { port: number }
  free.close()
  const password = target.password === "" ? "" : ` password=${decodeURIComponent(target.password)}`
  writeFileSync(
    join(directory, "pgbouncer.ini"),
    `[databases]
* = host=${target.hostname} port=${target.port} user=${target.username}${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
`
  )
  // It does not run as root.
  const isRoot = process.getuid?.() === 0
  if (isRoot) execFileSync("chown", ["-R", "nobody", directory])
  const pooler = spawn(program!, [
    ...(isRoot ? ["-u", "nobody"] : []),
    join(directory, "pgbouncer.ini")
  ])
  atEnd(async () => {
    pooler.kill("SIGKILL")
  })
  const through = new URL(url)
  through.port = String(port)
  const answers = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () =>
        resolve(false)
      )
      socket.on("connect", () => socket.end())
    })
  await expect.poll(answers, { timeout: 30_000 }).toBe(true)

  const office = await openNode(through.href, { preparedStatements: false })
  expect(await useAll(office)).toEqual([])
  await office.ping()
  const report = await Effect.runPromise(
    Effect.provide(Doctor.examine(), Migrator.layerUrl(through.href))
  )
  const found = report.findings.find(({ code }) => code === "pooler_by_transaction")
  expect(found?.message).toMatch(/PgBouncer/)
})
