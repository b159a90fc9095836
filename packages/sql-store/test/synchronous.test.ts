/**
 * A primary that waits for a synchronous standby. When such a server crashes, it comes back with the
 * commits that waited, though no standby has them: after a failover they are gone.
 */
import { makeBoxOffice } from "@boxoffice/core"
import { PgConnection } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { expect, test } from "vitest"
import { startPostgres } from "../../../test-support/startPostgres.ts"
import { type Attempt, resolveCommit } from "../src/batch/commit.ts"
import { SqlStore } from "../src/index.ts"
import { type Query, runQuery } from "../src/Query.ts"
import { schemaName } from "../src/schemaName.ts"
import { deadline } from "../src/sqlFailure.ts"
import { atEnd, openSql } from "./support.ts"

/** A server whose standby is away from `leave` until `comeBack`, and a node on it. */
const openPrimary = async (answerWithinMs: number) => {
  const server = await startPostgres()
  atEnd(server.stop)
  const store = SqlStore.layerUrl({
    url: server.url,
    migrate: true,
    waits: { answerWithinMs }
  })
  const office = await makeBoxOffice(store, {
    signingKeys: { test: "standbys standbys standbys standbys" },
    policies: { gate: [] }
  })
  atEnd(office.close)
  const setStandbys = async (names: string) => {
    // A session of its own for each, since a crash ends it. Neither statement waits for a standby.
    const sql = openSql(server.url)
    await sql(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
    await sql("SELECT pg_reload_conf()")
    await expect
      .poll(async () => (await openSql(server.url)("SHOW synchronous_standby_names"))[0])
      .toEqual({ synchronous_standby_names: names })
  }
  const charge = (idempotencyKey: string) =>
    office.wallet
      .charge({ userId: "ada", amount: { amount: 5n, currency: "KRW" }, idempotencyKey })
      .then(
        () => "acknowledged",
        (error) => `${error.code}, retryable: ${error.retryable}`
      )
  const balance = async () => {
    const [row] = await openSql(server.url)("SELECT sum(balance)::int AS sum FROM boxoffice.wallet")
    return row?.sum
  }
  const waiting = () =>
    expect
      .poll(() =>
        openSql(server.url)("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
      )
      .toHaveLength(1)
  return {
    ...server,
    charge,
    balance,
    waiting,
    leave: () => setStandbys("absent"),
    comeBack: () => setStandbys("")
  }
}

/** As a store does that waits two seconds for an answer. */
const resolve = (url: string, attempt: Attempt) => {
  const connect = PgConnection.make({ url: Redacted.make(url), multiplex: true })
  const run = <A>(query: Query<A>) =>
    deadline(2_000)(Effect.flatMap(connect, (connection) => runQuery(connection, query)))
  return Effect.runPromise(
    resolveCommit(schemaName("boxoffice"), attempt, (query) => Effect.scoped(run(query)))
  )
}

const notYet = "store_unavailable, retryable: true"

test("a lost commit counts as done only once a standby has it", async () => {
  const primary = await openPrimary(20_000)
  await primary.leave()
  const charged = primary.charge("key")
  await primary.waiting()
  await primary.crash()
  await charged
  const [attempt] = await openSql(primary.url)<Attempt>(
    'SELECT attempt_id AS "attemptId", xid::text FROM boxoffice.outbox'
  )
  // The row is there, and yet a failover would lose it.
  expect(await resolve(primary.url, attempt!)).toBe("unknown")
  await primary.comeBack()
  expect(await resolve(primary.url, attempt!)).toBe("committed")
})

test("a recorded answer is repeated only once a standby has it", async () => {
  const primary = await openPrimary(3_000)
  await primary.leave()
  const charged = primary.charge("key")
  await primary.waiting()
  await primary.crash()
  await charged
  expect(await primary.charge("key")).toBe(notYet)
  await primary.comeBack()
  expect(await primary.charge("key")).toBe("acknowledged")
  expect(await primary.balance()).toBe(5)
})
