/**
 * A cursor of the outbox is `seen reading batch_id highest`: two snapshots of transactions that were
 * over, and a place between them. Between two rounds there is no `reading`, and `-` stands for it.
 */
import type { OutboxBatch, OutboxPage } from "./Outbox.ts"

interface Cursor {
  readonly seen: string
  readonly reading: string | null
  readonly batchId: bigint
  readonly highest: bigint
}

export const toCursor = ({ seen, reading, batchId, highest }: Cursor): string =>
  `${seen} ${reading ?? "-"} ${batchId} ${highest}`

export const fromCursor = (cursor: string): Cursor => {
  const [seen, reading, batchId, highest] = cursor.split(" ") as [string, string, string, string]
  return {
    seen,
    reading: reading === "-" ? null : reading,
    batchId: BigInt(batchId),
    highest: BigInt(highest)
  }
}

/**
 * Stands for the life of a page that was read before that life had a name. No later page can be
 * shown to be of the same life.
 */
const unnamedLife = "unnamed"

/**
 * A page of the outbox. `reading` is the snapshot of its round; `found` are the batches behind the
 * cursor that are visible in it, in order, and no more than `limit`.
 */
export const outboxPageOf = (
  { seen, batchId, highest }: Cursor,
  reading: string,
  found: ReadonlyArray<Omit<OutboxBatch, "after">>,
  limit: number,
  life: string | null
): OutboxPage => {
  const round = { seen, reading }
  let highestYet = highest
  const batches = found.map((batch): OutboxBatch => {
    if (batch.batchId > highestYet) highestYet = batch.batchId
    return { ...batch, after: toCursor({ ...round, batchId: batch.batchId, highest: highestYet }) }
  })
  const more = batches.length === limit
  const rest = { seen: reading, reading: null, batchId: 0n, highest: highestYet }
  return {
    batches,
    from: toCursor({ ...round, batchId, highest }),
    next: more ? batches.at(-1)!.after : toCursor(rest),
    more,
    at: life ?? unnamedLife
  }
}
