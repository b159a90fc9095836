/** I9 for readers: consumers and endpoints get every event, in the order of its aggregate. */
import type { Posted } from "../Receivers.ts"
import { type Committed, type Facts, type Finding, groupBy } from "./facts.ts"

export const checkEvents = ({ events, world, rows }: Facts): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const find = (text: string) => findings.push({ invariant: "I9", text })
  const order = orderOf(events)
  const { setup } = world.plan
  for (const { name } of setup.consumers) {
    const seen = new Map<string, number>()
    for (const { consumer, eventId } of world.consumers.handled) {
      if (consumer !== name) continue
      const at = order.get(eventId)
      if (at === undefined) {
        find(`${name} was given ${eventId}, which was not committed`)
        continue
      }
      const before = seen.get(at.aggregate) ?? -1
      if (at.index > before + 1) find(`${name} was given ${eventId} before an earlier event of it`)
      seen.set(at.aggregate, Math.max(before, at.index))
    }
    for (const [aggregate, own] of groupBy(events, (event) => event.aggregate)) {
      const missing = own[(seen.get(aggregate) ?? -1) + 1]
      if (missing !== undefined) find(`${name} never got ${missing.id} (${missing.event._tag})`)
    }
  }
  for (const { name, attempts } of setup.endpoints) {
    const posts = world.receivers.posts.filter(({ endpoint }) => endpoint === name)
    checkEndpoint(name, attempts, posts, events, order, find)
    const dead = new Set(
      rows.deliveries
        .filter(({ endpoint, state }) => endpoint === name && state === "dead")
        .map(({ eventId }) => eventId)
    )
    const accepted = new Set(posts.filter(({ isAccepted }) => isAccepted).map((one) => one.eventId))
    for (const { id, event } of events) {
      if (!accepted.has(id) && !dead.has(id)) find(`${name} never got ${id} (${event._tag})`)
    }
  }
  return findings
}

interface Place {
  readonly aggregate: string
  readonly index: number
}

const orderOf = (events: ReadonlyArray<Committed>): Map<string, Place> => {
  const order = new Map<string, Place>()
  for (const [aggregate, own] of groupBy(events, (event) => event.aggregate)) {
    for (const [index, { id }] of own.entries()) order.set(id, { aggregate, index })
  }
  return order
}

/** An event is posted when all earlier ones of its aggregate were accepted, or given up. */
const checkEndpoint = (
  name: string,
  attempts: number,
  posts: ReadonlyArray<Posted>,
  events: ReadonlyArray<Committed>,
  order: ReadonlyMap<string, Place>,
  find: (text: string) => void
): void => {
  const byAggregate = groupBy(events, (event) => event.aggregate)
  const tries = new Map<string, number>()
  const accepted = new Set<string>()
  for (const { eventId, isAccepted } of posts) {
    const place = order.get(eventId)
    if (place === undefined) {
      find(`${name} was sent ${eventId}, which was not committed`)
      continue
    }
    for (const { id } of byAggregate.get(place.aggregate)!.slice(0, place.index)) {
      if (accepted.has(id) || (tries.get(id) ?? 0) >= attempts) continue
      find(`${name} was sent ${eventId} before ${id}`)
    }
    tries.set(eventId, (tries.get(eventId) ?? 0) + 1)
    if (isAccepted) accepted.add(eventId)
  }
}
