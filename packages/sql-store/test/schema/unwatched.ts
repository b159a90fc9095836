/**
 * Columns of which the role may write any value that the CHECKs allow, and no invariant speaks. A
 * change that is neither refused nor found touches these alone: a new column fails the test until it
 * is guarded, checked, or has its reason here.
 */
export const unwatched: Readonly<Record<string, string>> = {
  // What is sold, as its operator describes it. A reservation keeps a copy of what it was of.
  "performance.starts_at": "described by its operator",
  "performance.time_zone": "described by its operator",
  "performance.performance_id": "one that has no seats yet: it is another one from now on",
  "performance.currency": "one that has no seats yet",
  "performance.show_id": "one that nothing was paid for",
  "seat.section": "described by its operator",
  "seat.seat_row": "described by its operator",
  "seat.seat_number": "described by its operator",
  "seat.ordinal": "the order on the map",
  "seat.price": "of the next hold: a hold has its price",
  "seat.seat_id": "a free seat: it is another one from now on",
  "seat.performance_id": "a free seat: it is another one from now on",
  "seat.status": "a free seat may be blocked, and unblocked",
  "seat.held_until": "of no held seat: the CHECKs refuse it",
  "seat.changes": "the version of the map: a client may see an older map as a newer one",
  // What a node puts down for the next one, and the engine can do without.
  "queue.turn": "which of two lanes is next: at most one admission",
  "queue.departed": "the number of departures: positions that users are shown",
  "queue.drawn": "before the opening; checked once the queue has opened",
  "queue.cursor": "below the first waiting token: more tokens are read",
  "queue.priority_cursor": "below the first waiting token: more tokens are read",
  "queue.next_number": "above all numbers: some are left out",
  "queue.priority_next_number": "above all numbers: some are left out",
  "queue.opens_at": "its operator may move it",
  "queue.lottery_seed":
    "before the opening: its commitment was published, so every client can check it",
  "queue.opened_at": "before the opening; checked once the queue has opened",
  "queue.queue_id": "one that has nothing yet",
  "queue_departure.*": "positions that users are shown",
  "queue_grant.*": "the rate: what was let in is checked by the tokens",
  "queue_presence.*": "which users poll: a missing mark costs an absent user the place",
  "queue_code.*": "codes are the operator's",
  "queue_exit.exit_id": "a key",
  "queue_token.token_id": "checked: the events name it",
  // How far readers are, and what they have not delivered: no table says what they have done.
  "event_consumer.*": "a consumer that is moved misses events, or gets them again",
  "webhook_delivery.*": "a delivery that is deleted is not delivered",
  "command_outcome.*": "an answer that is deleted is given again from what the command made",
  "outbox.xid": "checked by no invariant: consumers read by it",
  "outbox.batch_id": "checked by no invariant: consumers read by it",
  "outbox.attempt_id": "of a commit whose answer was lost",
  "outbox.occurred_at": "the age of a batch, for its deletion",
  "outbox.event_version": "readers refuse what they do not know",
  "cleared.*": "hides older rows from the invariants up to now: see docs/operations.md",
  "server_life.*": "consumers read everything again",
  "show.*": "a new show",
  // A new row of the catalogue is one that its operator may add.
  "INSERT seat": "a seat that is free",
  "INSERT queue": "a queue that has no token"
}

/**
 * Events that no row stands by: one that is lost is not found by any invariant, and nothing is
 * decided by it. Of extensions, only the last one of a token tells how the token stands.
 */
export const unwatchedEvents: ReadonlySet<string> = new Set([
  "QueueCreated",
  "QueueCodesAdded",
  "QueueRescheduled",
  "QueueModeChanged",
  "QueueConfigured",
  "QueueOpened",
  "QueueTokenExtended"
])
