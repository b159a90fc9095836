/**
 * A cursor is `seen reading batch_id highest`: see `event_consumer` in `migrations/`. Between two
 * rounds nothing is being read, which `-` stands for.
 */

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
