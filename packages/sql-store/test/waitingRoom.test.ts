/** The waiting room on a real server: several nodes, lost connections, and lines of a million. */
import type { QueueId } from "@boxoffice/core"
import { Effect, Result } from "effect"
import { expect, test } from "vitest"
import { readQueueSnapshot } from "../src/operations/queueSnapshot.ts"
import { schemaName } from "../src/schemaName.ts"
import { startNode } from "./nodes.ts"
import { emptyDatabase, openSql, passTime, type Sql } from "./support.ts"

const queueId = "main" as QueueId

test("10,000 joins, sent five times over while connections die: 10,000 numbers", {
  timeout: 180_000
}, async () => {
  const url = await emptyDatabase()
  const nodes = [await startNode({ url }), await startNode({ url })]
  const sql = openSql(url)
  await nodes[0]!.run(nodes[0]!.queue.create({ queueId, settings: { maxActive: 1 } }))
  const users = 10_000
  const send = (wave: number, user: number) => {
    const { queue } = nodes[(user + wave) % 2]!
    const join = queue.join({ queueId, userId: `u${user}` })
    return Effect.result(join)
  }
  let failed = 0
  for (let wave = 0; wave < 5; wave++) {
    const joins = Array.from({ length: users }, (_, user) => send(wave, user))
    // Twice within the wave every connection of the nodes is cut, wherever their batches are.
    const cuts = (async () => {
      for (let cut = 0; cut < 2; cut++) {
        await new Promise((resolve) => setTimeout(resolve, 60 + 40 * wave))
        await sql(`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()`)
      }
    })()
    const results = await nodes[0]!.run(Effect.all(joins, { concurrency: "unbounded" }))
    await cuts
    for (const result of results) {
      if (Result.isSuccess(result)) continue
      failed++
      expect(result.failure).toMatchObject({ _tag: "StoreUnavailable", retryable: true })
    }
  }
  // Callers whose join failed send it again.
  const tokens = new Map<number, string>()
  for (let wave = 5; wave < 10 && tokens.size < users; wave++) {
    const missing = Array.from({ length: users }, (_, user) => user).filter(
      (user) => !tokens.has(user)
    )
    const joins = missing.map((user) => send(wave, user))
    const results = await nodes[0]!.run(Effect.all(joins, { concurrency: "unbounded" }))
    for (const [i, result] of results.entries()) {
      if (Result.isSuccess(result)) tokens.set(missing[i]!, result.success.token)
    }
  }
  expect(new Set(tokens.values()).size).toBe(users)
  const [found] = await sql(`
    SELECT count(*)::int AS tokens, count(DISTINCT number)::int AS numbers, max(number)::int AS last,
      (SELECT next_number::int FROM boxoffice.queue) AS next,
      (SELECT waiting::int FROM boxoffice.queue) AS waiting
    FROM boxoffice.queue_token`)
  expect(found, `${failed} joins failed on the way`).toEqual({
    tokens: users,
    numbers: users,
    last: users,
    next: users + 1,
    waiting: users - 1
  })
})

test("a queue that 90 of 100 users have abandoned is back to 95 % use within two ticks", {
  timeout: 60_000
}, async () => {
  const url = await emptyDatabase()
  const sql = openSql(url)
  const [one, other] = [await startNode({ url }), await startNode({ url })]
  const settings = { maxActive: 100, claimSeconds: 30, sessionSeconds: 600 }
  await one.run(one.queue.create({ queueId, settings }))
  const come = async (name: string, count: number) => {
    const users = Array.from({ length: count }, (_, i) => `${name}${i}`)
    const joins = users.map((userId) => one.queue.join({ queueId, userId }))
    const joined = await one.run(Effect.all(joins, { concurrency: "unbounded" }))
    return joined.map(({ token }, i) => ({ userId: users[i]!, queueToken: token }))
  }
  const inside = await come("first", 100)
  await come("absent", 90)
  const present = [...(await come("there", 10)), ...(await come("next", 200))]
  await one.run(Effect.all(inside.map(one.queue.leave), { concurrency: "unbounded" }))
  /** How many are admitted and have seen it, once every present user has polled. */
  const used = async () => {
    const asked = Effect.all(present.map(other.queue.status), { concurrency: "unbounded" })
    return (await other.run(asked)).filter(({ state }) => state === "admitted").length
  }
  await one.run(one.queue.advance(queueId))
  expect(await used()).toBe(10)
  expect(await one.run(one.queue.get(queueId))).toMatchObject({ active: 100, waiting: 200 })

  await sql(passTime(31_000))
  for (const node of [one, other]) await node.run(node.queue.advance(queueId))
  expect(await used()).toBeGreaterThanOrEqual(95)
  expect(await one.run(one.queue.get(queueId))).toMatchObject({ active: 100, waiting: 110 })
})

/** Puts this many users in line, as joins would. */
const fill = async (sql: Sql, waiting: number) => {
  await sql(`
    INSERT INTO boxoffice.queue_token (token_id, queue_id, user_id, number, state, claimed, joined_at)
    SELECT gen_random_uuid(), '${queueId}', 'u' || n, n, 'waiting', false, now()
    FROM generate_series(1, ${waiting}) AS n`)
  await sql(`
    UPDATE boxoffice.queue SET next_number = ${waiting + 1}, waiting = ${waiting}
    WHERE queue_id = '${queueId}'`)
  await sql("VACUUM ANALYZE boxoffice.queue_token")
}

// SIZE=1000000 runs the required size; a tenth of that shows the same in a tenth of the time.
const longLine = Number(process.env.SIZE ?? 100_000)

test(`${longLine} in line cost what a thousand do: the same statements, of as many pages`, {
  timeout: 240_000
}, async () => {
  const costs = []
  for (const size of [1_000, longLine]) {
    const url = await emptyDatabase()
    const sql = openSql(url)
    const calls = new Map<string, number>()
    const skew = { passedMs: 0 }
    const node = await startNode({
      url,
      skew,
      policies: { queueMaxAgeMs: 900, gateMaxAgeMs: 900, staleIfStoreDownMs: 60_000 },
      onCall: (name) => calls.set(name, (calls.get(name) ?? 0) + 1)
    })
    await node.run(node.queue.create({ queueId, settings: { maxActive: 1 } }))
    await node.run(node.queue.join({ queueId, userId: "inside" }))
    await sql("UPDATE boxoffice.queue_token SET number = 0")
    await sql("UPDATE boxoffice.queue SET cursor = 0")
    await fill(sql, size)
    const tickets = await Promise.all(
      [1, 2, 3].map((n) => node.run(node.queue.join({ queueId, userId: `u${n * 300}` })))
    )
    expect(tickets.map(({ position, created }) => [position, created])).toEqual([
      [300, false],
      [600, false],
      [900, false]
    ])
    calls.clear()
    // Two minutes, with 10 polls a second: presence is written once a minute.
    for (let second = 0; second < 120; second++) {
      skew.passedMs += 1_000
      for (let poll = 0; poll < 10; poll++) {
        const n = 1 + (poll % 3)
        const input = { userId: `u${n * 300}`, queueToken: tickets[n - 1]!.token }
        const status = await node.run(node.queue.status(input))
        expect(status.position).toBe(n * 300)
      }
    }
    const read = readQueueSnapshot(schemaName("boxoffice"))(queueId, 0n)
    const params = [`'${queueId}'`, "0"]
    const statement = read.sql.replace(/\$(\d)/g, (_, n) => params[Number(n) - 1]!)
    const plan = await sql<{ "QUERY PLAN": ReadonlyArray<{ Plan: Record<string, number> }> }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ${statement}`
    )
    const { Plan } = plan[0]!["QUERY PLAN"][0]!
    const pages = Plan["Shared Hit Blocks"]! + Plan["Shared Read Blocks"]!
    costs.push({ calls: Object.fromEntries(calls), pages })
  }
  const [short, long] = costs
  expect(short!.calls).toEqual({ readQueue: 120, markSeen: 2 })
  expect(long!.calls).toEqual(short!.calls)
  // A longer line may cost one more level of an index, and nothing else.
  expect(long!.pages).toBeLessThanOrEqual(short!.pages + 6)
})

test("of many commands that create the same queue at once, on two nodes, one succeeds", async () => {
  const url = await emptyDatabase()
  const nodes = [await startNode({ url }), await startNode({ url })]
  const makers = Array.from({ length: 20 }, (_, n) => {
    const { queue, run } = nodes[n % 2]!
    return run(Effect.result(queue.create({ queueId, settings: { maxActive: n + 1 } })))
  })
  const results = await Promise.all(makers)
  const made = results.filter(Result.isSuccess).map(({ success }) => success.settings.maxActive)
  expect(made).toHaveLength(1)
  for (const result of results.filter(Result.isFailure)) {
    expect(result.failure).toMatchObject({ _tag: "AlreadyExists", kind: "queue" })
  }
  const same = nodes.map(({ queue, run }) => run(queue.create({ queueId: "same" })))
  const [one, two] = await Promise.all(same)
  expect([one!.created, two!.created].sort()).toEqual([false, true])
  const events = `SELECT event -> 'settings' ->> 'maxActive' AS limit FROM boxoffice.outbox_event
    WHERE event ->> 'queueId' <> 'same'`
  expect(await openSql(url)(events)).toEqual([{ limit: String(made[0]) }])
})

test("codes and their event are written together, or not at all", async () => {
  const url = await emptyDatabase()
  const { queue, run } = await startNode({ url })
  const sql = openSql(url)
  await run(queue.create({ queueId }))
  await sql("ALTER TABLE boxoffice.outbox ADD CONSTRAINT no_more CHECK (false) NOT VALID")
  const add = run(Effect.result(queue.addCodes({ queueId, codes: ["a-code-of-it"] })))
  expect(await add).toMatchObject({ failure: { _tag: "StoreUnavailable" } })
  const create = run(Effect.result(queue.create({ queueId: "other" })))
  expect(await create).toMatchObject({ failure: { _tag: "StoreUnavailable" } })
  const counts = `SELECT (SELECT count(*) FROM boxoffice.queue_code) AS codes,
    (SELECT count(*) FROM boxoffice.queue) AS queues`
  expect(await sql(counts)).toEqual([{ codes: 0n, queues: 1n }])
})
