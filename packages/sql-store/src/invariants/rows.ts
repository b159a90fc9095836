/** Compares rows with other rows: the ledger's entries, payments, seats, and the counts of queues. */
import type { SchemaName } from "../schemaName.ts"

/** Each entry goes on from the one before, in the wallet's own currency. */
export const entriesInLine = (schema: SchemaName) => `
    SELECT count(*) FROM (
      SELECT user_id, version, balance, amount, currency,
        lag(version, 1, 0::bigint) OVER line AS version_before,
        lag(balance, 1, 0::bigint) OVER line AS balance_before
      FROM ${schema}.transfer WINDOW line AS (PARTITION BY user_id ORDER BY version)
    ) e LEFT JOIN ${schema}.wallet w USING (user_id)
    WHERE (e.version, e.balance, e.currency)
      IS DISTINCT FROM (version_before + 1, balance_before + amount, w.currency)`

/** A payment is the one that its reservation names, of the same user, for the same show. */
export const paymentsOfTheirReservations = (schema: SchemaName) => `
    SELECT count(*) FROM ${schema}.transfer t
    LEFT JOIN ${schema}.reservation r USING (reservation_id)
    LEFT JOIN ${schema}.performance p USING (performance_id)
    WHERE t.kind <> 'charge' AND (
      (t.user_id, t.currency, t.counter_account)
        IS DISTINCT FROM (r.user_id, r.currency, 'revenue:' || p.show_id)
      OR (t.kind = 'payment' AND r.payment_id IS DISTINCT FROM t.transfer_id))`

/** The price of a reservation is the sum of the prices of its seats. */
export const pricesOfReservations = (schema: SchemaName) => `
    SELECT count(*) FROM ${schema}.reservation r, LATERAL (
      SELECT sum((seat ->> 'amount')::bigint) AS amount, min(seat ->> 'currency') AS currency,
        max(seat ->> 'currency') AS other
      FROM jsonb_array_elements(r.seats) seat
    ) due WHERE (r.amount, r.currency, r.currency)
      IS DISTINCT FROM (due.amount, due.currency, due.other)`

/** A seat belongs to a live reservation that names it, and a held one for as long as that says. */
export const seatsOfTheirReservations = (schema: SchemaName) => `
    SELECT count(*) FROM ${schema}.seat s
    LEFT JOIN ${schema}.reservation r USING (reservation_id)
    WHERE s.reservation_id IS NOT NULL AND (
      r.performance_id IS DISTINCT FROM s.performance_id
      OR r.status NOT IN ('held', 'confirmed')
      OR NOT r.seats @> jsonb_build_array(jsonb_build_object('seatId', s.seat_id))
      OR (s.status = 'held' AND s.held_until <> r.hold_expires_at))`

/** A hold that has not lapsed has every seat that it names. Seats of a lapsed one are free to all. */
export const seatsOfHolds = (schema: SchemaName) => `
    SELECT count(*) FROM ${schema}.reservation r
    CROSS JOIN jsonb_array_elements(r.seats) held
    LEFT JOIN ${schema}.seat s ON s.seat_id = held ->> 'seatId'
      AND s.performance_id = r.performance_id
    WHERE r.status = 'held' AND r.hold_expires_at > clock_timestamp()
      AND s.reservation_id IS DISTINCT FROM r.reservation_id`

/**
 * The counts that admissions are decided by are those of the tokens: how many wait and are inside,
 * that no number is given twice, and that no token waits behind the cursor. The place of a token of a
 * draw is not its number.
 */
export const countsOfQueues = (schema: SchemaName) => `
    SELECT count(*) FROM ${schema}.queue q
    LEFT JOIN (
      SELECT queue_id,
        count(*) FILTER (WHERE state = 'waiting' AND lane = 0) AS waiting,
        count(*) FILTER (WHERE state = 'waiting' AND lane = 1) AS priority_waiting,
        count(*) FILTER (WHERE state = 'admitted') AS inside,
        max(number) FILTER (WHERE lane = 0) AS last,
        max(number) FILTER (WHERE lane = 1) AS priority_last,
        min(number) FILTER (WHERE state = 'waiting' AND lane = 0 AND number > drawn) AS first,
        min(number) FILTER (WHERE state = 'waiting' AND lane = 1) AS priority_first
      FROM ${schema}.queue_token JOIN ${schema}.queue USING (queue_id) GROUP BY queue_id
    ) t USING (queue_id)
    -- One of no queue is never taken off.
    FULL JOIN (SELECT queue_id, sum(exits) AS exits FROM ${schema}.queue_exit GROUP BY queue_id) e
      USING (queue_id)
    LEFT JOIN (SELECT queue_id, max(seq) AS seq FROM ${schema}.queue_departure GROUP BY queue_id) d
      USING (queue_id)
    WHERE (q.waiting, q.priority_waiting, q.active) IS DISTINCT FROM (coalesce(t.waiting, 0),
        coalesce(t.priority_waiting, 0), coalesce(t.inside, 0) + coalesce(e.exits, 0))
      OR t.last >= q.next_number OR t.priority_last >= q.priority_next_number
      OR t.first <= q.cursor OR t.priority_first <= q.priority_cursor
      OR d.seq > q.departed`
