/**
 * The waiting room on a real server: several nodes with wrong clocks, restarts, lost connections,
 * and lines of a million.
 */
import {
  BoxOffice,
  BoxOfficeStore,
  layerOf,
  type QueueId,
  type QueueSettings,
  type QueueTokenStatus
} from "@boxoffice/core"
import { Clock, Effect, Layer, ManagedRuntime, Result } from "effect"
import { expect, test } from "vitest"
import { SqlStore } from "../src/index.ts"
import { readLine } from "../src/read/line.ts"
import { schemaName } from "../src/schemaName.ts"
import { atEnd, emptyDatabase, openSql, type Sql } from "./support.ts"

const queueId = "main" as QueueId
const signingKeys = { k1: "a secret of at least thirty-two bytes" }

/** A clock that tells the time wrong by so many milliseconds, and runs on like any other. */
const skewed = (ms: number): Layer.Layer<never> =>
  Layer.effect(
    Clock.Clock,
    Effect.map(Clock.Clock, (clock) => ({
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ms,
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + ms),
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(ms) * 1_000_000n,
      currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + BigInt(ms) * 1_000_000n),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration) => clock.sleep(duration)
    }))
  )

interface NodeOptions {
  readonly url: string
  readonly skewMs?: number
  readonly queueFreshMs?: number
  /** Sees every reading of a line. */
  readonly onLine?: () => void
}

/** One node: an engine over a store of its own. */
const startNode = async ({ url, skewMs = 0, queueFreshMs = 20, onLine }: NodeOptions) => {
  const store = SqlStore.layerUrl({ url, migrate: true, maxConnections: 4 })
  const counted = Layer.effect(
    BoxOfficeStore,
    Effect.map(BoxOfficeStore, (inner) => ({
      ...inner,
      line: (...args: Parameters<typeof inner.line>) => {
        onLine?.()
        return inner.line(...args)
      }
    }))
  ).pipe(Layer.provide(store))
  const runtime = ManagedRuntime.make(
    layerOf({ signingKeys, policies: { queueFreshMs, gateFreshMs: 0, awayMs: 0 } }).pipe(
      Layer.provide(counted),
      Layer.provide(skewed(skewMs))
    )
  )
  atEnd(() => runtime.dispose())
  const { queue } = await runtime.runPromise(BoxOffice)
  return { queue, run: runtime.runPromise, close: () => runtime.dispose() }
}
type RunningNode = Awaited<ReturnType<typeof startNode>>

/** Pseudo-random numbers from 0 to 1, the same for the same seed (mulberry32). */
const randomFrom = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

test("10,000 joins, sent five times over while connections die: 10,000 places", {
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
  // Whoever was told that it failed asks once more.
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

interface Told {
  readonly type: string
  readonly token_id: string
  readonly at: number
  readonly event: {
    readonly number?: string
    readonly expiresAt?: number
    readonly lane?: string
    readonly drawn?: string
  }
}

/** What the outbox says happened, in order: nobody is overtaken, no limit is passed. */
const checkHistory = async (
  sql: Sql,
  limits: Pick<QueueSettings, "maxActive" | "admitPerMinute">,
  placeOf: (number: number, lane: string) => number
) => {
  const told = await sql<Told>(`
    SELECT event->>'_tag' AS type, event->>'tokenId' AS token_id, event,
      (extract(epoch FROM occurred_at) * 1000)::float8 AS at
    FROM boxoffice.outbox, json_array_elements(events) WITH ORDINALITY AS told (event, place)
    WHERE event->>'tokenId' IS NOT NULL ORDER BY batch_id, place`)
  const places = new Map<string, { readonly lane: string; readonly place: number }>()
  const waiting = new Map<string, { readonly lane: string; readonly place: number }>()
  const inside = new Set<string>()
  const admissions: Array<number> = []
  for (const { type, token_id, at, event } of told) {
    if (type === "QueueTokenIssued") {
      const lane = event.lane ?? "general"
      const standing = { lane, place: placeOf(Number(event.number), lane) }
      places.set(token_id, standing)
      waiting.set(token_id, standing)
      continue
    }
    const standing = places.get(token_id)!
    if (type === "QueueTokenAdmitted") {
      waiting.delete(token_id)
      for (const other of waiting.values()) {
        if (other.lane !== standing.lane) continue
        expect(other.place, "I13: overtaken in line").toBeGreaterThan(standing.place)
      }
      admissions.push(at)
      expect(
        admissions.filter((then) => then > at - 60_000).length,
        "I12: in a rolling minute"
      ).toBeLessThanOrEqual(limits.admitPerMinute)
      inside.add(token_id)
      expect(inside.size, "I12: inside at once").toBeLessThanOrEqual(limits.maxActive)
    } else if (type !== "QueueTokenExtended") {
      waiting.delete(token_id)
      inside.delete(token_id)
    }
  }
  return { admitted: admissions.length, waiting }
}

/** Moves everything there is into the past. */
const passTime = (ms: number) => `DO $$ BEGIN
  UPDATE boxoffice.queue_token SET
    joined_at = joined_at - interval '${ms} milliseconds',
    admitted_at = admitted_at - interval '${ms} milliseconds',
    expires_at = expires_at - interval '${ms} milliseconds',
    ended_at = ended_at - interval '${ms} milliseconds';
  UPDATE boxoffice.queue_grant SET granted_at = granted_at - interval '${ms} milliseconds';
  UPDATE boxoffice.queue SET opens_at = opens_at - interval '${ms} milliseconds',
    opened_at = opened_at - interval '${ms} milliseconds';
  UPDATE boxoffice.outbox SET occurred_at = occurred_at - interval '${ms} milliseconds';
  END $$`

test.each([1, 2, 3, 4])(
  "four nodes with wrong clocks, restarts and anything at once: history %i",
  {
    timeout: 120_000
  },
  async (seed) => {
    const url = await emptyDatabase()
    const sql = openSql(url)
    const random = randomFrom(seed)
    const below = (n: number) => Math.floor(random() * n)
    const limits = { maxActive: 5, admitPerMinute: 9 }
    const settings = { ...limits, claimSeconds: 10, sessionSeconds: 40, absenceSeconds: 120 }
    const skews = [0, 300_000, -300_000, 123_456]
    const start = (n: number) => startNode({ url, skewMs: skews[n]! })
    const nodes: Array<RunningNode> = []
    for (let n = 0; n < 4; n++) nodes.push(await start(n))
    const opensAt = seed % 2 === 0 ? new Date(Date.now() + 60_000) : undefined
    const [first] = nodes
    await first!.run(first!.queue.create({ queueId, settings, opensAt }))
    await first!.run(first!.queue.addCodes({ queueId, codes: ["open-sesame"], uses: 15 }))

    const tokens = new Map<string, string>()
    const lowest = new Map<string, number>()
    const users = 60
    const act = async (node: RunningNode, user: string): Promise<void> => {
      const queueToken = tokens.get(user)
      const kind = below(10)
      const place = { userId: user, queueToken: queueToken ?? "" }
      const attempt = async (effect: Effect.Effect<unknown, unknown>) => {
        const result = await node.run(Effect.result(effect))
        if (Result.isFailure(result)) {
          // Refusals are answers. A node that is going down does not reach the store any more.
          expect(["QueueClosed", "QueueCodeInvalid", "Overloaded", "StoreUnavailable"]).toContain(
            (result.failure as { readonly _tag: string })._tag
          )
          return undefined
        }
        return result.success
      }
      if (queueToken === undefined || kind < 3) {
        const code = below(4) === 0 ? "open-sesame" : undefined
        const joined = (await attempt(node.queue.join({ queueId, userId: user, code }))) as
          | { readonly token: string }
          | undefined
        if (joined !== undefined) tokens.set(user, joined.token)
      } else if (kind < 4) await attempt(node.queue.leave(place))
      else if (kind < 5) await attempt(node.queue.advance(queueId))
      else await attempt(node.queue.status(place))
    }

    for (let round = 0; round < 80; round++) {
      const actions = Array.from({ length: 16 }, () =>
        act(nodes[below(4)]!, `u${below(users)}`).catch((error) => {
          // What was under way on a node as it was closed ends with it.
          if (!/interrupt|closed/i.test(String(error))) throw error
        })
      )
      if (below(4) === 0) {
        const n = below(4)
        const old = nodes[n]!
        nodes[n] = await start(n)
        await Promise.all(actions)
        await old.close()
      } else await Promise.all(actions)
      if (below(6) === 0) {
        const mode = (["paused", "draining", "open"] as const)[below(3)]!
        await nodes[0]!.run(nodes[0]!.queue.setMode(queueId, mode))
      } else if (below(3) === 0) await nodes[0]!.run(nodes[0]!.queue.setMode(queueId, "open"))
      await sql(passTime(below(9_000)))
    }

    const view = await nodes[0]!.run(nodes[0]!.queue.get(queueId))
    const draw = view.opening
    const drawn = draw?.drawn ?? 0
    const { permutationOf } = await import("@boxoffice/core")
    const permutation =
      draw?.seed && drawn > 0 ? permutationOf({ queueId, seed: draw.seed, drawn }) : undefined
    const placeOf = (number: number, lane: string) =>
      lane === "general" && permutation !== undefined && number <= drawn
        ? permutation.placeOf(number)
        : number
    const { admitted, waiting } = await checkHistory(sql, limits, placeOf)
    expect(admitted).toBeGreaterThan(10)

    // At rest every node tells everyone in line the place that a plain list gives them.
    await nodes[0]!.run(nodes[0]!.queue.setMode(queueId, "paused"))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const line = await sql<{ user_id: string; lane: number; number: string }>(
      "SELECT user_id, lane, number::text FROM boxoffice.queue_token WHERE state = 'waiting'"
    )
    expect(line.length).toBe(waiting.size)
    const standing = line.map(({ user_id, lane, number }) => {
      const name = lane === 0 ? "general" : "priority"
      return { user: user_id, lane: name, place: placeOf(Number(number), name) }
    })
    for (const { user, lane, place } of standing) {
      const ahead = standing.filter((other) => other.lane === lane && other.place < place).length
      for (const node of nodes) {
        const status: QueueTokenStatus = await node.run(
          node.queue.status({ userId: user, queueToken: tokens.get(user)! })
        )
        expect(status).toMatchObject({ state: "waiting", ahead })
        expect(status.ahead).toBeLessThanOrEqual(lowest.get(user) ?? Number.POSITIVE_INFINITY)
        lowest.set(user, status.ahead)
      }
    }
    // The counts of the queue's row are what a count would find.
    const [counted] = await sql(`
    SELECT q.waiting + q.priority_waiting = (
        SELECT count(*) FROM boxoffice.queue_token WHERE state = 'waiting') AS waiting,
      q.active - (SELECT coalesce(sum(exits), 0) FROM boxoffice.queue_exit) = (
        SELECT count(*) FROM boxoffice.queue_token WHERE state = 'admitted') AS active
    FROM boxoffice.queue q`)
    expect(counted).toEqual({ waiting: true, active: true })
  }
)

test("a queue that 90 of 100 have abandoned is back to 95 % use within two ticks", {
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
  /** How many are in and know it, when everyone who is there has asked. */
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

/** Puts so many in line, as joins would. */
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

test("a million in line cost what a thousand do: as many readings, of as many pages", {
  timeout: 240_000
}, async () => {
  const costs = []
  for (const size of [1_000, 1_000_000]) {
    const url = await emptyDatabase()
    const sql = openSql(url)
    let readings = 0
    const node = await startNode({ url, queueFreshMs: 60_000, onLine: () => readings++ })
    const settings = { maxActive: 1 }
    await node.run(node.queue.create({ queueId, settings }))
    await node.run(node.queue.join({ queueId, userId: "inside" }))
    await sql("DELETE FROM boxoffice.queue_token WHERE user_id <> 'inside'")
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
    readings = 0
    for (let poll = 0; poll < 1_000; poll++) {
      const n = 1 + (poll % 3)
      const input = { userId: `u${n * 300}`, queueToken: tickets[n - 1]!.token }
      const status = await node.run(node.queue.status(input))
      expect(status.position).toBe(n * 300)
    }
    const read = readLine(schemaName("boxoffice"))(queueId, 0n)
    const params = [`'${queueId}'`, "0"]
    const statement = read.sql.replace(/\$(\d)/g, (_, n) => params[Number(n) - 1]!)
    const plan = await sql<{ "QUERY PLAN": ReadonlyArray<{ Plan: Record<string, number> }> }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ${statement}`
    )
    const { Plan } = plan[0]!["QUERY PLAN"][0]!
    const pages = Plan["Shared Hit Blocks"]! + Plan["Shared Read Blocks"]!
    costs.push({ readings, pages })
  }
  const [thousand, million] = costs
  expect(thousand!.readings).toBe(0)
  expect(million!.readings).toBe(0)
  // A level more of an index is all that a thousand times as many may cost.
  expect(million!.pages).toBeLessThanOrEqual(thousand!.pages + 6)
})

test("of many who make the same queue at once, on two nodes, one does", async () => {
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
  const events = "SELECT event -> 'settings' ->> 'maxActive' AS limit FROM boxoffice.outbox_event"
  expect(await openSql(url)(events)).toEqual([{ limit: String(made[0]) }])
})

test("codes and their event are there together, or not at all", async () => {
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
