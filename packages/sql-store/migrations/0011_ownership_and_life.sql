-- What a reservation is of does not change: its seats point to it by its id, and were guarded by a
-- foreign key until 0010.
CREATE FUNCTION {{schema}}.refuse_other_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'reservation % stays what it is of', OLD.reservation_id
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'reservation_facts_are_final',
      SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
      HINT = 'Release the hold, or refund the payment, and make another one.';
END
$$;
CREATE TRIGGER reservation_facts_are_final AFTER UPDATE ON {{schema}}.reservation FOR EACH ROW
  WHEN (NEW.reservation_id <> OLD.reservation_id OR NEW.performance_id <> OLD.performance_id
    OR NEW.user_id <> OLD.user_id OR NEW.amount <> OLD.amount OR NEW.currency <> OLD.currency
    OR NEW.seats <> OLD.seats)
  EXECUTE FUNCTION {{schema}}.refuse_other_reservation();

-- Names the life of the server: Postgres empties an unlogged table after a crash, and a standby that
-- is promoted has none of its rows. While the row is the same, no transaction id was given twice.
CREATE UNLOGGED TABLE {{schema}}.server_life (
  only_row boolean CONSTRAINT server_life_pkey PRIMARY KEY DEFAULT true,
  life_id uuid NOT NULL,
  CONSTRAINT server_life_is_one CHECK (only_row)
);
