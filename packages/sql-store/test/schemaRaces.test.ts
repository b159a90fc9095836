import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { type LivedDatabase, openLivedDatabase } from "./schema/livedDatabase.ts"
import { openSession, type Refusal, type Session } from "./schema/session.ts"

// Two sessions of the application's role, without the engine and its locks: no order of their
// statements and commits gives one seat to two confirmed reservations.

let lived: LivedDatabase
let buyer: Session
let other: Session
let ids: { readonly lapsed: string; readonly next: string }

beforeAll(async () => {
  lived = await openLivedDatabase()
  buyer = openSession(lived.url)
  other = openSession(lived.url)
})
afterAll(async () => {
  await buyer.close()
  await other.close()
  await lived.drop()
})

const seatId = "A9"
const isSeat = `performance_id = 'gala-2' AND seat_id = '${seatId}'`

/** Two holds that name the seat, which costs nothing here. The seat belongs to the first. */
beforeEach(async () => {
  ids = { lapsed: crypto.randomUUID(), next: crypto.randomUUID() }
  for (const id of Object.values(ids)) {
    await buyer.query(`
      INSERT INTO reservation (reservation_id, performance_id, user_id, seats, amount, currency,
        status, held_at, hold_expires_at)
      VALUES ('${id}', 'gala-2', 'eve', '[{"seatId": "${seatId}"}]', 0, 'KRW', 'held',
        now() - interval '1 minute', now() - interval '1 second')`)
  }
  await buyer.query(`
    UPDATE seat SET status = 'held', reservation_id = '${ids.lapsed}', held_until = now()
    WHERE ${isSeat}`)
})

const confirm = (id: string) => `
  UPDATE reservation SET status = 'confirmed', confirmed_at = now(), payment_id = gen_random_uuid()
  WHERE reservation_id = '${id}'`
const take = () => `UPDATE seat SET reservation_id = '${ids.next}' WHERE ${isSeat}`

const refusedBy = (statement: Promise<unknown>): Promise<string | undefined> =>
  statement.then(
    () => "nothing",
    (error) => (error as { reason: { cause: Refusal } }).reason.cause.constraint
  )

/** Waits until a statement waits for a lock, or has ended without. */
const waits = async (statement: Promise<unknown>) => {
  let ended = false
  const end = () => {
    ended = true
  }
  statement.then(end, end)
  while (!ended) {
    const waiting = await lived.admin.query(`
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
    if (waiting.length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const confirmedWithSeat = async () => {
  const rows = await lived.admin.query<{ id: string }>(`
    SELECT reservation_id AS id FROM reservation
    WHERE status = 'confirmed' AND reservation_id IN ('${ids.lapsed}', '${ids.next}')`)
  return rows.map(({ id }) => id)
}

describe("a reservation is confirmed while another one takes its seat", () => {
  test("the taker waits, and is refused", async () => {
    await buyer.query("BEGIN")
    await buyer.query(confirm(ids.lapsed))
    await other.query("BEGIN")
    const taken = refusedBy(other.query(take()))
    await waits(taken)
    await buyer.query("COMMIT")
    expect(await taken).toBe("seat_of_confirmed_stays")
    await other.query("ROLLBACK")
    expect(await confirmedWithSeat()).toEqual([ids.lapsed])
    await free()
  })

  test("the confirmation waits, and is refused", async () => {
    await other.query("BEGIN")
    await other.query(take())
    await buyer.query("BEGIN")
    const confirmed = refusedBy(buyer.query(confirm(ids.lapsed)))
    await waits(confirmed)
    await other.query("COMMIT")
    expect(await confirmed).toBe("reservation_confirmed_has_seats")
    await buyer.query("ROLLBACK")
    await other.query(confirm(ids.next))
    expect(await confirmedWithSeat()).toEqual([ids.next])
    await free()
  })
})

/** Gives the seat back: the reservation that has it was free of charge. */
const free = async () => {
  await buyer.query(`
    UPDATE reservation SET status = 'cancelled', ended_at = now() WHERE status = 'confirmed'
      AND reservation_id IN ('${ids.lapsed}', '${ids.next}')`)
  await buyer.query(`UPDATE seat SET status = 'available', reservation_id = NULL, held_until = NULL
    WHERE ${isSeat}`)
}

test("a paid seat is not free again before its payment is given back", async () => {
  const paid = "status = 'confirmed' AND amount > 0"
  const [row] = await buyer.query<{ id: string }>(
    `SELECT reservation_id AS id FROM reservation WHERE ${paid} LIMIT 1`
  )
  await buyer.query("BEGIN")
  await buyer.query(`UPDATE reservation SET status = 'cancelled', ended_at = now()
    WHERE reservation_id = '${row!.id}'`)
  const freed = await refusedBy(
    buyer.query(`UPDATE seat SET status = 'available', reservation_id = NULL
      WHERE reservation_id = '${row!.id}'`)
  )
  await buyer.query("ROLLBACK")
  expect(freed).toBe("seat_sold_owner_is_final")
})
