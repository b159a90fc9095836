/**
 * Writes down a database as the migrations of now leave it, with rows of every kind in it that the
 * engine of now has made: `NNNN.sql`, once for each released version, never to be changed. The
 * upgrade tests begin with each of them.
 *
 *     node --conditions=boxoffice-source packages/sql-store/test/released/take.ts
 */
import { existsSync, writeFileSync } from "node:fs"
import { makeBoxOffice, type Policies } from "@boxoffice/core"
import { PgClient } from "@effect/sql-pg"
import { Effect, ManagedRuntime, Redacted } from "effect"
import { startPostgres } from "../../../../test-support/startPostgres.ts"
import { SqlStore } from "../../src/index.ts"
import { head, nothingYet, stepsOf } from "../../src/migrator/steps.ts"
import { schemaName } from "../../src/schemaName.ts"

const file = new URL(`${String(head).padStart(4, "0")}.sql`, import.meta.url)
if (existsSync(file)) throw new Error(`${file.pathname} is there: a released version never changes`)

const krw = (amount: bigint) => ({ amount, currency: "KRW" })

/** Tokens, reservations, seats and wallets in every state they can be in. */
const play = async (url: string) => {
  const policies: Partial<(typeof Policies)["Service"]> = {
    holdSeconds: 2,
    walletCeiling: 2n ** 60n
  }
  await using office = await makeBoxOffice(SqlStore.layerUrl({ url, migrate: true }), {
    signingKeys: { k1: "a secret of at least thirty-two bytes" },
    policies,
    sweepEvery: "200 millis"
  })
  const opening = { salesOpenAt: new Date("2020-01-01"), salesCloseAt: new Date("2999-01-01") }
  await office.queue.create({ queueId: "main", settings: { claimSeconds: 60, maxActive: 100 } })
  await office.queue.create({ queueId: "narrow", settings: { sessionSeconds: 1, maxActive: 1 } })
  await office.catalog.addShow({ showId: "gala", title: "Gala", queueId: "main", ...opening })
  await office.catalog.addPerformance({
    performanceId: "gala-1",
    showId: "gala",
    startsAt: new Date("2999-12-31T10:30:00Z"),
    timeZone: "Asia/Seoul"
  })
  await office.catalog.addSeats({
    performanceId: "gala-1",
    seats: ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8"].map((seatId) => ({
      seatId,
      section: "Stalls",
      row: "A",
      number: seatId.slice(1),
      price: krw(110_000n),
      blocked: seatId === "A8"
    }))
  })
  const join = async (userId: string, queueId = "main") => {
    const { token } = await office.queue.join({ queueId, userId })
    return { userId, queueToken: token }
  }
  const performanceId = "gala-1"

  // Ada owns two seats, with more in her wallet than JSON numbers carry.
  const ada = await join("ada")
  await office.wallet.charge({ ...ada, amount: krw(2n ** 53n + 1n), idempotencyKey: "charge-ada" })
  const hers = await office.reservations.hold({ ...ada, performanceId, seatIds: ["A1", "A2"] })
  await office.payments.pay({
    ...ada,
    reservationId: hers.reservationId,
    idempotencyKey: "pay-ada"
  })
  // Bob has paid and was refunded, in the course of which his seat became free.
  const bob = await join("bob")
  const his = await office.reservations.hold({ ...bob, performanceId, seatIds: ["A3"] })
  await office.wallet.charge({ ...bob, amount: krw(200_000n) })
  const { paymentId } = await office.payments.pay({ ...bob, reservationId: his.reservationId })
  await office.payments.refund({ paymentId })
  // Cid has given a seat back, and left.
  const cid = await join("cid")
  const given = await office.reservations.hold({ ...cid, performanceId, seatIds: ["A4"] })
  await office.reservations.release({ userId: "cid", reservationId: given.reservationId })
  await office.queue.leave(cid)
  // Dan's hold has lapsed and was tidied. Of the narrow queue, Eve was idle, Fay waits.
  const dan = await join("dan")
  await office.reservations.hold({ ...dan, performanceId, seatIds: ["A5"] })
  await join("eve", "narrow")
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  await join("gus", "narrow")
  await join("fay", "narrow")
  await office.queue.setMode("narrow", "paused")
  // Hal holds a seat, and is inside.
  const hal = await join("hal")
  await office.reservations.hold({ ...hal, performanceId, seatIds: ["A6"] })
}

// Each after the rows that it refers to, as far as there is such an order: keys are not checked
// anyway.
const rowsOf = `
  SELECT format('INSERT INTO boxoffice.%I (%s) OVERRIDING SYSTEM VALUE VALUES', relname, columns)
    AS head, values AS expression, relname AS table
  FROM pg_class c, LATERAL (
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns,
      string_agg(format(
        -- Transactions of that server mean nothing on another one.
        CASE WHEN atttypid = 'xid8'::regtype THEN '''''''3''''''' ELSE 'quote_nullable(%I)' END,
        attname), ' || '', '' || ' ORDER BY attnum) AS values
    FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
      AND attgenerated = ''
  ) a
  WHERE relnamespace = 'boxoffice'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname`

const server = await startPostgres()
try {
  await play(server.url)
  const runtime = ManagedRuntime.make(PgClient.layer({ url: Redacted.make(server.url) }))
  const query = (statement: string) =>
    runtime.runPromise(
      Effect.flatMap(PgClient.PgClient, (sql) =>
        sql.unsafe<Readonly<Record<string, string>>>(statement)
      )
    )
  const rows: Array<string> = []
  for (const { head, expression, table } of await query(rowsOf)) {
    if (table === "migration") continue
    const found = await query(`SELECT ${expression} AS row FROM boxoffice.${table} ORDER BY 1`)
    if (found.length === 0) continue
    rows.push(`${head}\n${found.map(({ row }) => `  (${row})`).join(",\n")};`)
  }
  const identities = await query(`
    SELECT format('PERFORM setval(%L, (SELECT max(%I) FROM boxoffice.%I));',
      pg_get_serial_sequence('boxoffice.' || relname, attname), attname, relname) AS statement
    FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
    WHERE relnamespace = 'boxoffice'::regnamespace AND attidentity <> '' ORDER BY relname`)
  await runtime.dispose()
  const structure = stepsOf(schemaName("boxoffice"), nothingYet).map(({ sql }) => sql)
  const parts = [
    `-- A database at version ${head}, written by take.ts. The body of a block of PL/pgSQL.`,
    ...structure,
    "-- The rows come as they were, in any order: nothing is checked meanwhile.",
    "SET LOCAL session_replication_role = replica;",
    ...rows,
    ...identities.map(({ statement }) => statement)
  ]
  writeFileSync(file, `${parts.join("\n\n")}\n`)
} finally {
  await server.stop()
}
