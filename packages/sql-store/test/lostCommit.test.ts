import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { evolve } from "@boxoffice/core/store"
import { expect, test } from "vitest"
import { startPostgres } from "../../../test-support/startPostgres.ts"
import { SqlStore } from "../src/index.ts"
import { atEnd, chargedEvent, id, openSql, openStore } from "./support.ts"

/** A server of the test's own, whose log of writes reaches the disk with commits alone. */
const serverThatCrashes = async () => {
  const server = await startPostgres({ wal_writer_delay: "10s", checkpoint_timeout: "1h" })
  atEnd(server.stop)
  return server
}

/**
 * A proxy between a store and its server that keeps a COMMIT to itself until it closes the
 * connection.
 */
const swallower = async (url: string) => {
  const target = new URL(url)
  const clients = new Set<Socket>()
  const line = { armed: false, swallowed: () => {}, hangUp: () => {} }
  const server = createServer((client) => {
    clients.add(client)
    const upstream = connect(Number(target.port), target.hostname)
    let isSilent = false
    client.on("data", (chunk) => {
      if (line.armed && chunk.includes("COMMIT\0")) {
        line.armed = false
        isSilent = true
        line.hangUp = () => client.destroy()
        line.swallowed()
      } else upstream.write(chunk)
    })
    upstream.on("data", (chunk) => client.write(chunk))
    client.on("close", () => upstream.destroy()).on("error", () => {})
    upstream.on("close", () => isSilent || client.destroy()).on("error", () => {})
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  atEnd(async () => {
    server.close()
    for (const client of clients) client.destroy()
  })
  const through = new URL(url)
  through.port = String((server.address() as { port: number }).port)
  const swallow = () => {
    line.armed = true
    return new Promise<void>((resolve) => {
      line.swallowed = resolve
    })
  }
  return { url: through.href, swallow, hangUp: () => line.hangUp() }
}

test("a lost commit does not count as done because another transaction has its id after a crash", async () => {
  const server = await serverThatCrashes()
  const line = await swallower(server.url)
  const database = await openStore(SqlStore.layerUrl({ url: server.url, migrate: true }))
  const node = await openStore(SqlStore.layerUrl({ url: line.url }))
  const charge = (user: string) =>
    node.transact(
      (plan) => plan.wallets.add(id.user(user)),
      (rows) => evolve(rows, chargedEvent(rows, user, 5n))
    )
  await charge("bob")
  const before = openSql(server.url)
  await before("CREATE TABLE other_application (n int)")
  await database.close()

  const swallowed = line.swallow()
  const charged = charge("ann").then(
    () => "acknowledged",
    (error) => error
  )
  await swallowed
  const [open] = await before<{ xid: bigint }>(`
    SELECT backend_xid::text::int8 AS xid FROM pg_stat_activity WHERE backend_xid IS NOT NULL`)
  await server.crash()
  const other = openSql(server.url)
  for (let next = 0n; next < open!.xid; ) {
    const [row] = await other<{ xid: bigint }>(`
      INSERT INTO other_application VALUES (1) RETURNING pg_current_xact_id()::text::int8 AS xid`)
    next = row!.xid
    // The server gave the id again, or the test proves nothing.
    expect(next).toBeLessThanOrEqual(open!.xid)
  }
  line.hangUp()

  expect(await charged).toMatchObject({ _tag: "StoreUnavailable", retryable: true })
  const entries = await other("SELECT user_id FROM boxoffice.transfer")
  expect(entries).toEqual([{ user_id: "bob" }])
  // After this error the client tries again, and then the charge holds.
  await charge("ann")
  expect(await other("SELECT balance FROM boxoffice.wallet WHERE user_id = 'ann'")).toEqual([
    { balance: 5n }
  ])
})
