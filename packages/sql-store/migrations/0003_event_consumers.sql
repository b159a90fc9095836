-- Who reads the outbox, and how far each has come.
--
-- A place is not a number but what the consumer has seen: a snapshot of the transactions that were
-- over. The next round reads what is over now and was not then, in the order of batch_id, so that
-- a transaction that commits late is not missed. See decision 0012.
CREATE TABLE {{schema}}.event_consumer (
  consumer text COLLATE "C" CONSTRAINT event_consumer_pkey PRIMARY KEY,
  -- The database cluster that the snapshots are of: in another one they mean nothing.
  cluster text NOT NULL,
  -- Every batch that was visible in it is passed.
  seen pg_snapshot NOT NULL,
  -- The round that is being read: of what is visible in this one, and is not in the other, batches
  -- up to batch_id are passed, and of the one behind that as many events as position says.
  reading pg_snapshot,
  batch_id bigint NOT NULL,
  position integer NOT NULL,
  -- The highest that was ever passed.
  highest bigint NOT NULL,
  owner uuid,
  leased_until timestamptz NOT NULL,
  moved_at timestamptz NOT NULL,
  CONSTRAINT event_consumer_place_not_negative CHECK (least(batch_id, position, highest) >= 0),
  CONSTRAINT event_consumer_between_rounds_at_none CHECK (reading IS NOT NULL OR batch_id = 0)
) WITH (fillfactor = 50);
