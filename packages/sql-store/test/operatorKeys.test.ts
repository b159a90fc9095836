import { Effect, Result } from "effect"
import { expect, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { type RunningNode, startNode } from "./nodes.ts"
import { atEnd, krw, openSql } from "./support.ts"

// Operators' commands with keys, on two nodes over one Postgres.

interface Command {
  readonly name: string
  readonly ask: (
    node: RunningNode,
    key: { readonly idempotencyKey: string; readonly onReplay?: () => void }
  ) => Effect.Effect<unknown, unknown>
  readonly another: Command["ask"]
}

const startsAt = new Date("2999-01-01T00:00:00.000Z")
const seat = { section: "A", row: "1", number: "1", price: krw(1_000n) }
const settings = { maxActive: 5 }

const commands: ReadonlyArray<Command> = [
  {
    name: "create",
    ask: ({ queue }, key) => queue.create({ queueId: "new", settings, ...key }),
    another: ({ queue }, key) => queue.create({ queueId: "newer", settings, ...key })
  },
  {
    name: "addShow",
    ask: ({ catalog }, key) => catalog.addShow({ ...show("new"), ...key }),
    another: ({ catalog }, key) => catalog.addShow({ ...show("new"), title: "Another", ...key })
  },
  {
    name: "addPerformance",
    ask: ({ catalog }, key) => catalog.addPerformance({ ...performance("new"), ...key }),
    another: ({ catalog }, key) =>
      catalog.addPerformance({ ...performance("new"), timeZone: "Asia/Seoul", ...key })
  },
  {
    name: "addSeats",
    ask: ({ catalog }, key) =>
      catalog.addSeats({ performanceId: "p", seats: [{ ...seat, seatId: "new" }], ...key }),
    another: ({ catalog }, key) =>
      catalog.addSeats({ performanceId: "p", seats: [{ ...seat, seatId: "newer" }], ...key })
  },
  {
    name: "addCodes",
    ask: ({ queue }, key) => queue.addCodes({ queueId: "q", codes: ["a-code-of-it"], ...key }),
    another: ({ queue }, key) =>
      queue.addCodes({ queueId: "q", codes: ["a-code-of-it"], uses: 2, ...key })
  },
  {
    name: "configure",
    ask: ({ queue }, key) => queue.configure("q", { maxActive: 3 }, key),
    another: ({ queue }, key) => queue.configure("q", { maxActive: 4 }, key)
  },
  {
    name: "reschedule",
    ask: ({ queue }, key) => queue.reschedule("later", new Date("2998-01-01T00:00:00Z"), key),
    another: ({ queue }, key) => queue.reschedule("later", null, key)
  },
  {
    name: "pause",
    ask: ({ queue }, key) => queue.setMode("q", "paused", key),
    another: ({ queue }, key) => queue.setMode("q", "draining", key)
  },
  {
    name: "a refusal",
    ask: ({ queue }, key) => queue.setMode("none", "paused", key),
    another: ({ queue }, key) => queue.setMode("q", "paused", key)
  },
  {
    name: "refund",
    ask: ({ payments }, key) => payments.refund({ paymentId: "p", ...key }),
    another: ({ payments }, key) => payments.refund({ paymentId: "another", ...key })
  }
]

const show = (showId: string) => ({
  showId,
  title: "Show",
  queueId: "q",
  salesOpenAt: null,
  salesCloseAt: null
})
const performance = (performanceId: string) => ({
  performanceId,
  showId: "s",
  startsAt,
  timeZone: "UTC"
})

const world = async () => {
  const database = await createTestDatabase()
  atEnd(database.drop)
  const { url } = database
  const one = await startNode({ url })
  const two = await startNode({ url })
  const { run, queue, catalog } = one
  await run(queue.create({ queueId: "q" }))
  await run(queue.create({ queueId: "later", opensAt: startsAt }))
  await run(catalog.addShow(show("s")))
  await run(catalog.addPerformance(performance("p")))
  const sql = openSql(url)
  /** All rows, apart from recorded outcomes. */
  const standing = () =>
    sql(`SELECT
      (SELECT json_agg(q ORDER BY queue_id)::text FROM boxoffice.queue q) AS queues,
      (SELECT json_agg(c ORDER BY code_hash)::text FROM boxoffice.queue_code c) AS codes,
      (SELECT json_agg(s ORDER BY show_id)::text FROM boxoffice.show s) AS shows,
      (SELECT json_agg(p ORDER BY performance_id)::text FROM boxoffice.performance p) AS performances,
      (SELECT json_agg(s ORDER BY seat_id)::text FROM boxoffice.seat s) AS seats,
      (SELECT count(*) FROM boxoffice.outbox) AS batches`)
  return { one, two, sql, standing }
}

const outcome = (node: RunningNode, command: Effect.Effect<unknown, unknown>) =>
  node.run(Effect.result(command))
const failureOf = (result: Result.Result<unknown, unknown>) =>
  Result.isFailure(result) ? result.failure : undefined

test("a late repetition on another node gives the first answer, and changes nothing", async () => {
  const { one, two, sql, standing } = await world()
  const key = (name: string) => ({ idempotencyKey: `key of ${name}`.replaceAll(" ", "-") })
  const first = []
  for (const { name, ask } of commands) first.push(await outcome(one, ask(one, key(name))))
  // Meanwhile: the sale goes on, the code was used, the settings were set back, the queue was made.
  await one.run(one.queue.setMode("q", "open"))
  await one.run(one.queue.configure("q", { maxActive: 100 }))
  await one.run(one.queue.reschedule("later", startsAt))
  await sql("UPDATE boxoffice.queue_code SET uses_left = 0")
  await one.run(one.queue.create({ queueId: "none" }))
  const before = await standing()
  for (const [n, { name, ask, another }] of commands.entries()) {
    let replays = 0
    const onReplay = () => {
      replays++
    }
    const again = await outcome(two, ask(two, { ...key(name), onReplay }))
    expect([name, again]).toEqual([name, first[n]])
    expect([name, replays]).toEqual([name, 1])
    const reused = await outcome(two, another(two, key(name)))
    expect([name, failureOf(reused)]).toMatchObject([name, { _tag: "IdempotencyConflict" }])
  }
  expect(await standing()).toEqual(before)
})

test("the same command on two nodes at once is done once, and answered alike", async () => {
  const { one, two, sql } = await world()
  for (const { name, ask } of commands) {
    let replays = 0
    const key = {
      idempotencyKey: `${name}-at-once`.replaceAll(" ", "-"),
      onReplay: () => void replays++
    }
    const answers = await Promise.all(
      [one, two, one, two, one, two].map((node) => outcome(node, ask(node, key)))
    )
    for (const answer of answers) expect([name, answer]).toEqual([name, answers[0]])
    expect([name, replays]).toEqual([name, answers.length - 1])
  }
  const events = await sql(`SELECT event ->> '_tag' AS tag, count(*) FROM boxoffice.outbox_event
    GROUP BY 1 ORDER BY 1`)
  expect(events).toEqual([
    { tag: "QueueCodesAdded", count: 1n },
    { tag: "QueueConfigured", count: 1n },
    { tag: "QueueCreated", count: 3n },
    { tag: "QueueModeChanged", count: 1n },
    { tag: "QueueRescheduled", count: 1n }
  ])
})

test("the recorded outcome and the change are committed together, or neither is", async () => {
  const { one, sql, standing } = await world()
  const before = await standing()
  await sql("ALTER TABLE boxoffice.command_outcome ADD CONSTRAINT none CHECK (false) NOT VALID")
  for (const { name, ask } of commands) {
    const refused = await outcome(one, ask(one, { idempotencyKey: "key" }))
    expect([name, failureOf(refused)]).toMatchObject([name, { _tag: "StoreUnavailable" }])
  }
  expect(await standing()).toEqual(before)
})
