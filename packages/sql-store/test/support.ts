/** Shared by these tests: a database for each, a store over it, and raw SQL beside it. */
import { randomUUID } from "node:crypto"
import {
  type BoxOfficeEvent,
  BoxOfficeStore,
  type CommandId,
  type Currency,
  type NewSeat,
  type Performance,
  type PerformanceId,
  type PromisedBoxOffice,
  type QueueId,
  type QueueSettings,
  type ReservationId,
  type SeatId,
  type Show,
  type ShowId,
  type StoreUnavailable,
  type TokenId,
  type TransferId,
  type UserId
} from "@boxoffice/core"
import { evolve, LoadPlan, type Rows } from "@boxoffice/core/store"
import { PgClient } from "@effect/sql-pg"
import { Effect, type Layer, ManagedRuntime, Redacted } from "effect"
import pg from "pg"
import { onTestFinished } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { SqlStore } from "../src/index.ts"

/** Runs after the test, the last first. */
export const atEnd = (cleanup: () => Promise<unknown>) =>
  onTestFinished(async () => {
    await cleanup()
  })

/** An empty database; gives its URL. */
export const emptyDatabase = async (): Promise<string> => {
  const database = await createTestDatabase()
  atEnd(database.drop)
  return database.url
}

/**
 * A host's pool, ended before its database is dropped. Its end does not wait for the sessions to
 * close, so the server may end them first; this is no error.
 */
export const openPgPool = (connectionString: string, options: pg.PoolConfig = {}): pg.Pool => {
  const pool = new pg.Pool({ connectionString, ...options })
  pool.on("connect", (client) => client.on("error", () => {}))
  pool.on("error", () => {})
  atEnd(() => pool.end())
  return pool
}

/** A store, and how to run its effects. */
export const openStore = async <E>(layer: Layer.Layer<BoxOfficeStore, E>) => {
  const runtime = ManagedRuntime.make(layer)
  atEnd(() => runtime.dispose())
  const store = await runtime.runPromise(BoxOfficeStore)
  const run = <A>(effect: Effect.Effect<A, StoreUnavailable>) => runtime.runPromise(effect)
  return {
    store,
    run,
    close: () => runtime.dispose(),
    transact: <A>(fill: (plan: LoadPlan) => void, decide: (rows: Rows) => A): Promise<A> =>
      run(store.transact(planFor(fill), decide))
  }
}
export type OpenStore = Awaited<ReturnType<typeof openStore>>

export const planFor = (fill: (plan: LoadPlan) => void): LoadPlan => {
  const plan = new LoadPlan()
  fill(plan)
  return plan
}

/** A migrated database, a store over it, and raw SQL beside it. */
export const openDatabase = async (options: { readonly maxConnections?: number } = {}) => {
  const url = await emptyDatabase()
  const opened = await openStore(SqlStore.layerUrl({ url, migrate: true, ...options }))
  return { url, ...opened, sql: openSql(url) }
}

/** One session, apart from the store's: transactions in it stay open between calls. */
export const openSql = (url: string) => {
  const runtime = ManagedRuntime.make(
    PgClient.layer({ url: Redacted.make(url), maxConnections: 1, prepare: false })
  )
  atEnd(() => runtime.dispose())
  return <A extends object = Record<string, unknown>>(statement: string) =>
    runtime.runPromise(Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe<A>(statement)))
}
export type Sql = ReturnType<typeof openSql>

/** Waits until some session of the database waits for a lock. */
export const untilSomeoneWaits = async (url: string) => {
  const sql = openSql(url)
  for (;;) {
    const waiting = await sql(`
      SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`)
    if (waiting.length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Moves every stored instant into the past, since the clock is the database's own. */
export const passTime = (milliseconds: number) => `
  DO $$
  DECLARE tables record;
  BEGIN
    -- Not even the ledger's trigger objects.
    SET LOCAL session_replication_role = replica;
    -- Its key has an instant: by a way round, lest a row is moved to where another one still is.
    UPDATE boxoffice.queue_presence
      SET seen_until = seen_until - interval '365000 days' - interval '${milliseconds} milliseconds';
    -- Admissions of one second are one row: what is now of another second must not meet them.
    WITH moved AS (
      DELETE FROM boxoffice.queue_grant
      RETURNING queue_id, admitted, granted_at - interval '${milliseconds} milliseconds' AS at
    )
    INSERT INTO boxoffice.queue_grant (queue_id, second, admitted, granted_at)
    SELECT queue_id, floor(extract(epoch FROM at)), sum(admitted), max(at)
    FROM moved GROUP BY 1, 2;
    FOR tables IN
      SELECT format('UPDATE %I.%I SET %s', table_schema, table_name, string_agg(
        format('%1$I = %1$I - interval ''${milliseconds} milliseconds''', column_name), ', '
      )) AS update
      FROM information_schema.columns JOIN information_schema.tables
        USING (table_schema, table_name)
      WHERE table_schema = 'boxoffice' AND table_type = 'BASE TABLE'
        AND data_type = 'timestamp with time zone'
        AND table_name NOT IN ('queue_presence', 'queue_grant')
      GROUP BY table_schema, table_name
    LOOP
      EXECUTE tables.update;
    END LOOP;
    UPDATE boxoffice.queue_presence SET seen_until = seen_until + interval '365000 days';
    -- The events tell of the same instants.
    UPDATE boxoffice.outbox SET events = (
      SELECT json_agg(event::jsonb || (
          SELECT coalesce(jsonb_object_agg(field, value::text::bigint - ${milliseconds}), '{}')
          FROM jsonb_each(event::jsonb) AS fields (field, value)
          WHERE field IN ('at', 'expiresAt', 'holdExpiresAt')
        ) ORDER BY place)
      FROM json_array_elements(events) WITH ORDINALITY AS told (event, place)
    );
    -- No time passes behind the back of a map's version but here.
    UPDATE boxoffice.seat SET changes = changes + 1 WHERE held_until IS NOT NULL;
  END $$`

export const id = {
  queue: "q" as QueueId,
  show: "show" as ShowId,
  performance: "p" as PerformanceId,
  user: (name: string) => name as UserId,
  seat: (name: string) => name as SeatId,
  token: () => randomUUID() as string as TokenId,
  reservation: () => randomUUID() as string as ReservationId,
  transfer: () => randomUUID() as string as TransferId,
  command: () => randomUUID() as string as CommandId
}

export const krw = (amount: bigint) => ({ amount, currency: "KRW" as Currency })

export const settings = {
  maxActive: 100,
  admitPerMinute: 100,
  claimSeconds: 60,
  sessionSeconds: 600,
  prioritySharePercent: 50,
  absenceSeconds: 300
}

/** A queue, whatever its name. */
export const addQueue = (
  { transact }: Pick<OpenStore, "transact">,
  queueId: QueueId,
  settings: QueueSettings
): Promise<void> =>
  transact(
    () => {},
    (rows) => rows.addQueue(queueId, settings, null)
  )

type Transact = Pick<OpenStore, "transact">

/** Rows of the catalogue: the engine decides on them before. */
export const addShow = ({ transact }: Transact, show: Show): Promise<void> =>
  transact(
    () => {},
    (rows) => rows.addShow(show)
  )
export const addPerformance = ({ transact }: Transact, performance: Performance): Promise<void> =>
  transact(
    () => {},
    (rows) => rows.addPerformance(performance)
  )
export const addSeats = (
  { transact }: Transact,
  performanceId: PerformanceId,
  seats: ReadonlyArray<NewSeat>
): Promise<void> =>
  transact(
    () => {},
    (rows) => rows.addSeats(performanceId, seats)
  )

/** One queue, one show, one performance with seats A-1 to A-`seats`, 5,000 won each. */
export const seedCatalog = async (database: Transact, { seats = 10, queue = settings } = {}) => {
  await addQueue(database, id.queue, queue)
  await addShow(database, {
    showId: id.show,
    title: "A show",
    queueId: id.queue,
    salesOpenAt: null,
    salesCloseAt: null
  })
  await addPerformance(database, {
    performanceId: id.performance,
    showId: id.show,
    startsAt: new Date("2100-01-01T10:00:00Z"),
    timeZone: "Asia/Seoul"
  })
  const added = Array.from({ length: seats }, (_, index) => ({
    seatId: id.seat(`A-${index + 1}`),
    section: "A",
    row: "1",
    number: String(index + 1),
    price: krw(5_000n)
  }))
  await addSeats(database, id.performance, added)
}

/** A hold of seats that were loaded. */
export const heldEvent = (
  rows: Rows,
  reservationId: ReservationId,
  user: string,
  seatIds: ReadonlyArray<string>,
  milliseconds = 300_000
): BoxOfficeEvent => {
  const seats = seatIds.map((seatId) => {
    const { section, row, number, price } = rows.seat(id.performance, id.seat(seatId))!
    return { seatId: id.seat(seatId), section, row, number, price }
  })
  return {
    _tag: "SeatsHeld",
    reservationId,
    performanceId: id.performance,
    userId: id.user(user),
    seats,
    amount: krw(seats.reduce((sum, seat) => sum + seat.price.amount, 0n)),
    holdExpiresAt: rows.now + milliseconds,
    at: rows.now
  }
}

export const chargedEvent = (
  rows: Rows,
  user: string,
  amount: bigint,
  transferId = id.transfer()
): BoxOfficeEvent => ({
  _tag: "WalletCharged",
  transferId,
  userId: id.user(user),
  amount: krw(amount),
  at: rows.now
})

export const hold = async (
  { transact }: Pick<OpenStore, "transact">,
  user: string,
  seatIds: ReadonlyArray<string>,
  milliseconds?: number
): Promise<ReservationId> => {
  const reservationId = id.reservation()
  await transact(
    (plan) => plan.addSeats(id.performance, seatIds),
    (rows) => evolve(rows, heldEvent(rows, reservationId, user, seatIds, milliseconds))
  )
  return reservationId
}

export const charge = (
  { transact }: Pick<OpenStore, "transact">,
  user: string,
  amount: bigint
): Promise<void> =>
  transact(
    (plan) => plan.wallets.add(id.user(user)),
    (rows) => evolve(rows, chargedEvent(rows, user, amount))
  )

export const pay = async (
  { transact }: Pick<OpenStore, "transact">,
  user: string,
  reservationId: ReservationId
): Promise<TransferId> => {
  const paymentId = id.transfer()
  await transact(
    (plan) => {
      plan.wallets.add(id.user(user))
      plan.reservations.add(reservationId)
    },
    (rows) => {
      const reservation = rows.reservations.get(reservationId)!
      evolve(rows, {
        _tag: "ReservationPaid",
        paymentId,
        reservationId,
        performanceId: id.performance,
        showId: id.show,
        userId: id.user(user),
        seatIds: reservation.seats.map((seat) => seat.seatId),
        amount: reservation.amount,
        at: rows.now
      })
    }
  )
  return paymentId
}

export const refund = async (
  { transact }: Pick<OpenStore, "transact">,
  user: string,
  reservationId: ReservationId
): Promise<TransferId> => {
  const refundId = id.transfer()
  await transact(
    (plan) => {
      plan.wallets.add(id.user(user))
      plan.reservations.add(reservationId)
    },
    (rows) => {
      const reservation = rows.reservations.get(reservationId)!
      evolve(rows, {
        _tag: "PaymentRefunded",
        refundId,
        paymentId: reservation.paymentId!,
        reservationId,
        performanceId: id.performance,
        showId: id.show,
        userId: id.user(user),
        seatIds: reservation.seats.map((seat) => seat.seatId),
        amount: reservation.amount,
        at: rows.now
      })
    }
  )
  return refundId
}

/** Puts one performance on sale behind the queue `main`, by the Promise API: `gala-1` of `gala`. */
export const putOnSale = async (
  office: PromisedBoxOffice,
  seatIds: ReadonlyArray<string>,
  amount: bigint
): Promise<void> => {
  await office.queue.create({ queueId: "main" })
  await office.catalog.addShow({
    showId: "gala",
    title: "Gala",
    queueId: "main",
    salesOpenAt: null,
    salesCloseAt: null
  })
  await office.catalog.addPerformance({
    performanceId: "gala-1",
    showId: "gala",
    startsAt: new Date("2999-12-31T10:30:00.000Z"),
    timeZone: "Asia/Seoul"
  })
  const seat = { section: "Stalls", row: "A", price: { amount, currency: "KRW" } }
  await office.catalog.addSeats({
    performanceId: "gala-1",
    seats: seatIds.map((seatId) => ({ ...seat, seatId, number: seatId }))
  })
}
