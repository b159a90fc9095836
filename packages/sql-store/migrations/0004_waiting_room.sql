-- The waiting room, so that no cost of it depends on how many wait or have ended.
--
-- What a batch used to count is kept in the queue's row: the row is locked by whoever changes any
-- of it, but for those who end inside by paying, who leave a note in queue_exit instead.

ALTER TABLE {{schema}}.queue
  DROP CONSTRAINT queue_mode_known,
  -- Follows from queue_cursor_in_line.
  DROP CONSTRAINT queue_next_number_positive,
  ADD CONSTRAINT queue_mode_known CHECK (mode IN ('open', 'paused', 'draining', 'closed')),
  ADD COLUMN priority_share_percent integer NOT NULL DEFAULT 50,
  ADD COLUMN absence_seconds integer NOT NULL DEFAULT 300,
  -- The last place that was let in: everyone who waits has a place above it.
  ADD COLUMN cursor bigint NOT NULL DEFAULT 0,
  ADD COLUMN waiting bigint NOT NULL DEFAULT 0,
  ADD COLUMN priority_next_number bigint NOT NULL DEFAULT 1,
  ADD COLUMN priority_cursor bigint NOT NULL DEFAULT 0,
  ADD COLUMN priority_waiting bigint NOT NULL DEFAULT 0,
  ADD COLUMN turn integer NOT NULL DEFAULT 0,
  -- Admitted tokens, with those that queue_exit says are out.
  ADD COLUMN active bigint NOT NULL DEFAULT 0,
  -- How many have left the line: the last seq of queue_departure.
  ADD COLUMN departed bigint NOT NULL DEFAULT 0,
  ADD COLUMN opens_at timestamptz,
  ADD COLUMN lottery_seed text,
  ADD COLUMN opened_at timestamptz,
  ADD COLUMN drawn bigint NOT NULL DEFAULT 0,
  ADD CONSTRAINT queue_priority_share CHECK (priority_share_percent BETWEEN 1 AND 100),
  ADD CONSTRAINT queue_absence_not_negative CHECK (absence_seconds >= 0),
  ADD CONSTRAINT queue_waiting_not_negative CHECK (least(waiting, priority_waiting) >= 0),
  ADD CONSTRAINT queue_cursor_in_line CHECK (cursor BETWEEN 0 AND next_number - 1
    AND priority_cursor BETWEEN 0 AND priority_next_number - 1),
  ADD CONSTRAINT queue_turn_of_hundred CHECK (turn BETWEEN 0 AND 99),
  ADD CONSTRAINT queue_opening_whole CHECK (
    num_nonnulls(opens_at, lottery_seed) IN (0, 2)
    AND (opened_at IS NULL OR opens_at IS NOT NULL)
    AND drawn BETWEEN 0 AND next_number - 1 AND (drawn = 0 OR opened_at IS NOT NULL)
  );

ALTER TABLE {{schema}}.queue_token
  ADD COLUMN lane smallint NOT NULL DEFAULT 0,
  ADD CONSTRAINT queue_token_lane_known CHECK (lane IN (0, 1)),
  DROP CONSTRAINT queue_token_number_once,
  ADD CONSTRAINT queue_token_number_once UNIQUE (queue_id, lane, number);

DROP INDEX {{schema}}.queue_token_waiting;
CREATE INDEX queue_token_waiting ON {{schema}}.queue_token (queue_id, lane, number)
  WHERE state = 'waiting';
-- Admissions are counted by queue_grant now; what has ended is cleared away by its age.
DROP INDEX {{schema}}.queue_token_admissions;
CREATE INDEX queue_token_ended ON {{schema}}.queue_token (ended_at) WHERE ended_at IS NOT NULL;

-- How many were let in, by the second of the database's clock: two minutes of it.
CREATE TABLE {{schema}}.queue_grant (
  queue_id text COLLATE "C" NOT NULL CONSTRAINT queue_grant_of_queue REFERENCES {{schema}}.queue,
  second bigint NOT NULL,
  admitted integer NOT NULL,
  -- The last of them: all of them count until this is a minute ago.
  granted_at timestamptz NOT NULL,
  CONSTRAINT queue_grant_pkey PRIMARY KEY (queue_id, second),
  CONSTRAINT queue_grant_positive CHECK (admitted >= 1)
) WITH (fillfactor = 50);

-- Who left a line without being let in. seq has no gap and is given out under the queue's lock, so
-- that a reader who has seen one has seen all before it.
CREATE TABLE {{schema}}.queue_departure (
  queue_id text COLLATE "C" NOT NULL
    CONSTRAINT queue_departure_of_queue REFERENCES {{schema}}.queue,
  seq bigint NOT NULL,
  lane smallint NOT NULL,
  number bigint NOT NULL,
  CONSTRAINT queue_departure_pkey PRIMARY KEY (queue_id, seq),
  CONSTRAINT queue_departure_once UNIQUE (queue_id, lane, number)
);

-- How many ended inside in a batch that had not locked their queue: to be taken off `active`. It
-- refers to no queue, since that would lock the queue's row after all.
CREATE TABLE {{schema}}.queue_exit (
  exit_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT queue_exit_pkey PRIMARY KEY,
  queue_id text COLLATE "C" NOT NULL,
  exits integer NOT NULL,
  CONSTRAINT queue_exit_positive CHECK (exits >= 1)
);
CREATE INDEX queue_exit_by_queue ON {{schema}}.queue_exit (queue_id);

-- Codes that open the priority lane, by their digests.
CREATE TABLE {{schema}}.queue_code (
  queue_id text COLLATE "C" NOT NULL CONSTRAINT queue_code_of_queue REFERENCES {{schema}}.queue,
  code_hash text COLLATE "C" NOT NULL,
  uses_left bigint NOT NULL,
  CONSTRAINT queue_code_pkey PRIMARY KEY (queue_id, code_hash),
  CONSTRAINT queue_code_not_overused CHECK (uses_left >= 0)
) WITH (fillfactor = 80);

-- Who of those who wait was there in which minute: a bit for each of a block of numbers.
CREATE TABLE {{schema}}.queue_presence (
  queue_id text COLLATE "C" NOT NULL CONSTRAINT queue_presence_of_queue REFERENCES {{schema}}.queue,
  lane smallint NOT NULL,
  block bigint NOT NULL,
  -- The end of the minute.
  seen_until timestamptz NOT NULL,
  seen bit(4096) NOT NULL,
  CONSTRAINT queue_presence_pkey PRIMARY KEY (queue_id, lane, block, seen_until)
) WITH (fillfactor = 50);
CREATE INDEX queue_presence_by_time ON {{schema}}.queue_presence (queue_id, seen_until);

-- What there was before is counted once.
UPDATE {{schema}}.queue q SET
  cursor = coalesce(first - 1, next_number - 1), waiting = line.waiting, active = inside.active
FROM (
  SELECT queue_id, min(t.number) FILTER (WHERE t.state = 'waiting') AS first,
    count(*) FILTER (WHERE t.state = 'waiting') AS waiting
  FROM {{schema}}.queue LEFT JOIN {{schema}}.queue_token t USING (queue_id) GROUP BY queue_id
) line, (
  SELECT queue_id, count(*) FILTER (WHERE t.state = 'admitted') AS active
  FROM {{schema}}.queue LEFT JOIN {{schema}}.queue_token t USING (queue_id) GROUP BY queue_id
) inside
WHERE line.queue_id = q.queue_id AND inside.queue_id = q.queue_id;
INSERT INTO {{schema}}.queue_departure (queue_id, seq, lane, number)
  SELECT queue_id, row_number() OVER (PARTITION BY queue_id ORDER BY t.number), 0, t.number
  FROM {{schema}}.queue q JOIN {{schema}}.queue_token t USING (queue_id)
  WHERE t.state <> 'waiting' AND t.number > q.cursor;
UPDATE {{schema}}.queue q SET departed = gone.departed
FROM (SELECT queue_id, count(*) AS departed FROM {{schema}}.queue_departure GROUP BY queue_id) gone
WHERE gone.queue_id = q.queue_id;
INSERT INTO {{schema}}.queue_grant (queue_id, second, admitted, granted_at)
  SELECT queue_id, floor(extract(epoch FROM admitted_at)), count(*), max(admitted_at)
  FROM {{schema}}.queue_token WHERE admitted_at > now() - interval '2 minutes'
  GROUP BY 1, 2;

-- What operators do is about a queue, and not about a token of it.
CREATE OR REPLACE VIEW {{schema}}.outbox_event AS
  SELECT b.batch_id, e.position::integer AS position, b.xid,
    CASE
      WHEN e.event ->> '_tag' LIKE 'QueueToken%' THEN 'queue_token'
      WHEN e.event ->> '_tag' LIKE 'Queue%' THEN 'queue'
      WHEN e.event ->> '_tag' = 'WalletCharged' THEN 'wallet'
      WHEN e.event ->> 'reservationId' IS NOT NULL THEN 'reservation'
    END AS aggregate_kind,
    CASE
      WHEN e.event ->> '_tag' LIKE 'QueueToken%' THEN e.event ->> 'tokenId'
      WHEN e.event ->> '_tag' LIKE 'Queue%' THEN e.event ->> 'queueId'
      WHEN e.event ->> '_tag' = 'WalletCharged' THEN e.event ->> 'userId'
      ELSE e.event ->> 'reservationId'
    END AS aggregate_id,
    e.event ->> '_tag' AS type,
    e.event,
    timestamptz 'epoch' + (e.event ->> 'at')::bigint * interval '1 millisecond' AS occurred_at
  FROM {{schema}}.outbox b,
    LATERAL json_array_elements(b.events) WITH ORDINALITY AS e (event, position);
