/** Checks all invariants of a world that has come to rest. */
import type { World } from "../World.ts"
import { checkCalls } from "./calls.ts"
import { checkEvents } from "./events.ts"
import { type Finding, factsOf } from "./facts.ts"
import { checkMoney } from "./money.ts"
import { checkPresence } from "./presence.ts"
import { checkProgress } from "./progress.ts"
import { checkQueues } from "./queues.ts"
import { checkSeats } from "./seats.ts"

export const check = (world: World): ReadonlyArray<Finding> => {
  const facts = factsOf(world)
  return [
    checkMoney,
    checkSeats,
    checkQueues,
    checkPresence,
    checkCalls,
    checkEvents,
    checkProgress
  ].flatMap((one) => one(facts))
}
