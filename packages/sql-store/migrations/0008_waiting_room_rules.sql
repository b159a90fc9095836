-- Closing a queue ends those who still wait: they expire without having been let in.
ALTER TABLE {{schema}}.queue_token
  DROP CONSTRAINT queue_token_state_instants,
  ADD CONSTRAINT queue_token_state_instants CHECK (CASE state
    WHEN 'waiting' THEN num_nonnulls(admitted_at, expires_at, ended_at) = 0 AND NOT claimed
    WHEN 'admitted' THEN num_nonnulls(admitted_at, expires_at) = 2 AND ended_at IS NULL
    WHEN 'completed' THEN num_nonnulls(admitted_at, expires_at, ended_at) = 3
    WHEN 'left' THEN num_nonnulls(admitted_at, expires_at) IN (0, 2) AND ended_at IS NOT NULL
    WHEN 'expired' THEN num_nonnulls(admitted_at, expires_at) IN (0, 2) AND ended_at IS NOT NULL
    ELSE true -- is no state: queue_token_state_known says so
  END);
