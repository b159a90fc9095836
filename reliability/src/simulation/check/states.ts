/** Counts the states and the transitions that a world went through, by its events and rows. */
import type { BoxOfficeEvent } from "@boxoffice/core"
import type { World } from "../World.ts"
import { factsOf } from "./facts.ts"

/** How each kind of event changes the state of its aggregate, `undefined` if it changes none. */
const transitionOf = (event: BoxOfficeEvent, before: string): string | undefined => {
  switch (event._tag) {
    case "QueueTokenIssued":
      return "waiting"
    case "QueueTokenAdmitted":
      return "admitted"
    case "QueueTokenExtended":
      return before
    case "QueueTokenCompleted":
      return "completed"
    case "QueueTokenLeft":
      return "left"
    case "QueueTokenLapsed":
      return "expired"
    case "QueueCreated":
      return event.opening === undefined ? "open" : "collecting"
    case "QueueOpened":
      return "open"
    case "QueueModeChanged":
      return before === "collecting" && event.mode === "open" ? before : event.mode
    case "SeatsHeld":
      return "held"
    case "HoldReleased":
      return "released"
    case "HoldLapsed":
      return "expired"
    case "ReservationPaid":
      return "confirmed"
    case "PaymentRefunded":
      return "cancelled"
    default:
      return undefined
  }
}

const kindOf = (aggregate: string): string => aggregate.split("/")[0]!

export const countStates = (world: World): void => {
  const { count } = world.counts
  const { events, rows } = factsOf(world)
  const states = new Map<string, string>()
  for (const { aggregate, event } of events) {
    count(`event: ${event._tag}`)
    const before = states.get(aggregate) ?? "none"
    const after = transitionOf(event, before)
    if (after === undefined) continue
    count(`${kindOf(aggregate)}: ${before} to ${after}`)
    states.set(aggregate, after)
    if (event._tag === "QueueTokenLeft" && event.away) count("queue_token: removed as absent")
    if (event._tag === "QueueTokenLapsed" && event.unclaimed) count("queue_token: never claimed")
  }
  const dead = rows.deliveries.filter(({ state }) => state === "dead").length
  if (dead > 0) count("delivery: dead at the end", dead)
}
