/** The waiting room: joins, polls and openings, and the effect of the queue's length. */
import { performance } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"
import { Effect } from "effect"
import { runCallers } from "../callers.ts"
import { againstItself, type Scenario } from "../scenario.ts"
import type { World } from "../world.ts"

const fixed = (perSecond: number) => ({ perSecond, p50Ms: 0, p99Ms: 0 })

const joining = (world: World, queueId: string) => (n: number) =>
  world.office.queue.join({ queueId, userId: `j${n}` })

/** Polls by waiting users from the whole queue; their tokens are signed before the measurement. */
const pollers = (world: World, queueId: string, from: number, count: number) => {
  const step = Math.max(1, Math.floor(count / 50_000))
  const tokens = Array.from({ length: Math.floor(count / step) }, (_, i) =>
    world.waiter(queueId, from + 1 + i * step)
  )
  return (n: number) => world.office.queue.status(tokens[(n * 7919) % tokens.length]!)
}

/** Joins of a full queue. */
export const joins = (callers: number, bar: number): Scenario => ({
  name: "joins of distinct users",
  callers,
  against: "a fixed bar per second",
  by: "rate",
  target: 1,
  round: async (world, { seconds }) => {
    const queueId = await world.addQueue({ waiting: 0 })
    const result = await runCallers({ callers, seconds, call: joining(world, queueId) })
    if (result.succeeded < result.answers) throw new Error("a join failed")
    const { waiting } = await Effect.runPromise(world.office.queue.get(queueId))
    if (waiting !== result.answers) throw new Error(`${waiting} places for ${result.answers} joins`)
    return { subject: result, reference: fixed(bar) }
  }
})

/** Polls of waiting users by the engine, without HTTP: a signature check and arithmetic. */
export const polls = (callers: number, waiting: number, bar: number): Scenario => ({
  name: `polls with ${waiting} waiting`,
  callers,
  against: "a fixed bar per second",
  by: "rate",
  target: 1,
  round: async (world, { seconds }) => {
    const queueId = await world.addQueue({ waiting })
    const call = pollers(world, queueId, 0, waiting)
    const result = await runCallers({ callers, seconds, call })
    if (result.succeeded < result.answers) throw new Error("a poll failed")
    return { subject: result, reference: fixed(bar) }
  }
})

const short = { waiting: 1_000 }

/** Compares the same in a long queue, with as many ended tokens, and in a short one. */
export const joinsGrown = (callers: number, size: number): Scenario =>
  againstItself({
    name: `joins behind ${size} waiting and ${size} ended`,
    against: "behind 1,000 waiting",
    callers,
    target: 0.85,
    subject: async (world) => joining(world, await world.addQueue({ waiting: size, ended: size })),
    reference: async (world) => joining(world, await world.addQueue(short))
  })

export const pollsGrown = (callers: number, size: number): Scenario =>
  againstItself({
    name: `polls with ${size} waiting and ${size} ended`,
    against: "with 1,000 waiting",
    callers,
    target: 0.85,
    subject: async (world) => {
      const queueId = await world.addQueue({ waiting: size, ended: size })
      return pollers(world, queueId, size, size)
    },
    reference: async (world) => pollers(world, await world.addQueue(short), 0, short.waiting)
  })

/** The time from the opening of a queue with this many tokens to the first admission. */
export const opening = (size: number, barMs: number): Scenario => ({
  name: `opening a draw of ${size}`,
  callers: 1,
  against: "a fixed bar",
  by: "latency",
  target: 1,
  round: async (world) => {
    const queueId = await world.addQueue({
      waiting: size,
      opensAt: new Date(Date.now() + 3_600_000)
    })
    const { status } = world.office.queue
    // The node has a snapshot of the queue, like a node whose users poll.
    await Effect.runPromise(status(world.waiter(queueId, 1)))
    await world.query(`UPDATE boxoffice.queue SET opens_at = now() WHERE queue_id = '${queueId}'`)
    await sleep(1_100)
    const begun = performance.now()
    await Effect.runPromise(world.office.queue.advance(queueId as never))
    const took = performance.now() - begun
    const queue = await Effect.runPromise(world.office.queue.get(queueId))
    if (queue.opening?.drawn !== size || queue.active !== 1) throw new Error("it did not open")
    const subject = { perSecond: 1_000 / took, p50Ms: took, p99Ms: took }
    return { subject, reference: { ...fixed(1_000 / barMs), p50Ms: barMs } }
  }
})
