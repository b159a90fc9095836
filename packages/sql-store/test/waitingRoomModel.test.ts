/**
 * Random histories of a waiting room over a real server, on two nodes whose clocks are moved with
 * the database's: see `test-support/waitingRoom`. `SEED` and `HISTORIES` explore further.
 */
import { BoxOfficeStore, type QueueId, sweep } from "@boxoffice/core"
import { decodeEvents } from "@boxoffice/core/store"
import { PgClient } from "@effect/sql-pg"
import { Effect, ManagedRuntime, Redacted } from "effect"
import { expect, test } from "vitest"
import { checkHistories } from "../../../test-support/waitingRoom/check.ts"
import type { Room } from "../../../test-support/waitingRoom/room.ts"
import { Invariants, SqlStore } from "../src/index.ts"
import { startNode } from "./nodes.ts"
import { atEnd, emptyDatabase, openSql, passTime } from "./support.ts"

const seed = process.env.SEED ?? "waiting room"
const runs = Number(process.env.HISTORIES ?? 8)

const freshMs = 900

/**
 * Retries until it gets an answer: a pool only notices by a request that its connections are gone.
 */
const untilUp = async (ask: () => Promise<unknown>): Promise<void> => {
  for (;;) {
    const isUp = await ask().then(
      () => true,
      () => false
    )
    if (isUp) return
  }
}

/** One database for all histories, which is emptied before each; and two nodes over it. */
const openHouse = async () => {
  const url = await emptyDatabase()
  const skew = { passedMs: 0 }
  const policies = {
    queueMaxAgeMs: freshMs,
    gateMaxAgeMs: 0,
    staleIfStoreDownMs: 60_000,
    gate: ["hold", "pay"] as const
  }
  const start = () => startNode({ url, skew, policies })
  const nodes = [await start(), await start()]
  const started = [1, 1]
  const runtime = ManagedRuntime.make(SqlStore.layerUrl({ url, maxConnections: 1 }))
  atEnd(() => runtime.dispose())
  const store = await runtime.runPromise(BoxOfficeStore)
  const sql = openSql(url)
  const tables = await sql<{ name: string }>(`
    SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
    WHERE table_schema = 'boxoffice' AND table_type = 'BASE TABLE' AND table_name <> 'migration'`)
  const client = PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })

  let histories = 0
  const openRoom = async (): Promise<Room> => {
    // Not even the ledger's trigger objects.
    await sql(`DO $$ BEGIN
      SET LOCAL session_replication_role = replica;
      ${tables.map(({ name }) => `DELETE FROM ${name};`).join("\n")}
    END $$`)
    const queueId = `queue-${++histories}` as QueueId
    const begunAt = skew.passedMs
    const seen = new Set<bigint>()
    return {
      queueId,
      freshMs,
      // A node may still give what it read before time passed.
      slackMs: 1_000,
      store,
      node: (n) => {
        const { run, ...office } = nodes[n]!
        return {
          ask: (question) => Effect.promise(() => run(Effect.result(question(office)))),
          sweep: Effect.promise(() => run(sweep))
        }
      },
      nameOf: (n) => `${n}.${started[n]}`,
      now: () => Date.now() + skew.passedMs - begunAt,
      elapsed: () => skew.passedMs - begunAt,
      offset: () => skew.passedMs - begunAt,
      pass: (ms) =>
        Effect.promise(async () => {
          await sql(passTime(ms))
          skew.passedMs += ms
        }),
      events: Effect.promise(async () => {
        const batches = await sql<{ batch_id: bigint; events: string }>(
          "SELECT batch_id, events::text FROM boxoffice.outbox ORDER BY batch_id"
        )
        const fresh = batches.filter(({ batch_id }) => !seen.has(batch_id))
        for (const { batch_id } of fresh) seen.add(batch_id)
        return fresh.map(({ events }) => decodeEvents(1, events))
      }),
      restart: (n) =>
        Effect.promise(async () => {
          await nodes[n]!.close()
          nodes[n] = await start()
          started[n]!++
        }),
      // Either can happen: it depends on whether the commit came through before the cut.
      cut: (_n, _isLost, during) =>
        Effect.gen(function* () {
          const kill = Effect.promise(() =>
            sql(`
              SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid()`)
          )
          const [answer] = yield* Effect.all([during, kill], { concurrency: "unbounded" })
          yield* Effect.promise(async () => {
            for (const { run, queue } of nodes) await untilUp(() => run(queue.list({ limit: 1 })))
            await untilUp(() => runtime.runPromise(store.ping))
          })
          return answer
        }),
      inspect: Effect.promise(async () => {
        const checks = await Effect.runPromise(Effect.provide(Invariants.check(), client))
        // The ledger judges the limits, since the check knows only those in force now.
        const broken = checks.filter(({ violations }) => violations > 0)
        expect(broken.filter(({ invariant }) => invariant !== "I12")).toEqual([])
      })
    }
  }
  return openRoom
}

test(`two nodes over Postgres are what plain lists say they are (seed: ${seed}, histories: ${runs})`, {
  timeout: 120_000 + runs * 10_000
}, async () => {
  const openRoom = await openHouse()
  const seen = await Effect.runPromise(
    checkHistories((use) => Effect.flatMap(Effect.promise(openRoom), use), {
      seed,
      runs,
      maxShrinks: 150
    })
  )
  // Fewer histories may see few cases, and still find faults.
  if (runs < 8) return
  for (const what of ["admitted by turns", "opened", "told: waiting"]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
  }
})
