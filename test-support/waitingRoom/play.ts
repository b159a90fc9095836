/**
 * Runs a history in a room, and checks every invariant after each step. It records the steps as a
 * story of one line each.
 */
import { Cause, Data, Effect } from "effect"
import { expect } from "vitest"
import type { QueueSettings } from "../../packages/core/src/index.ts"
import { LoadPlan } from "../../packages/core/src/store.ts"
import { Actors } from "./Actors.ts"
import { Answers } from "./Answers.ts"
import { Ledger } from "./Ledger.ts"
import type { Room } from "./room.ts"
import type { History, Setup, Step } from "./steps.ts"
import { describeSetup, describeStep } from "./story.ts"

const second = 1_000
const minute = 60 * second

const settingsOf = (setup: Setup): QueueSettings => {
  const { maxActive, admitPerMinute, prioritySharePercent, absenceSeconds } = setup
  const limits = { maxActive, admitPerMinute, prioritySharePercent, absenceSeconds }
  return { ...limits, claimSeconds: 10, sessionSeconds: 60 }
}

/** A history that violates an invariant, as a story. */
export class Violation extends Data.TaggedError("Violation")<{
  readonly story: ReadonlyArray<string>
  readonly reason: string
}> {}

/** Creates the queue. The seed is fixed, so that the draw is reproducible. */
const openQueue = Effect.fnUntraced(function* (
  { queueId, store, now, offset }: Room,
  setup: Setup,
  count: (what: string) => void
) {
  const settings = settingsOf(setup)
  const seed = String(setup.draw).repeat(64)
  const opensAt = setup.opensInMs === 0 ? undefined : now() + setup.opensInMs
  const opening =
    opensAt === undefined ? null : { opensAt: opensAt - offset(), seed, openedAt: null }
  yield* store.transact(new LoadPlan(), (rows) => rows.addQueue(queueId, settings, opening))
  return new Ledger({ queueId, seed, settings, opensAt, count })
})

/** Runs a history. `count` is called for each event and outcome. */
export const play = (
  room: Room,
  { setup, steps }: History,
  count: (what: string) => void
): Effect.Effect<void, Violation> => {
  const story = [describeSetup(setup)]
  return Effect.gen(function* () {
    const ledger = yield* openQueue(room, setup, count)
    const answers = new Answers(ledger, room)
    const actors = new Actors(room, ledger, answers)
    yield* actors.openHouse
    ledger.takeSnapshot(room.elapsed())
    const checkAll = Effect.gen(function* () {
      for (const batch of yield* room.events) {
        for (const event of batch) ledger.apply(event, room.offset())
        ledger.takeSnapshot(room.elapsed())
      }
      actors.check()
      yield* recount(room, ledger)
    })
    yield* actors.joinMany(setup.general, false)
    yield* actors.joinMany(setup.priority, true)
    yield* checkAll
    for (const [i, step] of steps.entries()) {
      const at = (room.elapsed() / second).toFixed(3)
      story.push(`${i + 1}. at ${at} s: ${describeStep(step, actors)}`)
      yield* perform(room, ledger, actors, step, checkAll)
      yield* checkAll
    }
    story.push("In the end: three seconds, in each of which both nodes are swept.")
    yield* threeSeconds(room, ledger, actors, checkAll, [0, 1], "sweeper")
    yield* room.inspect
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.fail(new Violation({ story, reason: reasonOf(Cause.squash(cause)) }))
    )
  )
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : JSON.stringify(error)

type CheckAll = Effect.Effect<void, unknown>

const perform = (
  room: Room,
  ledger: Ledger,
  actors: Actors,
  step: Step,
  checkAll: CheckAll
): Effect.Effect<unknown, unknown> => {
  switch (step._tag) {
    case "wait":
      return room.pass(step.ms)
    case "minutes":
      return Effect.gen(function* () {
        const asks = step.pollers === "all" ? 1 : 3
        for (let passed = 0; passed < step.count; passed++) {
          // Twice a minute, so that each minute records the presence.
          for (let half = 0; half < 2; half++) {
            yield* room.pass(minute / 2)
            yield* actors.pollEach(step.node, asks)
            yield* checkAll
          }
        }
      })
    case "seconds":
      return threeSeconds(room, ledger, actors, checkAll, [step.node], step.by)
    case "restart":
      ledger.flushPresence(room.nameOf(step.node), room.now())
      return room.restart(step.node)
    case "cut":
      return actors.duringCut(step)
    case "together":
      return Effect.all([actors.act(step.one), actors.act(step.other)], {
        concurrency: "unbounded"
      })
    default:
      return actors.act(step)
  }
}

/**
 * Three seconds, in each of which the sweeper of a node runs or a waiting user polls. Afterwards no
 * user may be waiting while the queue has room.
 */
const threeSeconds = Effect.fnUntraced(function* (
  room: Room,
  ledger: Ledger,
  actors: Actors,
  checkAll: CheckAll,
  nodes: ReadonlyArray<number>,
  by: "sweeper" | "polls"
) {
  for (let passed = 0; passed < 3; passed++) {
    yield* room.pass(second)
    for (const node of nodes) {
      const asked = by === "polls" ? yield* actors.pollWaiting(node) : 0
      if (asked === 0) yield* room.node(node).sweep
    }
    yield* checkAll
  }
  const now = room.now()
  const { mode, opensAt, settings, inside, waits } = ledger
  if (mode === "closed") return expect(waits.length, "waiting for what is closed").toBe(0)
  if (ledger.isPreOpening) {
    const isDue = now - opensAt! > 3 * second
    return expect(isDue, "3 s after its opening the queue has not opened").toBe(false)
  }
  if (mode === "paused" || waits.length === 0) return
  // The store counts admissions per minute in whole seconds.
  const free = {
    inside: settings.maxActive - inside.length,
    minute: settings.admitPerMinute - ledger.admittedSince(now - minute - second)
  }
  const isFree = free.inside > 0 && free.minute > 0
  expect(isFree, `for 3 s there is room (${JSON.stringify(free)}), and ${waits.length} wait`).toBe(
    false
  )
})

/** Compares the counters of the store with the ledger. */
const recount = Effect.fnUntraced(function* (room: Room, ledger: Ledger) {
  const { store, queueId, now, slackMs } = room
  const row = (yield* store.queue(queueId))!
  const insideAt = (instant: number) =>
    ledger.inside.filter(({ expiresAt }) => expiresAt > instant).length
  const inside = [insideAt(now() - slackMs), insideAt(now())]
  expect(inside, "those inside, as they are counted by hand").toContain(row.active)
  const counted = {
    waiting: row.waiting,
    priority: row.priority.waiting,
    departed: Number(row.departed),
    numbers: [Number(row.nextNumber) - 1, Number(row.priority.nextNumber) - 1],
    mode: row.mode
  }
  expect(counted, "the counters, as they are counted by hand").toEqual({
    waiting: ledger.waiting("general").length,
    priority: ledger.waiting("priority").length,
    departed: ledger.departed,
    numbers: [ledger.countIssued("general"), ledger.countIssued("priority")],
    mode: ledger.mode
  })
  // The first and the last waiting token of each lane, with their positions. A drawn lane is left
  // out: for it the store counts every token that may be ahead.
  const lanes = ledger.isDrawn ? (["priority"] as const) : (["general", "priority"] as const)
  const some = lanes.flatMap((lane) => {
    const line = ledger.waiting(lane).map(({ tokenId }, ahead) => ({ tokenId, ahead }))
    return line.length > 1 ? [line[0]!, line.at(-1)!] : line
  })
  const readings = yield* store.readTokens(some.map(({ tokenId }) => ({ tokenId })))
  expect(
    readings.map(({ ahead, token }) => [token?.tokenId, token?.state, ahead]),
    "who stands ahead of the first and the last of each lane"
  ).toEqual(some.map(({ tokenId, ahead }) => [tokenId, "waiting", ahead]))
})
