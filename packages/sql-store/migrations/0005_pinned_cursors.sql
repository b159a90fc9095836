-- A position is inside the first batch behind a cursor. Between two rounds it is not settled which
-- batch that is: a transaction that commits late can come in front. So a position goes with a round.
-- Whoever stands otherwise gets the events of that batch again.
UPDATE {{schema}}.event_consumer SET position = 0 WHERE reading IS NULL;
ALTER TABLE {{schema}}.event_consumer
  DROP CONSTRAINT event_consumer_between_rounds_at_none,
  ADD CONSTRAINT event_consumer_between_rounds_at_none
    CHECK (reading IS NOT NULL OR (batch_id = 0 AND position = 0));
