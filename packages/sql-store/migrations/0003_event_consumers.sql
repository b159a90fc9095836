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

-- For after a dump was restored in another cluster, or the server was upgraded: there the ids of
-- transactions count anew, so that neither the places nor the ids of the batches mean anything.
--
-- Every misplaced consumer goes back to the first batch that it has not passed, by what its old
-- snapshots say of the old batches, which are of the same cluster as they are; and no further on
-- than the highest that it has passed, since of newer ones they say nothing. Then the batches get
-- an id that is over in every cluster: one that can be seen though its id cannot is from elsewhere.
--
-- With its owner's rights, since the application's role may not change a batch otherwise.
CREATE FUNCTION {{schema}}.recover_consumers() RETURNS SETOF text LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  here text := (SELECT system_identifier::text FROM pg_control_system());
BEGIN
  RETURN QUERY
    WITH lost AS (
      SELECT c.consumer, least(c.highest, (
          SELECT min(b.batch_id) - 1 FROM {{schema}}.outbox b
          WHERE NOT pg_visible_in_snapshot(b.xid, c.seen)
            AND NOT (b.batch_id <= c.batch_id AND pg_visible_in_snapshot(b.xid, c.reading))
        )) AS passed
      FROM {{schema}}.event_consumer c WHERE c.cluster <> here FOR UPDATE
    )
    UPDATE {{schema}}.event_consumer c SET cluster = here, seen = '3:3:',
      reading = pg_current_snapshot(), batch_id = lost.passed, position = 0, owner = NULL,
      leased_until = clock_timestamp(), moved_at = clock_timestamp()
    FROM lost WHERE c.consumer = lost.consumer
    RETURNING c.consumer;
  IF FOUND THEN
    UPDATE {{schema}}.outbox SET xid = '3'
      WHERE NOT pg_visible_in_snapshot(xid, pg_current_snapshot());
  END IF;
END
$$;

-- Webhook deliveries that were not accepted at once, and those behind them of the same aggregate.
CREATE TABLE {{schema}}.webhook_delivery (
  -- The order of what is delivered for one aggregate.
  delivery_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT webhook_delivery_pkey PRIMARY KEY,
  endpoint text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  aggregate text COLLATE "C" NOT NULL,
  body text NOT NULL,
  state text NOT NULL,
  attempts integer NOT NULL,
  next_at timestamptz NOT NULL,
  error text,
  parked_at timestamptz NOT NULL,
  CONSTRAINT webhook_delivery_once UNIQUE (endpoint, event_id),
  CONSTRAINT webhook_delivery_state_known CHECK (state IN ('waiting', 'dead')),
  CONSTRAINT webhook_delivery_dead_was_tried CHECK (state <> 'dead' OR attempts > 0)
) WITH (fillfactor = 80);
CREATE INDEX webhook_delivery_waiting
  ON {{schema}}.webhook_delivery (endpoint, aggregate, delivery_id) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_dead
  ON {{schema}}.webhook_delivery (endpoint, delivery_id) WHERE state = 'dead';
