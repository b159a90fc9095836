/**
 * The attacks that cannot be derived from the catalogue, by the name of the rule: a trigger, or a
 * constraint that no change of one or two columns of a stored row breaks alone. Each is one
 * statement, run as the application's role in the database of `livedDatabase.ts`.
 */
export interface Attack {
  readonly statement: string
  /** The rule that refuses it, or the SQLSTATE where the role lacks the privilege. */
  readonly refusedBy: string
}

const one = (table: string, where: string, column = `${table}_id`) =>
  `(SELECT ${column} FROM ${table} WHERE ${where} ORDER BY ${column} LIMIT 1)`
const held = one("reservation", "status = 'held'")
const confirmed = one("reservation", "status = 'confirmed' AND amount > 0")
const soldSeat = "ctid = (SELECT ctid FROM seat WHERE status = 'sold' ORDER BY seat_id LIMIT 1)"
const heldSeat = "ctid = (SELECT ctid FROM seat WHERE status = 'held' ORDER BY seat_id LIMIT 1)"
const newSeat = (owner: string) => `
  INSERT INTO seat (performance_id, seat_id, ordinal, section, seat_row, seat_number, price,
    currency, status, reservation_id)
  VALUES ('gala-1', 'new', 99, 'S', '1', '1', 5, 'KRW', 'sold', ${owner})`
const free = "status = 'available', reservation_id = NULL, held_until = NULL"

export const triggerAttacks: Readonly<Record<string, ReadonlyArray<Attack>>> = {
  transfer_is_append_only: [
    { statement: "UPDATE transfer SET amount = amount + 1", refusedBy: "42501" },
    { statement: "DELETE FROM transfer", refusedBy: "42501" },
    { statement: "TRUNCATE transfer CASCADE", refusedBy: "42501" },
    // Locks would be all that the role could take: it cannot even do that.
    { statement: "SELECT FROM transfer FOR UPDATE", refusedBy: "42501" }
  ],
  seat_sold_owner_is_final: [
    {
      statement: `UPDATE seat SET ${free} WHERE ${soldSeat}`,
      refusedBy: "seat_sold_owner_is_final"
    },
    {
      statement: `UPDATE seat SET reservation_id = ${held} WHERE ${soldSeat}`,
      refusedBy: "seat_sold_owner_is_final"
    },
    {
      statement: `UPDATE seat SET status = 'held', held_until = now() WHERE ${soldSeat}`,
      refusedBy: "seat_sold_owner_is_final"
    },
    {
      statement: `UPDATE seat SET seat_id = 'elsewhere' WHERE ${soldSeat}`,
      refusedBy: "seat_sold_owner_is_final"
    }
  ],
  seat_sold_stays: [{ statement: `DELETE FROM seat WHERE ${soldSeat}`, refusedBy: "42501" }],
  seat_sold_to_confirmed: [
    {
      statement: `UPDATE seat SET status = 'sold', held_until = NULL WHERE ${heldSeat}`,
      refusedBy: "seat_sold_to_confirmed"
    }
  ],
  seat_added_sold_to_confirmed: [{ statement: newSeat(held), refusedBy: "seat_sold_to_confirmed" }],
  // Of a reservation that is confirmed while its seat is held still, in one statement.
  seat_of_confirmed_stays: [
    {
      statement: `DO $$ DECLARE id uuid := gen_random_uuid(); BEGIN
        INSERT INTO reservation (reservation_id, performance_id, user_id, seats, amount, currency,
          status, held_at, hold_expires_at)
        VALUES (id, 'gala-2', 'eve', '[{"seatId": "A2"}]', 0, 'KRW', 'held', now(),
          now() + interval '1 minute');
        UPDATE seat SET status = 'held', reservation_id = id, held_until = now()
          WHERE performance_id = 'gala-2' AND seat_id = 'A2';
        UPDATE reservation SET status = 'confirmed', confirmed_at = now(),
          payment_id = gen_random_uuid() WHERE reservation_id = id;
        UPDATE seat SET ${free} WHERE reservation_id = id;
        END $$`,
      refusedBy: "seat_of_confirmed_stays"
    }
  ],
  seat_with_reservation: [
    {
      statement: `UPDATE seat SET reservation_id = gen_random_uuid() WHERE ${heldSeat}`,
      refusedBy: "seat_with_reservation"
    },
    {
      statement: `UPDATE seat SET reservation_id = ${one("reservation", "status = 'cancelled'")}
        WHERE ${heldSeat}`,
      refusedBy: "seat_with_reservation"
    }
  ],
  seat_added_with_reservation: [
    {
      statement: newSeat("gen_random_uuid()")
        .replace("'sold'", "'held'")
        .replace("reservation_id)", "reservation_id, held_until)")
        .replace("gen_random_uuid())", "gen_random_uuid(), now())"),
      refusedBy: "seat_with_reservation"
    }
  ],
  reservation_confirmed_has_seats: [
    {
      statement: `DO $$ BEGIN
        UPDATE seat SET ${free} WHERE reservation_id = ${held};
        UPDATE reservation SET status = 'confirmed', confirmed_at = now(),
          payment_id = gen_random_uuid() WHERE reservation_id = ${held}; END $$`,
      refusedBy: "reservation_confirmed_has_seats"
    }
  ],
  reservation_added_confirmed_has_seats: [
    {
      statement: `
        INSERT INTO reservation (reservation_id, performance_id, user_id, seats, amount, currency,
          status, held_at, hold_expires_at, confirmed_at, payment_id)
        SELECT gen_random_uuid(), performance_id, user_id, seats, 0, currency, status, held_at,
          hold_expires_at, confirmed_at, gen_random_uuid()
        FROM reservation WHERE reservation_id = ${confirmed}`,
      refusedBy: "reservation_confirmed_has_seats"
    }
  ],
  reservation_is_kept: [
    {
      statement: `DELETE FROM reservation WHERE reservation_id = ${held}`,
      refusedBy: "reservation_is_kept"
    },
    {
      statement: `DELETE FROM reservation WHERE reservation_id = ${confirmed}`,
      refusedBy: "reservation_is_kept"
    },
    {
      statement: "DELETE FROM reservation WHERE status = 'cancelled'",
      refusedBy: "reservation_is_kept"
    }
  ],
  reservation_facts_are_final: [
    "user_id = 'eve'",
    "amount = amount + 1",
    "currency = 'USD'",
    "performance_id = 'gala-2'",
    "reservation_id = gen_random_uuid()",
    "seats = seats || seats"
  ].map((change) => ({
    statement: `UPDATE reservation SET ${change} WHERE reservation_id = ${held}`,
    refusedBy: "reservation_facts_are_final"
  }))
}

/** Constraints that the derived attacks do not reach. */
export const constraintAttacks: Readonly<Record<string, ReadonlyArray<Attack>>> = {
  // An entry that follows the one before as it must, of a reservation that there is not.
  transfer_for_reservation: [
    {
      statement: `
        INSERT INTO transfer (transfer_id, kind, counter_account, reservation_id, user_id, amount,
          version, balance, currency, made_at)
        SELECT gen_random_uuid(), 'payment', 'revenue:gala', gen_random_uuid(), user_id, -5,
          version + 1, balance - 5, currency, now()
        FROM wallet WHERE user_id = 'ada'`,
      refusedBy: "transfer_for_reservation"
    }
  ]
}
