import { connect } from "node:net"
import { PgClient } from "@effect/sql-pg"
import { Layer, Redacted } from "effect"
import { expect, test } from "vitest"
import { SqlStore } from "../src/index.ts"
import { charge, emptyDatabase, hold, id, openStore, pay, seedCatalog } from "./support.ts"

test("a batch takes two round trips, whatever it names; a read of the gate takes one", async () => {
  const url = new URL(await emptyDatabase())
  let writes = 0
  const stream = () => {
    const socket = connect(Number(url.port), url.hostname)
    const write = socket.write
    socket.write = ((...args: Parameters<typeof write>) => {
      writes++
      return write.apply(socket, args)
    }) as typeof write
    return socket
  }
  const client = PgClient.layer({
    stream,
    username: url.username,
    password: Redacted.make(decodeURIComponent(url.password)),
    database: url.pathname.slice(1),
    // One for batches and one for reads, so that both are connected once warm.
    maxConnections: 2
  })
  const opened = await openStore(SqlStore.layer({ migrate: true }).pipe(Layer.provide(client)))
  await seedCatalog(opened)
  await charge(opened, "ann", 10_000n)
  await opened.run(opened.store.readTokens([{ tokenId: id.token() }]))
  const writesOf = async <A>(work: () => Promise<A>): Promise<[A, number]> => {
    const before = writes
    const answer = await work()
    return [answer, writes - before]
  }

  const [reservationId, holding] = await writesOf(() => hold(opened, "ann", ["A-1"]))
  const [, charging] = await writesOf(() => charge(opened, "bob", 1n))
  const [, paying] = await writesOf(() => pay(opened, "ann", reservationId))
  const [, looking] = await writesOf(() =>
    opened.run(opened.store.readTokens([{ tokenId: id.token() }]))
  )
  expect({ holding, charging, paying, looking }).toEqual({
    holding: 2,
    charging: 2,
    paying: 2,
    looking: 1
  })
})
