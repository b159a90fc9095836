/**
 * Reads the database after the storm and looks for what must not be there. Each check is a query
 * that counts violations of one invariant; it knows nothing of how the engine works.
 */

export interface Check {
  readonly invariant: string
  readonly meaning: string
  readonly violations: number
}

export interface CheckOptions {
  readonly query: (statement: string) => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>
  readonly maxActive: number
  readonly admitPerMinute: number
  /** The payments that the crowd was told have succeeded. */
  readonly acknowledged: ReadonlySet<string>
  /** What the crowd itself saw go wrong. */
  readonly seen: ReadonlyArray<string>
}

const queries = ({
  maxActive,
  admitPerMinute
}: CheckOptions): ReadonlyArray<readonly [string, string, string]> => [
  [
    "I1",
    "all accounts of a currency sum to zero",
    `SELECT count(*) FROM (SELECT currency FROM boxoffice.ledger_entry
       GROUP BY currency HAVING sum(amount) <> 0) wrong`
  ],
  [
    "I2",
    "a balance is the sum of its entries, whose versions have no gap",
    `SELECT count(*) FROM boxoffice.wallet w
     LEFT JOIN (SELECT user_id, sum(amount) AS total, count(*) AS entries, max(version) AS last
       FROM boxoffice.transfer GROUP BY user_id) t USING (user_id)
     WHERE (w.balance, w.version, w.version) IS DISTINCT FROM (t.total, t.entries, t.last)`
  ],
  [
    "I3",
    "a transfer is two entries that sum to zero",
    `SELECT count(*) FROM (SELECT transfer_id FROM boxoffice.ledger_entry
       GROUP BY transfer_id HAVING count(*) <> 2 OR sum(amount) <> 0) wrong`
  ],
  ["I4", "no wallet is negative", "SELECT count(*) FROM boxoffice.wallet WHERE balance < 0"],
  [
    "I5",
    "a reservation is paid once at the most",
    `SELECT count(*) FROM (SELECT reservation_id FROM boxoffice.transfer WHERE kind = 'payment'
       GROUP BY reservation_id HAVING count(*) > 1) wrong`
  ],
  [
    "I7",
    "a reservation is confirmed exactly when it has one unreversed payment, at its price",
    `SELECT count(*) FROM boxoffice.reservation r
     LEFT JOIN boxoffice.transfer p ON p.reservation_id = r.reservation_id AND p.kind = 'payment'
     LEFT JOIN boxoffice.transfer b ON b.reservation_id = r.reservation_id AND b.kind = 'refund'
     WHERE (r.status = 'confirmed') <> (p.transfer_id IS NOT NULL AND b.transfer_id IS NULL)
       OR p.amount <> -r.amount`
  ],
  [
    "I7",
    "a seat is sold exactly when one confirmed reservation has it, and to that one",
    `SELECT count(*) FROM (
       SELECT performance_id, seat ->> 'seatId' AS seat_id, reservation_id
       FROM boxoffice.reservation, jsonb_array_elements(seats) seat WHERE status = 'confirmed'
     ) owned FULL JOIN (SELECT * FROM boxoffice.seat WHERE status = 'sold') s
       USING (performance_id, seat_id)
     WHERE owned.reservation_id IS DISTINCT FROM s.reservation_id`
  ],
  [
    "I7",
    "nothing is paid after it expired",
    "SELECT count(*) FROM boxoffice.reservation WHERE confirmed_at >= hold_expires_at"
  ],
  [
    "I8",
    "numbers follow the order of joining, entries the order of time",
    `SELECT (SELECT count(*) FROM (SELECT joined_at < lag(joined_at) OVER (PARTITION BY queue_id
         ORDER BY number) AS back FROM boxoffice.queue_token) q WHERE back)
       + (SELECT count(*) FROM (SELECT made_at < lag(made_at) OVER (PARTITION BY user_id
         ORDER BY version) AS back FROM boxoffice.transfer) t WHERE back) AS count`
  ],
  [
    "I9",
    "one event for each change",
    `WITH made AS MATERIALIZED (
       SELECT type, count(*) FROM boxoffice.outbox_event GROUP BY type
     ), stored (type, count) AS (VALUES
       ('SeatsHeld', (SELECT count(*) FROM boxoffice.reservation)),
       ('ReservationPaid', (SELECT count(*) FROM boxoffice.transfer WHERE kind = 'payment')),
       ('WalletCharged', (SELECT count(*) FROM boxoffice.transfer WHERE kind = 'charge')),
       ('QueueTokenIssued', (SELECT count(*) FROM boxoffice.queue_token)),
       ('QueueTokenAdmitted',
         (SELECT count(*) FROM boxoffice.queue_token WHERE admitted_at IS NOT NULL)))
     SELECT coalesce(sum(abs(stored.count - coalesce(made.count, 0))), 0) AS count
     FROM stored LEFT JOIN made USING (type)`
  ],
  [
    "I9",
    "a reservation's events come in order",
    `SELECT count(*) FROM (SELECT type, row_number() OVER (PARTITION BY aggregate_id
         ORDER BY batch_id, position) AS place
       FROM boxoffice.outbox_event WHERE aggregate_kind = 'reservation') e
     WHERE (type = 'SeatsHeld') <> (place = 1)`
  ],
  [
    "I10",
    "refunds never pass payments",
    `SELECT count(*) FROM (SELECT reservation_id FROM boxoffice.transfer
       WHERE reservation_id IS NOT NULL GROUP BY reservation_id HAVING sum(amount) > 0) wrong`
  ],
  [
    "I11",
    "no deadlocks",
    "SELECT deadlocks AS count FROM pg_stat_database WHERE datname = current_database()"
  ],
  [
    "I12",
    `never more than ${maxActive} inside`,
    `SELECT count(*) FROM (
       SELECT sum(step) OVER (ORDER BY at, step) AS inside FROM (
         SELECT admitted_at AS at, 1 AS step FROM boxoffice.queue_token
           WHERE admitted_at IS NOT NULL
         UNION ALL
         SELECT least(ended_at, expires_at), -1 FROM boxoffice.queue_token
           WHERE admitted_at IS NOT NULL) steps) counted
     WHERE inside > ${maxActive}`
  ],
  [
    "I12",
    `never more than ${admitPerMinute} let in within 60 seconds`,
    `SELECT count(*) FROM (SELECT count(*) OVER (ORDER BY admitted_at
         RANGE BETWEEN interval '59.999 seconds' PRECEDING AND CURRENT ROW) AS recent
       FROM boxoffice.queue_token WHERE admitted_at IS NOT NULL) counted
     WHERE recent > ${admitPerMinute}`
  ],
  [
    "I13",
    "nobody is let in before somebody in front",
    `SELECT count(*) FROM (SELECT admitted_at, ended_at, state, number,
         max(admitted_at) OVER (PARTITION BY queue_id ORDER BY number
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
         min(number) FILTER (WHERE state = 'waiting') OVER (PARTITION BY queue_id) AS first_waiting
       FROM boxoffice.queue_token) t
     WHERE admitted_at IS NOT NULL AND (admitted_at < before OR number > first_waiting)`
  ]
]

export const checkInvariants = async (options: CheckOptions): Promise<ReadonlyArray<Check>> => {
  const checks: Array<Check> = []
  for (const [invariant, meaning, statement] of queries(options)) {
    const [row] = await options.query(statement)
    checks.push({ invariant, meaning, violations: Number(row!.count) })
  }
  const stored = await options.query(
    "SELECT transfer_id FROM boxoffice.transfer WHERE kind = 'payment'"
  )
  const ids = new Set(stored.map((row) => row.transfer_id as string))
  checks.push({
    invariant: "I6",
    meaning: "every payment that was acknowledged is stored",
    violations: Array.from(options.acknowledged).filter((id) => !ids.has(id)).length
  })
  checks.push({
    invariant: "I5",
    meaning:
      "what the crowd saw: equal replies to one key, no step back in the line, no failed call",
    violations: options.seen.length
  })
  return checks.toSorted((a, b) => Number(a.invariant.slice(1)) - Number(b.invariant.slice(1)))
}
