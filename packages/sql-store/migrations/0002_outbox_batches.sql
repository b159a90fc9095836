-- The outbox holds one row for each batch, with all of its events, in place of one for each event.
--
-- Measured for batches of 64 to 256 events, in µs of the server for each event: a row each 16;
-- one jsonb value 7 to 9; one json value compressed by pglz 2.4 to 3.1, stored as it is 1.5. As it
-- is, it takes four times the bytes on disk, which is still less than a row each took. Where a
-- server has lz4, its owner may choose that and EXTENDED storage instead.

ALTER TABLE {{schema}}.outbox RENAME CONSTRAINT outbox_pkey TO outbox_of_rows_pkey;
ALTER TABLE {{schema}}.outbox RENAME TO outbox_of_rows;

-- A batch takes its number when it holds all of its locks. So the batches of one aggregate are
-- numbered in their order, though others may become visible in another order: whoever reads must
-- not go by the number alone. See decision 0012.
CREATE TABLE {{schema}}.outbox (
  -- First, so that a transaction has its id before it takes its number.
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  batch_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
  occurred_at timestamptz NOT NULL,
  -- How the events are written, so that later code knows how to read them.
  event_version smallint NOT NULL DEFAULT 1,
  -- In the order in which they were decided. Amounts are strings: JSON numbers are not exact
  -- everywhere.
  events json NOT NULL,
  CONSTRAINT outbox_event_version_positive CHECK (event_version >= 1)
);
ALTER TABLE {{schema}}.outbox ALTER COLUMN events SET STORAGE EXTERNAL;

-- In order, and in this transaction: whichever ids theirs had, they are visible from now on.
INSERT INTO {{schema}}.outbox (occurred_at, events)
  SELECT max(occurred_at), json_agg(event ORDER BY event_id)
  FROM (
    SELECT *, (row_number() OVER (ORDER BY event_id) - 1) / 256 AS batch
    FROM {{schema}}.outbox_of_rows
  ) numbered
  GROUP BY batch ORDER BY batch;
DROP TABLE {{schema}}.outbox_of_rows;

-- Batches of the transactions that were open when a consumer looked last.
CREATE INDEX outbox_by_xid ON {{schema}}.outbox (xid);

-- The same, one row for each event, for people and for SQL.
CREATE VIEW {{schema}}.outbox_event AS
  SELECT b.batch_id, e.position::integer AS position, b.xid,
    CASE
      WHEN e.event ->> '_tag' LIKE 'QueueToken%' THEN 'queue_token'
      WHEN e.event ->> '_tag' = 'WalletCharged' THEN 'wallet'
      WHEN e.event ->> 'reservationId' IS NOT NULL THEN 'reservation'
    END AS aggregate_kind,
    CASE
      WHEN e.event ->> '_tag' LIKE 'QueueToken%' THEN e.event ->> 'tokenId'
      WHEN e.event ->> '_tag' = 'WalletCharged' THEN e.event ->> 'userId'
      ELSE e.event ->> 'reservationId'
    END AS aggregate_id,
    e.event ->> '_tag' AS type,
    e.event,
    timestamptz 'epoch' + (e.event ->> 'at')::bigint * interval '1 millisecond' AS occurred_at
  FROM {{schema}}.outbox b,
    LATERAL json_array_elements(b.events) WITH ORDINALITY AS e (event, position);
