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

const micros = (instant: string) => `(extract(epoch FROM ${instant}) * 1000000)::int8`

/** The time of a page, in microseconds since 1970, by the server's clock. */
export const readAt = `${micros("clock_timestamp()")}::text`

/**
 * Whether the server's session that runs this was there already when a page was read, at `since`: then
 * the server has not crashed in between, since a crash ends every session, and a new leader begins with
 * none. Another session, as a pool opens one now and then, only makes some events come again.
 */
export const livesOn = (since: string): string => `(${since}::text IS NULL OR coalesce(
  (SELECT ${micros("backend_start")} FROM pg_stat_get_activity(pg_backend_pid())),
  ${micros("pg_postmaster_start_time()")}, 0) <= ${since}::text::int8)`
