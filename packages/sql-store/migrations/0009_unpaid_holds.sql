-- What a user holds and has not paid for: a payment ends their visit to the queue only without it.
-- The key is an expression that no other index has, so that a lookup is never planned by another.
CREATE INDEX reservation_unpaid
  ON {{schema}}.reservation ((CASE WHEN status = 'held' THEN user_id END))
  WHERE (CASE WHEN status = 'held' THEN user_id END) IS NOT NULL;
