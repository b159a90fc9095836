/**
 * Random histories on four nodes, with wrong clocks and restarts: users join either lane, leave,
 * poll, buy and vanish, while operators stop and start the queue. The test then replays the outbox:
 * no user is overtaken, and no limit is exceeded.
 */
import {
  permutationOf,
  type QueueId,
  type QueueSettings,
  type QueueTokenStatus
} from "@boxoffice/core"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted, Result } from "effect"
import { afterAll, expect, test } from "vitest"
import { Invariants } from "../src/index.ts"
import { type RunningNode, randomFrom, startNode } from "./nodes.ts"
import { emptyDatabase, openSql, passTime, type Sql } from "./support.ts"

const queueId = "main" as QueueId
const performanceId = "gala-1"
const price = { amount: 100n, currency: "KRW" }
const seats = 300

interface Told {
  readonly type: string
  readonly token_id: string
  readonly at: number
  readonly event: {
    readonly number?: string
    readonly lane?: string
    readonly claimed?: boolean
    readonly unclaimed?: boolean
    readonly away?: boolean
  }
}
interface Standing {
  readonly lane: string
  readonly place: number
}

/** Replays the outbox in order: no user is overtaken, no limit is exceeded. */
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
  const places = new Map<string, Standing>()
  const waiting = new Map<string, Standing>()
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
      expect(waiting.delete(token_id), "let in twice, or after the end").toBe(true)
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
      const from = waiting.delete(token_id) ? "line" : inside.delete(token_id) ? "inside" : "?"
      expect(from, `${type} of one who was gone`).not.toBe("?")
      count(`${type} from ${from}${event.unclaimed ? ", unclaimed" : ""}`)
    }
  }
  return { admitted: admissions.length, waiting, inside }
}

/**
 * How often each case occurred, over all histories: they prove nothing if hardly anything happens.
 */
const seen = new Map<string, number>()
const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)

const refusals = [
  "QueueClosed",
  "QueueCodeInvalid",
  "QueueTokenWaiting",
  "QueueTokenExpired",
  "SeatUnavailable",
  "HoldExpired",
  // A node that is closing does not reach the store any more.
  "Overloaded",
  "StoreUnavailable"
]

/** A refusal is an answer: `undefined`. */
const attempt = async <A, E>(node: RunningNode, effect: Effect.Effect<A, E>) => {
  const result = await node.run(Effect.result(effect))
  if (Result.isSuccess(result)) return result.success
  expect(refusals).toContain((result.failure as { readonly _tag: string })._tag)
  return undefined
}

const openHouse = async (
  { run, queue, catalog }: RunningNode,
  settings: object,
  draws: boolean
) => {
  const opensAt = draws ? new Date(Date.now() + 60_000) : undefined
  await run(queue.create({ queueId, settings, opensAt }))
  await run(queue.addCodes({ queueId, codes: ["open-sesame"], uses: 15 }))
  const sales = { salesOpenAt: null, salesCloseAt: null }
  await run(catalog.addShow({ showId: "gala", title: "Gala", queueId, ...sales }))
  const startsAt = new Date("2100-01-01T10:00:00Z")
  const performance = { performanceId, showId: "gala", startsAt, timeZone: "Asia/Seoul" }
  await run(catalog.addPerformance(performance))
  const row = { section: "A", row: "1", price }
  const numbered = Array.from({ length: seats }, (_, i) => ({
    ...row,
    seatId: `S${i}`,
    number: String(i)
  }))
  await run(catalog.addSeats({ performanceId, seats: numbered }))
}

test.each([1, 2, 3, 4])("history %i", { timeout: 120_000 }, async (seed) => {
  const url = await emptyDatabase()
  const sql = openSql(url)
  const random = randomFrom(seed)
  const below = (n: number) => Math.floor(random() * n)
  const limits = { maxActive: 5, admitPerMinute: 9 }
  const settings = { ...limits, claimSeconds: 10, sessionSeconds: 40, absenceSeconds: 120 }
  const skews = [0, 300_000, -300_000, 123_456]
  const start = (n: number) => startNode({ url, skew: { toldMs: skews[n]! } })
  const nodes: Array<RunningNode> = []
  for (let n = 0; n < 4; n++) nodes.push(await start(n))
  await openHouse(nodes[0]!, settings, seed % 2 === 0)

  const tokens = new Map<string, string>()
  const users = 60
  const act = async (node: RunningNode, userId: string): Promise<void> => {
    const queueToken = tokens.get(userId) ?? ""
    const caller = { userId, queueToken }
    const kind = below(12)
    if (queueToken === "" || kind < 3) {
      const code = below(4) === 0 ? "open-sesame" : undefined
      const joined = await attempt(node, node.queue.join({ queueId, userId, code }))
      if (joined !== undefined) tokens.set(userId, joined.token)
    } else if (kind < 4) await attempt(node, node.queue.leave(caller))
    else if (kind < 5) await attempt(node, node.queue.advance(queueId))
    else if (kind < 8) await buy(node, caller, `S${below(seats)}`, below(4) > 0)
    else await attempt(node, node.queue.status(caller))
  }
  /** An admitted user holds a seat, and then pays for it, or vanishes. */
  const buy = async (
    node: RunningNode,
    caller: { readonly userId: string; readonly queueToken: string },
    seatId: string,
    pays: boolean
  ) => {
    const { reservations, wallet, payments } = node
    const asked = { ...caller, performanceId, seatIds: [seatId] }
    const held = await attempt(node, reservations.hold(asked))
    if (held === undefined || !pays) return
    if ((await attempt(node, wallet.charge({ ...caller, amount: price }))) === undefined) return
    const { reservationId } = held
    if (await attempt(node, payments.pay({ ...caller, reservationId }))) count("paid")
  }

  for (let round = 0; round < 80; round++) {
    const actions = Array.from({ length: 16 }, () =>
      act(nodes[below(4)]!, `u${below(users)}`).catch((error) => {
        // Commands under way on a node end when it closes.
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
    const { run, queue } = nodes[0]!
    if (below(6) === 0) {
      const mode = (["paused", "draining", "open"] as const)[below(3)]!
      await run(queue.setMode(queueId, mode))
    } else if (below(3) === 0) await run(queue.setMode(queueId, "open"))
    await sql(passTime(below(9_000)))
  }

  const { run, queue } = nodes[0]!
  const { opening } = await run(queue.get(queueId))
  const drawn = opening?.drawn ?? 0
  const draw = drawn > 0 ? permutationOf({ queueId, seed: opening!.seed!, drawn }) : undefined
  const placeOf = (number: number, lane: string) =>
    lane === "general" && draw !== undefined && number <= drawn ? draw.placeOf(number) : number
  const { admitted, waiting, inside } = await checkHistory(sql, limits, placeOf)
  expect(admitted).toBeGreaterThan(10)
  const stored = await sql("SELECT FROM boxoffice.queue_token WHERE state = 'admitted'")
  expect(stored.length).toBe(inside.size)

  // At rest every node gives each waiting user the position that a plain list gives.
  await run(queue.setMode(queueId, "paused"))
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
    const caller = { userId: user, queueToken: tokens.get(user)! }
    for (const node of nodes) {
      const status: QueueTokenStatus = await node.run(node.queue.status(caller))
      expect(status).toMatchObject({ state: "waiting", ahead })
      const hold = node.reservations.hold({ ...caller, performanceId, seatIds: ["S0"] })
      expect(await node.run(Effect.flip(hold))).toMatchObject({ position: ahead + 1 })
    }
  }
  // The counts in the queue's row equal a count of the rows.
  const [counted] = await sql(`
    SELECT q.waiting + q.priority_waiting = (
        SELECT count(*) FROM boxoffice.queue_token WHERE state = 'waiting') AS waiting,
      q.active - (SELECT coalesce(sum(exits), 0) FROM boxoffice.queue_exit) = (
        SELECT count(*) FROM boxoffice.queue_token WHERE state = 'admitted') AS active
    FROM boxoffice.queue q`)
  expect(counted).toEqual({ waiting: true, active: true })
  const client = PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
  const checks = await Effect.runPromise(Effect.provide(Invariants.check(), client))
  expect(checks.filter(({ violations }) => violations > 0)).toEqual([])
})

afterAll(() => {
  if (process.env.STATS) console.log(seen)
  for (const what of [
    "paid",
    "QueueTokenCompleted from inside",
    "QueueTokenLeft from line",
    "QueueTokenLeft from inside",
    "QueueTokenLapsed from inside",
    "QueueTokenLapsed from inside, unclaimed"
  ]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
  }
})
