/**
 * The owner of a seat, and the number of seats of a user, while clocks step back and commits are
 * slow.
 */
import { makeBoxOffice } from "@boxoffice/core"
import { expect, test } from "vitest"
import { SqlStore } from "../src/index.ts"
import { atEnd, emptyDatabase, openSql, type Sql } from "./support.ts"

const policies = { gate: [], holdSeconds: 2, seatsPerUser: 2, catalogMaxAgeMs: 0 } as const
const price = { amount: 100n, currency: "KRW" }

const openNode = async (url: string, migrate = false) => {
  const office = await makeBoxOffice(SqlStore.layerUrl({ url, migrate }), {
    signingKeys: { test: "owners owners owners owners owners" },
    policies
  })
  atEnd(office.close)
  return office
}

/** A node, and a hall of ten seats; Ada and Bob have money. */
const openOffice = async (url: string) => {
  const office = await openNode(url, true)
  await office.queue.create({ queueId: "main" })
  const window = { salesOpenAt: null, salesCloseAt: null }
  await office.catalog.addShow({ showId: "gala", title: "Gala", queueId: "main", ...window })
  const startsAt = new Date("2999-12-31T19:00:00Z")
  const performance = { performanceId: "gala-1", showId: "gala", startsAt, timeZone: "Asia/Seoul" }
  await office.catalog.addPerformance(performance)
  const seats = Array.from({ length: 10 }, (_, i) => ({
    seatId: `A${i + 1}`,
    section: "A",
    row: "1",
    number: String(i + 1),
    price
  }))
  await office.catalog.addSeats({ performanceId: "gala-1", seats })
  for (const userId of ["ada", "bob"]) {
    await office.wallet.charge({ userId, amount: { amount: 10_000n, currency: "KRW" } })
  }
  const hold = (userId: string, ...seatIds: ReadonlyArray<string>) =>
    office.reservations.hold({ userId, performanceId: "gala-1", seatIds })
  return { office, hold }
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "ok",
    (error) => error.code
  )

const sold = async (sql: Sql) =>
  sql("SELECT seat_id, reservation_id FROM boxoffice.seat WHERE status = 'sold' ORDER BY seat_id")

test("a clock that steps back sells no seat twice: the hold that lost it cannot be paid", async () => {
  const url = await emptyDatabase()
  const sql = openSql(url)
  const name = new URL(url).pathname.slice(1)
  // A clock that the test can turn back, in front of the server's.
  await sql("CREATE SCHEMA turned")
  await sql("CREATE TABLE turned.back (by interval)")
  await sql("INSERT INTO turned.back VALUES ('0')")
  await sql(`CREATE FUNCTION turned.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() - (SELECT by FROM turned.back)'`)
  await sql(`ALTER DATABASE "${name}" SET search_path = turned, pg_catalog, public`)
  const { office, hold } = await openOffice(url)
  const lost = await hold("ada", "A1", "A2")
  await expect.poll(() => codeOf(hold("bob", "A1")), { interval: 200 }).toBe("ok")
  const [won] = (await office.reservations.list({ userId: "bob" })).items
  await sql("UPDATE turned.back SET by = '2 seconds'")
  const pay = (userId: string, reservationId: string) =>
    office.payments.pay({ userId, reservationId })
  expect(await codeOf(pay("ada", lost.reservationId))).toBe("hold_expired")
  expect(await codeOf(pay("bob", won!.reservationId))).toBe("ok")
  expect(await sold(sql)).toEqual([{ seat_id: "A1", reservation_id: won!.reservationId }])
  // Releasing it takes nothing from its new owner.
  await office.reservations.release({ userId: "ada", reservationId: lost.reservationId })
  expect(await sold(sql)).toHaveLength(1)
})

test("a payment that is still committing counts: no user exceeds seatsPerUser beside it", async () => {
  const url = await emptyDatabase()
  const sql = openSql(url)
  const { office, hold } = await openOffice(url)
  const other = await openNode(url)
  const { reservationId, holdExpiresAt } = await hold("ada", "A1", "A2")
  await sql(`CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep(3); RETURN NULL; END'`)
  await sql(`CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON boxoffice.reservation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'confirmed')
    EXECUTE FUNCTION public.slow()`)
  const paid = codeOf(office.payments.pay({ userId: "ada", reservationId }))
  // Until the hold has lapsed while the payment has not committed yet.
  const instant = Math.floor(holdExpiresAt.getTime()) + 1
  await sql(`SELECT pg_sleep(greatest(0, ${instant} / 1000.0 - extract(epoch FROM clock_timestamp()))
    ::float8)`)
  const more = codeOf(
    other.reservations.hold({ userId: "ada", performanceId: "gala-1", seatIds: ["A3", "A4"] })
  )
  expect([await paid, await more]).toEqual(["ok", "limit_exceeded"])
})
