-- Who owns a seat, whatever any clock says. A payment is taken only while the reservation has all of
-- its seats; the rest is refused here, to raw SQL as well.

CREATE FUNCTION {{schema}}.refuse_unowned_sale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM {{schema}}.reservation
    WHERE reservation_id = NEW.reservation_id AND status = 'confirmed'
  ) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'seat % of % is sold to no confirmed reservation', NEW.seat_id, NEW.performance_id
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'seat_sold_to_confirmed',
      SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
      HINT = 'Confirm the reservation first.';
END
$$;
CREATE TRIGGER seat_sold_to_confirmed
  BEFORE UPDATE ON {{schema}}.seat FOR EACH ROW
  WHEN (NEW.status = 'sold' AND OLD.status <> 'sold')
  EXECUTE FUNCTION {{schema}}.refuse_unowned_sale();
CREATE TRIGGER seat_added_sold_to_confirmed
  BEFORE INSERT ON {{schema}}.seat FOR EACH ROW WHEN (NEW.status = 'sold')
  EXECUTE FUNCTION {{schema}}.refuse_unowned_sale();

CREATE FUNCTION {{schema}}.refuse_loss_of_confirmed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM {{schema}}.reservation
    WHERE reservation_id = OLD.reservation_id AND status = 'confirmed'
  ) THEN
    RAISE EXCEPTION 'seat % of % belongs to a confirmed reservation', OLD.seat_id, OLD.performance_id
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'seat_of_confirmed_stays',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
        HINT = 'Cancel the reservation that owns it.';
  END IF;
  RETURN NEW;
END
$$;
-- A seat that is sold is kept by seat_sold_owner_is_final. With WHEN, the first hold of a seat does
-- not even call the function.
CREATE TRIGGER seat_of_confirmed_stays
  BEFORE UPDATE ON {{schema}}.seat FOR EACH ROW
  WHEN (OLD.status = 'held' AND NEW.reservation_id IS DISTINCT FROM OLD.reservation_id)
  EXECUTE FUNCTION {{schema}}.refuse_loss_of_confirmed();

CREATE FUNCTION {{schema}}.refuse_unowned_confirmation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM jsonb_array_elements(NEW.seats) held
    WHERE NOT EXISTS (
      SELECT FROM {{schema}}.seat s
      WHERE s.performance_id = NEW.performance_id AND s.seat_id = held ->> 'seatId'
        AND s.reservation_id = NEW.reservation_id
    )
  ) THEN
    RAISE EXCEPTION 'reservation % does not have all of its seats', NEW.reservation_id
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'reservation_confirmed_has_seats',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
        HINT = 'Hold the seats again.';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER reservation_confirmed_has_seats
  BEFORE UPDATE ON {{schema}}.reservation FOR EACH ROW
  WHEN (NEW.status = 'confirmed' AND OLD.status <> 'confirmed')
  EXECUTE FUNCTION {{schema}}.refuse_unowned_confirmation();
CREATE TRIGGER reservation_added_confirmed_has_seats
  BEFORE INSERT ON {{schema}}.reservation FOR EACH ROW WHEN (NEW.status = 'confirmed')
  EXECUTE FUNCTION {{schema}}.refuse_unowned_confirmation();

-- Where nothing is due nothing moves: a reservation that costs nothing is confirmed without a
-- transfer, so that it needs no wallet and fixes no wallet's currency.
ALTER TABLE {{schema}}.reservation
  DROP CONSTRAINT reservation_paid_by_transfer,
  ADD COLUMN paid_by uuid GENERATED ALWAYS AS (CASE WHEN amount > 0 THEN payment_id END) STORED,
  ADD CONSTRAINT reservation_paid_by_transfer FOREIGN KEY (paid_by) REFERENCES {{schema}}.transfer;

-- All seats of a performance are priced in its currency, which its first seats fix.
DO $$
DECLARE mixed record;
BEGIN
  SELECT performance_id, string_agg(DISTINCT currency, ', ') AS currencies INTO mixed
    FROM {{schema}}.seat GROUP BY performance_id HAVING count(DISTINCT currency) > 1 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'performance % has seats in several currencies: %', mixed.performance_id,
        mixed.currencies
      USING HINT = 'Bring its seats to one currency, then migrate again.';
  END IF;
END
$$;
ALTER TABLE {{schema}}.performance
  ADD COLUMN currency text,
  ADD CONSTRAINT performance_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  ADD CONSTRAINT performance_currency_once UNIQUE (performance_id, currency);
UPDATE {{schema}}.performance p SET currency = s.currency
  FROM (SELECT DISTINCT performance_id, currency FROM {{schema}}.seat) s
  WHERE s.performance_id = p.performance_id;
ALTER TABLE {{schema}}.seat
  ADD CONSTRAINT seat_in_currency_of_performance FOREIGN KEY (performance_id, currency)
    REFERENCES {{schema}}.performance (performance_id, currency);
