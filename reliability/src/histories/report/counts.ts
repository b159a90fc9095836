/** What a history had: calls by operation and outcome, faults by kind, and how unknown calls ended. */
import { encryptedConnections } from "../facts.ts"
import { groupBy } from "../groupBy.ts"
import type { History } from "../history.ts"
import { resolver } from "../resolve.ts"

export const countBy = <A>(
  items: ReadonlyArray<A>,
  of: (item: A) => string
): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(of(item), (counts.get(of(item)) ?? 0) + 1)
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
}

export interface OperationCounts {
  readonly operation: string
  readonly ok: number
  readonly fail: number
  readonly unknown: number
}

export const operationsOf = ({ calls }: History): ReadonlyArray<OperationCounts> =>
  [...groupBy(calls, ({ operation }) => operation)].sort().map(([operation, ofOne]) => {
    const of = (outcome: string) => ofOne.filter((call) => call.outcome === outcome).length
    return { operation, ok: of("ok"), fail: of("fail"), unknown: of("unknown") }
  })

export const faultsOf = ({ faults }: History): ReadonlyMap<string, number> =>
  countBy(faults, ({ fault }) => fault)

/** Requests that a client sent twice; those that the resolver repeats are none. */
export const repeatsOf = ({ calls }: History): number =>
  calls.filter(({ repeats, client }) => repeats !== undefined && client !== resolver).length

export const durationOf = ({ calls, faults }: History): number =>
  Math.max(
    0,
    ...[...calls, ...faults].map(({ endedAt }) => (Number.isFinite(endedAt) ? endedAt : 0))
  )

/** What some runs have and others have not. */
export const partsOf = ({ run, calls, messages, facts }: History) => {
  const draws = facts.events.filter(({ event }) => event._tag === "QueueOpened")
  const drawn = draws.reduce((sum, { event }) => sum + Number(event.drawn), 0)
  const streams = calls.filter(({ operation }) => operation === "watch").length
  const encrypted = facts.log.find(({ text }) => text === encryptedConnections)?.count ?? 0
  return [
    ["draws checked", draws.length],
    ["numbers that took part in them", drawn],
    ["streams opened", streams],
    ["stream messages", messages.length],
    [encryptedConnections, encrypted],
    ["nodes behind PgBouncer", run.pooled.length]
  ] as const
}
