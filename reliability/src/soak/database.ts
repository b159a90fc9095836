/** What the soak reads from the database: sizes, dead rows, connections, and how far readers are. */
import { BoxOfficeStore, EventFeed } from "@boxoffice/core"
import { Invariants, SqlStore } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"

/** Values by the name of what was measured. */
type Measured = Readonly<Record<string, number>>

export interface SoakDatabase {
  readonly measure: () => Promise<Measured>
  /** The share of each table that is dead or free, in percent; empty without pgstattuple. */
  readonly bloat: () => Promise<Measured>
  /** Deletes what is older than this, as the sweeper does: with its minimums nothing would be due. */
  readonly clear: (olderThanMs: number) => Promise<number>
  /** The events that its own consumer has received. */
  readonly consumed: () => number
  /** The invariants that are violated, and the number of deadlocks. */
  readonly faults: () => Promise<ReadonlyArray<string>>
  readonly close: () => Promise<void>
}

const application = "boxoffice-soak"

/** Rows and bytes of each table, with its indexes; the rows of books are counted to compare. */
const sizes = `
  SELECT c.relname::text AS name, pg_relation_size(c.oid)::float8 AS heap,
    pg_indexes_size(c.oid)::float8 AS indexes, s.n_dead_tup::float8 AS dead,
    s.n_live_tup::float8 AS live
  FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
  WHERE c.relnamespace = 'boxoffice'::regnamespace AND c.relkind = 'r'`

const state = `
  SELECT
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
      AND backend_type = 'client backend' AND application_name <> '${application}')::float8
      AS connections,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
      AND state LIKE 'idle in transaction%' AND state_change < now() - interval '1 second')::float8
      AS "stuckTransactions",
    (SELECT count(*) FROM boxoffice.outbox)::float8 AS "outboxRows",
    (SELECT count(*) FROM boxoffice.webhook_delivery WHERE state = 'waiting')::float8
      AS "deliveriesWaiting",
    (SELECT coalesce(extract(epoch FROM now() - min(parked_at)), 0)
      FROM boxoffice.webhook_delivery WHERE state = 'waiting')::float8 AS "oldestDeliverySeconds",
    (SELECT count(*) FROM boxoffice.webhook_delivery WHERE state = 'dead')::float8 AS "deadLetters"`

export const openSoakDatabase = async (url: string): Promise<SoakDatabase> => {
  const named = new URL(url)
  named.searchParams.set("application_name", application)
  const store = SqlStore.layerUrl({ url: named.href, migrate: true, maxConnections: 3 })
  const sql = PgClient.layer({ url: Redacted.make(named.href), maxConnections: 1 })
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(EventFeed.layerAlone.pipe(Layer.provideMerge(store)), sql)
  )
  const query = <A extends object>(statement: string) =>
    runtime.runPromise(Effect.flatMap(PgClient.PgClient, (client) => client.unsafe<A>(statement)))
  let consumed = 0
  const consuming = new AbortController()
  const consumer = Effect.flatMap(EventFeed, (feed) =>
    feed.forEach("soak", () => Effect.sync(() => void consumed++))
  )
  await runtime.context()
  void runtime.runPromise(consumer, { signal: consuming.signal }).catch(() => {})

  const hasTuples = await query("CREATE EXTENSION IF NOT EXISTS pgstattuple").then(
    () => true,
    () => false
  )
  const deadlocksBefore = await runtime.runPromise(Invariants.deadlocks)

  return {
    measure: async () => {
      const measured: Record<string, number> = {}
      for (const { name, heap, indexes, dead, live } of await query<Size>(sizes)) {
        measured[`table ${name}`] = heap
        measured[`indexes ${name}`] = indexes
        measured[`dead ${name}`] = dead
        measured[`live ${name}`] = live
      }
      const consumers = await runtime.runPromise(
        Effect.flatMap(EventFeed, (feed) => feed.consumers())
      )
      for (const { consumer, batchesBehind } of consumers) {
        measured[`behind ${consumer}`] = batchesBehind
      }
      const [row] = await query<Measured>(state)
      return { ...measured, ...row }
    },
    bloat: async () => {
      if (!hasTuples) return {}
      const rows = await query<{ name: string; waste: number }>(`
        SELECT c.relname::text AS name,
          (t.dead_tuple_percent + t.free_percent)::float8 AS waste
        FROM pg_class c, LATERAL pgstattuple(c.oid) t
        WHERE c.relnamespace = 'boxoffice'::regnamespace AND c.relkind = 'r'
          AND c.relpersistence = 'p' AND pg_relation_size(c.oid) > 65536 ORDER BY 1`)
      return Object.fromEntries(rows.map(({ name, waste }) => [name, waste]))
    },
    clear: (olderThanMs) =>
      runtime.runPromise(
        Effect.gen(function* () {
          const { clearTokens, clearReservations, clearOutcomes, outbox, deliveries } =
            yield* BoxOfficeStore
          const clears = [
            clearTokens,
            clearReservations,
            clearOutcomes,
            outbox.prune,
            deliveries.clear
          ]
          let cleared = 0
          for (const clear of clears) cleared += yield* clear(olderThanMs, 1_000)
          return cleared
        })
      ),
    consumed: () => consumed,
    faults: async () => {
      const checks = await runtime.runPromise(Invariants.check())
      const deadlocks = (await runtime.runPromise(Invariants.deadlocks)) - deadlocksBefore
      return [
        ...checks
          .filter(({ violations }) => violations > 0)
          .map(({ invariant, meaning, violations }) => `${invariant}: ${meaning} (${violations})`),
        ...(deadlocks > 0 ? [`I11: ${deadlocks} deadlocks`] : [])
      ]
    },
    close: async () => {
      consuming.abort()
      await runtime.dispose()
    }
  }
}

interface Size {
  readonly name: string
  readonly heap: number
  readonly indexes: number
  readonly dead: number
  readonly live: number
}
