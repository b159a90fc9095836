-- A batch that has lost the answer to its COMMIT looks for its own row here, by an id that nobody can
-- guess. The id of the transaction only says where to look: after a crash or a failover the server
-- gives ids again that it had given before, and another transaction commits under one of them.
-- Batches of earlier releases have none.
ALTER TABLE {{schema}}.outbox ADD COLUMN attempt_id uuid;
