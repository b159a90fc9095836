/**
 * I9, to the end: every committed event reaches each consumer and each webhook, those of one aggregate
 * in their order, and nothing is delivered that is not committed.
 */
import type { EventFact } from "../facts.ts"
import type { Evidence } from "./evidence.ts"
import type { Judge } from "./judge.ts"

export const checkDeliveries = ({ history, facts }: Evidence, judge: Judge): void => {
  const due = facts.due[0]?.batch ?? Number.POSITIVE_INFINITY
  const committed = new Map<string, EventFact>()
  const orders = new Map<string, number>()
  for (const [order, row] of facts.events.entries()) {
    const id = `${row.batch}-${row.position}`
    committed.set(id, row)
    orders.set(id, order)
  }
  for (const consumer of history.run.consumers) {
    const got = history.deliveries.filter(({ delivered }) => delivered === consumer)
    const ids = new Set(got.map(({ id }) => id))
    for (const [id, { batch }] of committed) {
      // A node may have ended before it could deliver what was committed last.
      if (batch > due) continue
      judge.expect(
        "I9",
        ids.has(id),
        () => `event ${id} (${committed.get(id)?.event._tag}) never reached the ${consumer}`
      )
    }
    const latest = new Map<string, number>()
    const seen = new Set<string>()
    for (const { id, aggregate, type } of got) {
      const order = orders.get(id)
      const isCommitted = order !== undefined && committed.get(id)!.event._tag === type
      judge.expect(
        "I9",
        isCommitted,
        () => `the ${consumer} got ${type} ${id}, which is not in the outbox`
      )
      if (order === undefined || seen.has(id)) continue
      seen.add(id)
      const before = latest.get(aggregate) ?? -1
      judge.expect(
        "I9",
        order > before,
        () => `the ${consumer} got event ${id} of ${aggregate} after a later one`
      )
      latest.set(aggregate, Math.max(order, before))
    }
  }
}
