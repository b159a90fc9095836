/** A session of another program that locks rows of the engine, and keeps them locked. */
import { BoxOfficeStore } from "@boxoffice/core"
import { LoadPlan } from "@boxoffice/core/store"
import { Context, Effect, Layer } from "effect"
import type { PerformanceId, QueueId, SeatId, UserId } from "../../../packages/core/src/Ids.ts"
import type { Path } from "../../../packages/core/src/testing/MemoryDatabase.ts"
import type { LockedRows } from "./plan.ts"
import { performanceOf } from "./visits.ts"
import type { World } from "./World.ts"

const planOf = (world: World, rows: LockedRows): LoadPlan => {
  const { queues, shows } = world.plan.setup
  const plan = new LoadPlan()
  if (rows === "queue") plan.queues.add(queues[0]!.queueId as QueueId)
  if (rows === "wallet") for (let i = 0; i < 8; i += 2) plan.wallets.add(`u${i}` as UserId)
  if (rows === "seat") {
    for (const show of shows.keys()) {
      plan.seats.push({
        performanceId: performanceOf(show) as PerformanceId,
        seatIds: ["S0" as SeatId, "S1" as SeatId]
      })
    }
  }
  return plan
}

/** Locks rows. Returns the function that releases them. */
export const holdLocks = (world: World, rows: LockedRows): (() => void) => {
  let isReleased = false
  let release = () => {
    isReleased = true
  }
  const { machine, database } = world
  const actor = machine.actor("other program")
  // It has its rows with the first answer, and goes on only when it is told to.
  const toServer: Path = (message, arrive) => {
    if (message !== "save" || isReleased) arrive("delivered")
    else release = () => arrive("delivered")
    return undefined
  }
  const hold = Effect.gen(function* () {
    const store = Context.get(yield* Layer.build(database.layerStore({ toServer })), BoxOfficeStore)
    yield* store.transact(planOf(world, rows), () => undefined)
  })
  Effect.runForkWith(machine.contextOf(actor))(Effect.ignore(Effect.scoped(hold)))
  return () => release()
}
