/** What `/readyz` answers while the database keeps users waiting. */
import { BoxOfficeStore } from "@boxoffice/core"
import { layerMemory } from "@boxoffice/core/testing"
import { SqlStore } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { expect, onTestFinished, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { startServer } from "./support.ts"

test("a node whose store is one that never answers is not ready, and says so in time", async () => {
  const store = Layer.effect(
    BoxOfficeStore,
    Effect.map(BoxOfficeStore, (inner) => BoxOfficeStore.of({ ...inner, ping: Effect.never }))
  ).pipe(Layer.provide(layerMemory))
  await using server = await startServer({ store })
  const begun = performance.now()
  const answer = await server.talk("GET", "/readyz")
  expect(answer).toMatchObject({ status: 503, body: { code: "store_unavailable" } })
  // Two seconds, and a busy machine: a load balancer waits five for its check, or ten.
  expect(performance.now() - begun).toBeLessThan(30_000)
})

test("a node is not ready while a session has locked a table, and is once the lock ends", async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const store = SqlStore.layerUrl({ url: database.url, migrate: true })
  await using server = await startServer({ store })
  const session = ManagedRuntime.make(
    PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 })
  )
  onTestFinished(() => session.dispose())
  const sql = (statement: string) =>
    session.runPromise(Effect.flatMap(PgClient.PgClient, (client) => client.unsafe(statement)))
  const status = async () => (await server.talk("GET", "/readyz")).status

  await sql("BEGIN")
  await sql("LOCK TABLE boxoffice.show IN ACCESS EXCLUSIVE MODE")
  // A reading waits for the lock as well, on the connections that the probe reads on.
  const reading = server.talk("GET", "/v1/shows/gala", { user: "ada" })
  const answer = await server.talk("GET", "/readyz")
  expect(answer).toMatchObject({ status: 503, body: { code: "store_unavailable" } })
  expect(answer.headers.get("retry-after")).toBe("1")
  await sql("ROLLBACK")
  expect((await reading).status).toBe(404)
  await expect.poll(status, { timeout: 60_000 }).toBe(200)
})
