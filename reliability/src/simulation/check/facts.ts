/** What a checker knows of a world that has come to rest: its rows, its events and its calls. */
import { aggregateOf, type BoxOfficeEvent } from "@boxoffice/core"
import { decodeEvents } from "@boxoffice/core/store"
import type { CommittedRows } from "../../../../packages/core/src/testing/MemoryDatabase.ts"
import type { World } from "../World.ts"

export interface Committed {
  readonly id: string
  readonly aggregate: string
  readonly event: BoxOfficeEvent
}

export interface Facts {
  readonly world: World
  readonly rows: CommittedRows
  /** In the order of their batches, which is that of their commits wherever one depends on another. */
  readonly events: ReadonlyArray<Committed>
}

/** A broken promise: which invariant, and what broke it. */
export interface Finding {
  readonly invariant: string
  readonly text: string
  /** When it broke, in milliseconds since the world began, if the checker knows. */
  readonly atMs?: number | undefined
  /** The queue in which it broke. */
  readonly queueId?: string | undefined
}

export const toldOf = ({ invariant, text, atMs, queueId }: Finding): string => {
  const at = atMs === undefined ? "" : ` at ${atMs} ms`
  return `${invariant}${at}${queueId === undefined ? "" : `, ${queueId}`}: ${text}`
}

export const factsOf = (world: World): Facts => {
  const rows = world.database.inspect()
  const batches = [...rows.outbox].sort((a, b) => (a.batchId < b.batchId ? -1 : 1))
  return { world, rows, events: batches.flatMap(eventsOf) }
}

type Batch = CommittedRows["outbox"][number]

/** A world is looked at again and again, and a committed batch never changes. */
const read = new WeakMap<Batch, ReadonlyArray<Committed>>()

const eventsOf = (batch: Batch): ReadonlyArray<Committed> => {
  const before = read.get(batch)
  if (before !== undefined) return before
  const { batchId, version, events } = batch
  const decoded = decodeEvents(version, events).map((event, i): Committed => {
    const [kind, id] = aggregateOf(event)
    return { id: `${batchId}-${i + 1}`, aggregate: `${kind}/${id}`, event }
  })
  read.set(batch, decoded)
  return decoded
}

/** Groups items by a key, in their order. */
export const groupBy = <A>(
  items: Iterable<A>,
  keyOf: (item: A) => string
): Map<string, Array<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
