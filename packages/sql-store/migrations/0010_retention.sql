-- Nothing but the catalogue and the books is kept for ever: what is old enough is deleted in batches,
-- each found by an index.

-- Up to which instant rows of a kind were deleted. Of what is later, every row is still there, so that
-- whoever compares tables with events, such as `boxoffice verify`, knows from where on they must agree.
CREATE TABLE {{schema}}.cleared (
  kind text COLLATE "C" CONSTRAINT cleared_pkey PRIMARY KEY,
  up_to timestamptz NOT NULL,
  CONSTRAINT cleared_kind_known CHECK (kind IN ('outbox', 'queue_token', 'reservation'))
) WITH (fillfactor = 50);
-- Earlier releases deleted tokens and events, and did not write down which.
INSERT INTO {{schema}}.cleared (kind, up_to)
  SELECT kind, clock_timestamp() FROM (VALUES ('outbox'), ('queue_token')) AS earlier (kind)
  WHERE EXISTS (SELECT FROM {{schema}}.queue) OR EXISTS (SELECT FROM {{schema}}.wallet);

CREATE INDEX command_outcome_by_age ON {{schema}}.command_outcome (recorded_at);
CREATE INDEX reservation_ended ON {{schema}}.reservation (ended_at)
  WHERE status IN ('released', 'expired');
-- Whose time has come, and what was given up when.
CREATE INDEX webhook_delivery_due ON {{schema}}.webhook_delivery (endpoint, next_at)
  WHERE state = 'waiting';
CREATE INDEX webhook_delivery_given_up ON {{schema}}.webhook_delivery (next_at)
  WHERE state = 'dead';
-- For the check of transfer_for_reservation: without it, each reservation that is deleted would read
-- the whole ledger.
CREATE INDEX transfer_by_reservation ON {{schema}}.transfer (reservation_id)
  WHERE reservation_id IS NOT NULL;

-- A foreign key from seat to reservation would read all seats for each reservation that is deleted, or
-- need an index on seat.reservation_id, which every hold would then have to write. Instead both sides
-- look the rows up by the keys that they have: a seat its reservation, as the foreign key did and at the
-- same cost, and a reservation the seats that it names.
ALTER TABLE {{schema}}.seat DROP CONSTRAINT seat_of_reservation;

CREATE FUNCTION {{schema}}.refuse_unknown_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  its_performance text;
  its_status text;
BEGIN
  -- Only a reservation that lives gets seats, and nobody ends it meanwhile: a transaction that deletes
  -- what has ended may have a snapshot of before. It is looked up by its key alone: with the performance
  -- and the status, a plan that was made while the table was new read all holds of the performance.
  SELECT r.performance_id, r.status INTO its_performance, its_status
    FROM {{schema}}.reservation r WHERE r.reservation_id = NEW.reservation_id FOR SHARE;
  IF its_performance = NEW.performance_id AND its_status IN ('held', 'confirmed') THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'seat % of % belongs to no live reservation of its performance', NEW.seat_id,
      NEW.performance_id
    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'seat_with_reservation',
      SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
      HINT = 'Add the reservation first.';
END
$$;
-- After the statement, as a foreign key: it may add the reservation itself. With WHEN, what only frees or
-- sells a seat does not even call the function.
CREATE TRIGGER seat_with_reservation
  AFTER UPDATE ON {{schema}}.seat FOR EACH ROW
  WHEN (NEW.reservation_id <> OLD.reservation_id
    OR (NEW.reservation_id IS NOT NULL AND OLD.reservation_id IS NULL))
  EXECUTE FUNCTION {{schema}}.refuse_unknown_owner();
CREATE TRIGGER seat_added_with_reservation
  AFTER INSERT ON {{schema}}.seat FOR EACH ROW WHEN (NEW.reservation_id IS NOT NULL)
  EXECUTE FUNCTION {{schema}}.refuse_unknown_owner();

CREATE FUNCTION {{schema}}.refuse_reservation_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status IN ('released', 'expired') AND NOT EXISTS (
    SELECT FROM jsonb_array_elements(OLD.seats) held
    JOIN {{schema}}.seat s ON s.performance_id = OLD.performance_id
      AND s.seat_id = held ->> 'seatId' AND s.reservation_id = OLD.reservation_id
  ) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'reservation % is kept: it is % or has seats', OLD.reservation_id, OLD.status
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'reservation_is_kept',
      SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
      HINT = 'Only what was released, or has expired, can be deleted.';
END
$$;
CREATE TRIGGER reservation_is_kept
  BEFORE DELETE ON {{schema}}.reservation FOR EACH ROW
  EXECUTE FUNCTION {{schema}}.refuse_reservation_removal();
