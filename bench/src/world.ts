/** The database of the benchmark, with tokens, seats, wallets and holds. */
import { BoxOffice, layerOf, QueueTokens } from "@boxoffice/core"
import { SqlStore } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, ManagedRuntime, Redacted } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { PostgresServer } from "../../test-support/startPostgres.ts"

/** The signing key of the queue tokens, here and in servers on the same database. */
export const signingKey = { id: "bench", secret: "a secret of the bench and of nothing else" }

export interface World {
  readonly url: string
  /** The process of the Postgres server. */
  readonly serverPid: number
  readonly office: BoxOffice["Service"]
  readonly query: (statement: string) => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>
  /** Adds this many admitted users; the n-th is `caller(n)`. */
  readonly addUsers: (count: number) => Promise<void>
  readonly caller: (n: number) => { readonly userId: string; readonly queueToken: string }
  /**
   * Adds a performance with this many free seats, from `S0`, to the default show or another one.
   */
  readonly addPerformance: (seats: number, showId?: string) => Promise<string>
  /**
   * Inserts a hold of one seat for each of this many users, from the first one on, without the
   * engine.
   */
  readonly holdAll: (performanceId: string, count: number, firstUser?: number) => Promise<void>
  /** Admits every user again, after payments have completed their tokens. */
  readonly readmitAll: () => Promise<void>
  /** Adds this many ended tokens and released holds, from a year ago. */
  readonly addHistory: (count: number) => Promise<void>
  /** Adds a full queue with this many waiting tokens, and this many ended ones before them. */
  readonly addQueue: (line: {
    readonly waiting: number
    readonly ended?: number
    /** The queue opens at this instant, with a draw. */
    readonly opensAt?: Date
  }) => Promise<string>
  /** The n-th waiting user of such a queue, with their token. */
  readonly waiter: (
    queueId: string,
    n: number
  ) => { readonly userId: string; readonly queueToken: string }
  readonly close: () => Promise<void>
}

/** The n-th id of a kind. SQL computes the same id: see {@link sqlId}. */
export const idOf = (kind: number, n: number): string =>
  `${prefixOf(kind)}${n.toString(16).padStart(12, "0")}`

const prefixOf = (kind: number): string => `${kind.toString(16).padStart(8, "0")}-0000-7000-8000-`

/** {@link idOf} in SQL. */
export const sqlId = (kind: number, n: string): string =>
  `('${prefixOf(kind)}' || lpad(to_hex(${n}::bigint), 12, '0'))::uuid`

export const tokenKind = 1

/** The kind of the ids of a performance's reservations and payments. */
export const reservationKind = (performanceId: string): number =>
  2 + Number(performanceId.slice("bench-".length))

/** The kind of the ids of a queue's tokens. */
const waiterKind = (queueId: string): number => 1_000_000 + Number(queueId.slice("line-".length))

export const openWorld = async ({ url, pid }: PostgresServer): Promise<World> => {
  const sql = PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
  const keys = { [signingKey.id]: signingKey.secret }
  const queueTokens = QueueTokens.layer([
    { id: signingKey.id, secret: Redacted.make(signingKey.secret) }
  ])
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(
      layerOf({
        signingKeys: keys,
        policies: { holdSeconds: 3_600, seatsPerUser: 1_000_000 }
      }).pipe(Layer.provide(SqlStore.layerUrl({ url, migrate: true, maxConnections: 16 }))),
      queueTokens,
      sql
    )
  )
  const services = await runtime.context()
  const office = Context.get(services, BoxOffice)
  const { sign } = Context.get(services, QueueTokens)
  const client = Context.get(services, PgClient.PgClient)
  const query: World["query"] = (statement) =>
    runtime.runPromise(
      client.unsafe(statement) as Effect.Effect<
        ReadonlyArray<Readonly<Record<string, unknown>>>,
        SqlError
      >
    )

  await Effect.runPromise(
    Effect.gen(function* () {
      yield* office.queue.create({
        queueId: "bench",
        settings: { maxActive: 2_000_000_000, admitPerMinute: 2_000_000_000 }
      })
      yield* office.catalog.addShow({
        showId: "bench" as never,
        title: "Benchmark",
        queueId: "bench" as never,
        salesOpenAt: null,
        salesCloseAt: null
      })
    })
  )

  const callers: Array<{ readonly userId: string; readonly queueToken: string }> = []
  let users = 0
  let performances = 0
  let lines = 0
  return {
    url,
    serverPid: pid,
    office,
    query,
    caller: (n) => {
      // Signed before the measurement, because clients do not sign tokens.
      return callers[n % users]!
    },
    addUsers: async (count) => {
      const range = `generate_series(${users}, ${users + count - 1}) AS n`
      // Charged once through the ledger, as the constraints of the schema require.
      await query(`
        INSERT INTO boxoffice.queue_token (token_id, queue_id, user_id, number, state, claimed,
          joined_at, admitted_at, expires_at)
        SELECT ${sqlId(tokenKind, "n")}, 'bench', 'u' || n, n + 1, 'admitted', true,
          now(), now() - interval '1 hour', now() + interval '1 day'
        FROM ${range}`)
      await query(`
        WITH wallets AS (
          INSERT INTO boxoffice.wallet (user_id, currency, balance, version)
          SELECT 'u' || n, 'KRW', 1000000000, 1 FROM ${range}
        )
        INSERT INTO boxoffice.transfer (transfer_id, kind, user_id, counter_account, amount,
          currency, version, balance, made_at)
        SELECT gen_random_uuid(), 'charge', 'u' || n, 'cash', 1000000000, 'KRW', 1, 1000000000,
          now()
        FROM ${range}`)
      for (let n = users; n < users + count; n++) {
        const userId = `u${n}`
        const payload = { queueId: "bench", userId, tokenId: idOf(tokenKind, n) }
        callers.push({ userId, queueToken: sign(payload as Parameters<typeof sign>[0]) })
      }
      users += count
      await query("UPDATE boxoffice.queue SET session_seconds = 86400")
      await query("VACUUM ANALYZE")
    },
    addPerformance: async (seats, showId = "bench") => {
      const performanceId = `bench-${performances++}`
      await query(`
        INSERT INTO boxoffice.show (show_id, title, queue_id) VALUES ('${showId}', 'Show', 'bench')
        ON CONFLICT DO NOTHING`)
      await query(`
        INSERT INTO boxoffice.performance (performance_id, show_id, starts_at, time_zone, currency)
        VALUES ('${performanceId}', '${showId}', '2999-01-01', 'UTC', 'KRW')`)
      await query(`
        INSERT INTO boxoffice.seat (performance_id, seat_id, ordinal, section, seat_row,
          seat_number, price, currency, status)
        SELECT '${performanceId}', 'S' || n, n, 'Stalls', 'R', n, 1000, 'KRW', 'available'
        FROM generate_series(0, ${seats - 1}) AS n`)
      await query("VACUUM ANALYZE boxoffice.seat")
      await query("CHECKPOINT")
      return performanceId
    },
    holdAll: async (performanceId, count, firstUser = 0) => {
      const round = reservationKind(performanceId)
      await query(`
        WITH held AS (
          UPDATE boxoffice.seat SET status = 'held', held_until = now() + interval '1 hour',
            reservation_id = ${sqlId(round, "ordinal")}
          WHERE performance_id = '${performanceId}' AND ordinal < ${count}
          RETURNING *
        )
        INSERT INTO boxoffice.reservation (reservation_id, performance_id, user_id, seats, amount,
          currency, status, held_at, hold_expires_at)
        SELECT reservation_id, performance_id, 'u' || (${firstUser} + ordinal) % ${users},
          jsonb_build_array(jsonb_build_object('seatId', seat_id, 'section', section,
            'row', seat_row, 'number', seat_number, 'amount', price::text, 'currency', currency)),
          price, currency, 'held', now(), held_until
        FROM held`)
      await query("VACUUM ANALYZE boxoffice.seat, boxoffice.reservation")
      await query("CHECKPOINT")
    },
    readmitAll: async () => {
      await query("UPDATE boxoffice.queue_token SET state = 'admitted', ended_at = NULL")
      await query("VACUUM ANALYZE boxoffice.queue_token")
      await query("CHECKPOINT")
    },
    addHistory: async (count) => {
      const range = `generate_series(1, ${count}) AS n`
      await query(`
        INSERT INTO boxoffice.queue_token (token_id, queue_id, user_id, number, state, claimed,
          joined_at, admitted_at, expires_at, ended_at)
        SELECT gen_random_uuid(), 'bench', 'old' || n, 1000000000 + n, 'completed', true,
          at, at, at + interval '10 minutes', at + interval '3 minutes'
        FROM ${range}, LATERAL (SELECT now() - interval '1 year' - n * interval '1 second' AS at) t`)
      await query(`
        INSERT INTO boxoffice.reservation (reservation_id, performance_id, user_id, seats, amount,
          currency, status, held_at, hold_expires_at, ended_at)
        SELECT gen_random_uuid(), 'bench-0', 'old' || n,
          '[{"seatId":"S1","section":"Stalls","row":"R","number":"1","amount":"1000","currency":"KRW"}]',
          1000, 'KRW', 'released', at, at + interval '5 minutes', at + interval '1 minute'
        FROM ${range}, LATERAL (SELECT now() - interval '1 year' - n * interval '1 second' AS at) t`)
      await query("VACUUM ANALYZE")
    },
    addQueue: async ({ waiting, ended = 0, opensAt }) => {
      const queueId = `line-${lines++}`
      await Effect.runPromise(
        office.queue.create({
          queueId,
          opensAt,
          settings: { maxActive: 1, sessionSeconds: 86_400 }
        })
      )
      const last = ended + waiting
      await query(`
        INSERT INTO boxoffice.queue_token (token_id, queue_id, user_id, number, state, claimed,
          joined_at, admitted_at, expires_at, ended_at)
        SELECT ${sqlId(waiterKind(queueId), "n")}, '${queueId}', 'w' || n, n,
          CASE WHEN n > ${ended} THEN 'waiting' ELSE 'completed' END, n <= ${ended}, now(),
          CASE WHEN n <= ${ended} THEN now() END, CASE WHEN n <= ${ended} THEN now() END,
          CASE WHEN n <= ${ended} THEN now() END
        FROM generate_series(1, ${last}) AS n`)
      await query(`
        UPDATE boxoffice.queue SET next_number = ${last + 1}, waiting = ${waiting},
          cursor = ${ended}, active = ${opensAt ? 0 : 1}
        WHERE queue_id = '${queueId}'`)
      await query("VACUUM ANALYZE boxoffice.queue_token")
      await query("CHECKPOINT")
      return queueId
    },
    waiter: (queueId, n) => {
      const userId = `w${n}`
      const payload = {
        queueId,
        userId,
        tokenId: idOf(waiterKind(queueId), n),
        entry: { lane: "general", number: n, issuedAt: Math.floor(Date.now() / 1_000) }
      }
      return { userId, queueToken: sign(payload as Parameters<typeof sign>[0]) }
    },
    close: () => runtime.dispose()
  }
}
