/** The operations on the outbox and its consumers: see `operations/outbox` of the SQL store. */
import type { Effect } from "effect"
import type { StoreUnavailable } from "../../Errors.ts"
import { fromCursor, outboxPageOf, toCursor } from "../../events/cursor.ts"
import type { Bookmark, ConsumerStatus, Outbox, StartingPoint } from "../../events/Outbox.ts"
import type { Statement } from "../database/Statement.ts"
import { isVisibleIn, parseSnapshot } from "../database/snapshots.ts"
import { noteCleared } from "./clear.ts"
import { byText, greater } from "./order.ts"
import type { Query } from "./Pipeline.ts"
import { reading } from "./reads.ts"
import type { StoredBatch, StoredConsumer } from "./rows.ts"
import { all, type Schema } from "./schema.ts"

/** Runs a statement of its own on a connection for reads. */
export type RunQuery = <A>(query: Query<A>) => Effect.Effect<A, StoreUnavailable>

/** Before all transactions. */
const nothingSeen = "3:3:"

const cursorOf = ({ seen, reading, batchId, highest, position }: StoredConsumer): Bookmark => ({
  cursor: toCursor({ seen, reading, batchId, highest }),
  position
})

/** A lease that was taken or renewed in the future says that the clock has stepped back since. */
const isOver = ({ leasedUntil, movedAt }: StoredConsumer, now: number): boolean =>
  leasedUntil <= now || movedAt > now

const byBatchId = (a: { readonly batchId: bigint }, b: { readonly batchId: bigint }) =>
  a.batchId < b.batchId ? -1 : 1

export const makeOutbox = (schema: Schema, uuid: () => string, runQuery: RunQuery): Outbox => {
  const batches = (statement: Statement): Array<StoredBatch> =>
    statement.scan(schema.outbox).map(({ row }) => row)
  const highestOf = (statement: Statement): bigint =>
    batches(statement).reduce((most, { batchId }) => greater(most, batchId), 0n)
  const startingAt = (statement: Statement, point: StartingPoint) =>
    point === "now"
      ? { seen: statement.database.snapshot(statement.transaction), highest: highestOf(statement) }
      : { seen: nothingSeen, highest: 0n }
  const lifeOf = (statement: Statement): string | null =>
    statement.get(schema.life, "server_life_pkey", all)?.row.lifeId ?? null
  const isSameLife = (statement: Statement, since: string | undefined): boolean =>
    since === undefined || lifeOf(statement) === since

  return {
    takeLease: ({ consumer, owner, replaces = owner, leaseMs, from }) =>
      runQuery({
        name: "take the lease of a consumer",
        *run(statement) {
          const now = statement.now()
          const start = startingAt(statement, from)
          const life = { lifeId: uuid() }
          yield* statement.insert(schema.life, life, { index: "server_life_pkey" })
          const row: StoredConsumer = {
            ...start,
            consumer,
            reading: null,
            batchId: 0n,
            position: 0,
            owner,
            leasedUntil: now + leaseMs,
            movedAt: now
          }
          const held = yield* statement.insert(schema.consumer, row, {
            index: "event_consumer_pkey",
            update: (there) =>
              there.owner === owner || there.owner === replaces || isOver(there, statement.now())
                ? { ...there, owner, leasedUntil: row.leasedUntil, movedAt: now }
                : undefined
          })
          return held === undefined ? "busy" : cursorOf(held.row)
        }
      }),
    read: (cursor, limit, since) =>
      runQuery(
        reading("read the outbox", (statement) => {
          if (!isSameLife(statement, since)) return "interrupted"
          const from = fromCursor(cursor)
          const round = from.reading ?? statement.database.snapshot(statement.transaction)
          const found = batchesBehind(statement, schema, { ...from, reading: round })
            .slice(0, limit)
            .map(({ batchId, version, events }) => ({ batchId, version, events }))
          return outboxPageOf(from, round, found, limit, lifeOf(statement))
        })
      ),
    save: ({ consumer, owner, leaseMs, bookmark, since }) =>
      runQuery({
        name: "save a consumer",
        *run(statement) {
          const livesOn = isSameLife(statement, since)
          const found = statement.get(schema.consumer, "event_consumer_pkey", consumer)
          const isOwn = (row: StoredConsumer) => row.owner === owner
          if (found === undefined || !isOwn(found.row)) return false
          const change = (row: StoredConsumer): StoredConsumer => ({
            ...row,
            ...(livesOn ? { ...fromCursor(bookmark.cursor), position: bookmark.position } : {}),
            leasedUntil: statement.now() + leaseMs,
            movedAt: statement.now()
          })
          const saved = yield* statement.update(schema.consumer, found, change, isOwn)
          if (saved === undefined) return false
          return livesOn || "interrupted"
        }
      }),
    consumers: runQuery(
      reading("list consumers", (statement) => {
        const now = statement.now()
        const highest = highestOf(statement)
        return statement
          .scan(schema.consumer)
          .map(({ row }): ConsumerStatus => {
            const behind = Number(highest - row.highest)
            return {
              consumer: row.consumer,
              active: row.owner !== null && row.leasedUntil > now,
              batchesBehind: Math.max(0, behind),
              movedAt: row.movedAt,
              misplaced: false
            }
          })
          .sort(byText(({ consumer }) => consumer))
      })
    ),
    reset: (consumer, to) =>
      runQuery({
        name: "reset a consumer",
        *run(statement) {
          const found = statement.get(schema.consumer, "event_consumer_pkey", consumer)
          if (found === undefined) return false
          const now = statement.now()
          const start = startingAt(statement, to)
          const reset = yield* statement.update(schema.consumer, found, (row) => ({
            ...row,
            ...start,
            reading: null,
            batchId: 0n,
            position: 0,
            owner: null,
            leasedUntil: now,
            movedAt: now
          }))
          return reset !== undefined
        }
      }),
    // There is one cluster.
    recover: runQuery(reading("recover consumers", () => [])),
    remove: (consumer) =>
      runQuery({
        name: "remove a consumer",
        *run(statement) {
          const found = statement.get(schema.consumer, "event_consumer_pkey", consumer)
          if (found === undefined) return false
          return (yield* statement.remove(schema.consumer, found)) !== undefined
        }
      }),
    prune: (olderThanMs, limit) =>
      runQuery({
        name: "prune the outbox",
        *run(statement) {
          const before = statement.now() - olderThanMs
          const consumers = statement.scan(schema.consumer).map(({ row }) => ({
            batchId: row.batchId,
            seen: parseSnapshot(row.seen),
            reading: row.reading === null ? undefined : parseSnapshot(row.reading)
          }))
          const oldest = statement
            .scan(schema.outbox)
            .sort((a, b) => byBatchId(a.row, b.row))
            .slice(0, limit)
          let deleted = 0
          let upTo = Number.NEGATIVE_INFINITY
          for (const version of oldest) {
            const { occurredAt, xid, batchId } = version.row
            const isPassedBy = ({ seen, reading, batchId: passed }: (typeof consumers)[number]) =>
              isVisibleIn(seen, Number(xid)) ||
              (batchId <= passed && reading !== undefined && isVisibleIn(reading, Number(xid)))
            if (occurredAt >= before || !consumers.every(isPassedBy)) continue
            if ((yield* statement.remove(schema.outbox, version)) === undefined) continue
            deleted++
            upTo = Math.max(upTo, occurredAt)
          }
          yield* noteCleared(statement, schema, "outbox", upTo)
          return deleted
        }
      })
  }
}

/**
 * The batches of a round behind a cursor, in order: those of transactions that were in progress when
 * `seen` was taken, and those of later ones, as far as `reading` shows them.
 */
const batchesBehind = (
  statement: Statement,
  schema: Schema,
  {
    seen,
    reading,
    batchId
  }: { readonly seen: string; readonly reading: string; readonly batchId: bigint }
): Array<StoredBatch> => {
  const passed = parseSnapshot(seen)
  const round = parseSnapshot(reading)
  const found: Array<StoredBatch> = []
  for (const { row } of statement.scan(schema.outbox)) {
    if (row.batchId <= batchId) continue
    const xid = Number(row.xid)
    if (!isVisibleIn(passed, xid) && isVisibleIn(round, xid)) found.push(row)
  }
  return found.sort(byBatchId)
}
