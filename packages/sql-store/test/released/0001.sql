-- A database at version 1, written by take.ts. The body of a block of PL/pgSQL.

CREATE SCHEMA "boxoffice";

CREATE TABLE "boxoffice".migration (
  version integer CONSTRAINT migration_pkey PRIMARY KEY,
  name text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO "boxoffice".migration (version, name)
  VALUES (1, 'schema');

-- Everything that Box Office stores. "boxoffice" becomes the quoted name of the schema.
--
-- Every rule has a name, so that an error says which one it was. What the names do not say:
--   * keys that the host chooses are text in the "C" collation: compared byte by byte, everywhere
--     alike; what the engine makes is a uuid
--   * instants that the engine writes are whole milliseconds
--   * a fillfactor below 100 leaves room on the page for a row's next version, so that a change
--     that touches no index stays on its page and needs no vacuum

CREATE TABLE "boxoffice".queue (
  queue_id text COLLATE "C" CONSTRAINT queue_pkey PRIMARY KEY,
  mode text NOT NULL DEFAULT 'open',
  max_active integer NOT NULL,
  admit_per_minute integer NOT NULL,
  claim_seconds integer NOT NULL,
  session_seconds integer NOT NULL,
  next_number bigint NOT NULL DEFAULT 1,
  CONSTRAINT queue_mode_known CHECK (mode IN ('open', 'paused', 'draining')),
  CONSTRAINT queue_settings_positive
    CHECK (least(max_active, admit_per_minute, claim_seconds, session_seconds) >= 1),
  CONSTRAINT queue_next_number_positive CHECK (next_number >= 1)
) WITH (fillfactor = 50);

CREATE TABLE "boxoffice".queue_token (
  token_id uuid CONSTRAINT queue_token_pkey PRIMARY KEY,
  queue_id text COLLATE "C" NOT NULL
    CONSTRAINT queue_token_in_queue REFERENCES "boxoffice".queue,
  user_id text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  state text NOT NULL,
  claimed boolean NOT NULL,
  joined_at timestamptz NOT NULL,
  admitted_at timestamptz,
  expires_at timestamptz,
  ended_at timestamptz,
  CONSTRAINT queue_token_number_once UNIQUE (queue_id, number),
  CONSTRAINT queue_token_state_known
    CHECK (state IN ('waiting', 'admitted', 'completed', 'left', 'expired')),
  CONSTRAINT queue_token_state_instants CHECK (CASE state
    WHEN 'waiting' THEN num_nonnulls(admitted_at, expires_at, ended_at) = 0 AND NOT claimed
    WHEN 'admitted' THEN num_nonnulls(admitted_at, expires_at) = 2 AND ended_at IS NULL
    WHEN 'completed' THEN num_nonnulls(admitted_at, expires_at, ended_at) = 3
    WHEN 'left' THEN num_nonnulls(admitted_at, expires_at) IN (0, 2) AND ended_at IS NOT NULL
    WHEN 'expired' THEN num_nonnulls(admitted_at, expires_at, ended_at) = 3
    ELSE true -- is no state: the constraint above says so
  END)
) WITH (fillfactor = 80);

-- One live token for each user of a queue.
CREATE UNIQUE INDEX queue_token_live_once ON "boxoffice".queue_token (queue_id, user_id)
  WHERE state IN ('waiting', 'admitted');
-- The line, in order.
CREATE INDEX queue_token_waiting ON "boxoffice".queue_token (queue_id, number)
  WHERE state = 'waiting';
-- Who is inside, and who has lapsed.
CREATE INDEX queue_token_admitted ON "boxoffice".queue_token (queue_id, expires_at)
  WHERE state = 'admitted';
-- How many were let in within the last minute.
CREATE INDEX queue_token_admissions ON "boxoffice".queue_token (queue_id, admitted_at)
  WHERE admitted_at IS NOT NULL;

CREATE TABLE "boxoffice".show (
  show_id text COLLATE "C" CONSTRAINT show_pkey PRIMARY KEY,
  title text NOT NULL,
  queue_id text COLLATE "C" NOT NULL CONSTRAINT show_behind_queue REFERENCES "boxoffice".queue,
  sales_open_at timestamptz,
  sales_close_at timestamptz,
  CONSTRAINT show_sales_window CHECK (sales_open_at < sales_close_at)
);

CREATE TABLE "boxoffice".performance (
  performance_id text COLLATE "C" CONSTRAINT performance_pkey PRIMARY KEY,
  show_id text COLLATE "C" NOT NULL CONSTRAINT performance_of_show REFERENCES "boxoffice".show,
  starts_at timestamptz NOT NULL,
  time_zone text NOT NULL
);
CREATE INDEX performance_by_show ON "boxoffice".performance (show_id, starts_at, performance_id);

-- No reference to the performance: every new reservation would lock that one row, and the seats,
-- which do refer to it, keep it from being deleted.
CREATE TABLE "boxoffice".reservation (
  reservation_id uuid CONSTRAINT reservation_pkey PRIMARY KEY,
  performance_id text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  -- The seats as they were held: [{"seatId", "section", "row", "number", "amount", "currency"}].
  -- An amount is a string: JSON numbers are not exact everywhere.
  seats jsonb NOT NULL,
  amount bigint NOT NULL,
  currency text NOT NULL,
  status text NOT NULL,
  held_at timestamptz NOT NULL,
  hold_expires_at timestamptz NOT NULL,
  confirmed_at timestamptz,
  ended_at timestamptz,
  payment_id uuid,
  CONSTRAINT reservation_has_seats CHECK (jsonb_array_length(seats) > 0),
  CONSTRAINT reservation_amount_not_negative CHECK (amount >= 0),
  CONSTRAINT reservation_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT reservation_hold_ends_later CHECK (hold_expires_at > held_at),
  CONSTRAINT reservation_status_known
    CHECK (status IN ('held', 'confirmed', 'released', 'expired', 'cancelled')),
  CONSTRAINT reservation_status_instants CHECK (CASE status
    WHEN 'held' THEN num_nonnulls(confirmed_at, payment_id, ended_at) = 0
    WHEN 'confirmed' THEN num_nonnulls(confirmed_at, payment_id) = 2 AND ended_at IS NULL
    WHEN 'released' THEN num_nonnulls(confirmed_at, payment_id) = 0 AND ended_at IS NOT NULL
    WHEN 'expired' THEN num_nonnulls(confirmed_at, payment_id) = 0 AND ended_at IS NOT NULL
    WHEN 'cancelled' THEN num_nonnulls(confirmed_at, payment_id, ended_at) = 3
    ELSE true -- is no status: the constraint above says so
  END)
) WITH (fillfactor = 80);

-- A user's reservations, newest first.
CREATE INDEX reservation_by_user ON "boxoffice".reservation (user_id, held_at, reservation_id);
-- How many seats of a performance a user has: those that lapsed long ago are not even looked at.
CREATE INDEX reservation_holdings
  ON "boxoffice".reservation (performance_id, user_id, status, hold_expires_at)
  WHERE status IN ('held', 'confirmed');
-- Holds that have lapsed and are not tidied yet.
CREATE INDEX reservation_lapsing ON "boxoffice".reservation (hold_expires_at)
  WHERE status = 'held';
CREATE UNIQUE INDEX reservation_payment_once ON "boxoffice".reservation (payment_id)
  WHERE payment_id IS NOT NULL;

-- One row for each seat, one column for its owner: a seat cannot have two. No index covers a
-- column that a hold changes.
CREATE TABLE "boxoffice".seat (
  performance_id text COLLATE "C" NOT NULL
    CONSTRAINT seat_of_performance REFERENCES "boxoffice".performance,
  seat_id text COLLATE "C" NOT NULL,
  -- Seats keep the order in which they were added.
  ordinal integer NOT NULL,
  section text NOT NULL,
  seat_row text NOT NULL,
  seat_number text NOT NULL,
  price bigint NOT NULL,
  currency text NOT NULL,
  status text NOT NULL,
  reservation_id uuid CONSTRAINT seat_of_reservation REFERENCES "boxoffice".reservation,
  held_until timestamptz,
  -- How often the seat was changed, its addition included. The version of a seat map is twice
  -- the sum of these, which spares every batch a row that all seats of a performance share.
  changes bigint NOT NULL DEFAULT 1,
  CONSTRAINT seat_pkey PRIMARY KEY (performance_id, seat_id),
  CONSTRAINT seat_price_not_negative CHECK (price >= 0),
  CONSTRAINT seat_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT seat_status_known CHECK (status IN ('available', 'held', 'sold', 'blocked')),
  CONSTRAINT seat_status_owner CHECK (CASE status
    WHEN 'held' THEN reservation_id IS NOT NULL AND held_until IS NOT NULL
    WHEN 'sold' THEN reservation_id IS NOT NULL AND held_until IS NULL
    ELSE num_nonnulls(reservation_id, held_until) = 0
  END)
) WITH (fillfactor = 60);

CREATE TABLE "boxoffice".wallet (
  user_id text COLLATE "C" CONSTRAINT wallet_pkey PRIMARY KEY,
  currency text NOT NULL,
  balance bigint NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT wallet_not_negative CHECK (balance >= 0),
  CONSTRAINT wallet_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT wallet_version_positive CHECK (version >= 1)
) WITH (fillfactor = 50);

-- The ledger. One row is both entries of a movement: the wallet gains the amount, the counter
-- account loses it, so that the two cannot but sum to zero. See decision 0006.
CREATE TABLE "boxoffice".transfer (
  transfer_id uuid CONSTRAINT transfer_pkey PRIMARY KEY,
  kind text NOT NULL,
  user_id text COLLATE "C" NOT NULL CONSTRAINT transfer_of_wallet REFERENCES "boxoffice".wallet,
  counter_account text COLLATE "C" NOT NULL,
  amount bigint NOT NULL,
  currency text NOT NULL,
  -- The wallet's version and balance right after.
  version bigint NOT NULL,
  balance bigint NOT NULL,
  reservation_id uuid CONSTRAINT transfer_for_reservation REFERENCES "boxoffice".reservation,
  made_at timestamptz NOT NULL,
  -- Where the entry before this one must have left the wallet.
  version_before bigint GENERATED ALWAYS AS (nullif(version - 1, 0)) STORED,
  balance_before bigint GENERATED ALWAYS AS (balance - amount) STORED,
  CONSTRAINT transfer_version_once UNIQUE (user_id, version),
  CONSTRAINT transfer_leaves_balance UNIQUE (user_id, version, balance, currency),
  CONSTRAINT transfer_follows_the_one_before
    FOREIGN KEY (user_id, version_before, balance_before, currency)
    REFERENCES "boxoffice".transfer (user_id, version, balance, currency),
  CONSTRAINT transfer_first_starts_at_zero CHECK (version > 1 OR balance = amount),
  CONSTRAINT transfer_version_positive CHECK (version >= 1),
  CONSTRAINT transfer_balance_not_negative CHECK (balance >= 0),
  CONSTRAINT transfer_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT transfer_kind_known CHECK (kind IN ('charge', 'payment', 'refund')),
  CONSTRAINT transfer_sign_by_kind CHECK (CASE kind
    WHEN 'charge' THEN amount > 0
    WHEN 'payment' THEN amount <= 0
    ELSE amount >= 0
  END),
  CONSTRAINT transfer_counter_account_by_kind CHECK (CASE kind
    WHEN 'charge' THEN counter_account = 'cash'
    ELSE counter_account LIKE 'revenue:_%'
  END),
  CONSTRAINT transfer_reservation_by_kind CHECK ((kind = 'charge') = (reservation_id IS NULL))
);
CREATE UNIQUE INDEX transfer_payment_once ON "boxoffice".transfer (reservation_id)
  WHERE kind = 'payment';
CREATE UNIQUE INDEX transfer_refund_once ON "boxoffice".transfer (reservation_id)
  WHERE kind = 'refund';

-- A wallet is what its last entry left. Deferred, since the two refer to each other.
ALTER TABLE "boxoffice".wallet ADD CONSTRAINT wallet_is_what_the_ledger_says
  FOREIGN KEY (user_id, version, balance, currency)
  REFERENCES "boxoffice".transfer (user_id, version, balance, currency)
  DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE "boxoffice".reservation ADD CONSTRAINT reservation_paid_by_transfer
  FOREIGN KEY (payment_id) REFERENCES "boxoffice".transfer;

CREATE VIEW "boxoffice".ledger_entry AS
  SELECT transfer_id, kind, 'wallet:' || user_id AS account, amount, currency, made_at
  FROM "boxoffice".transfer
  UNION ALL
  SELECT transfer_id, kind, counter_account, -amount, currency, made_at
  FROM "boxoffice".transfer;

CREATE FUNCTION "boxoffice".refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % refused', TG_OP
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'transfer_is_append_only',
      SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
      HINT = 'A movement is undone by a movement the other way.';
END
$$;
CREATE TRIGGER transfer_is_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON "boxoffice".transfer
  FOR EACH STATEMENT EXECUTE FUNCTION "boxoffice".refuse_ledger_change();

CREATE FUNCTION "boxoffice".refuse_second_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Only a refund, which cancels the reservation, gives a sold seat back.
  IF TG_OP = 'UPDATE' AND NEW.status = 'available' AND EXISTS (
    SELECT FROM "boxoffice".reservation
    WHERE reservation_id = OLD.reservation_id AND status = 'cancelled'
  ) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'seat % of % is sold', OLD.seat_id, OLD.performance_id
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'seat_sold_owner_is_final',
      SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
      HINT = 'Cancel the reservation that owns it.';
END
$$;
-- With WHEN, a hold or a sale does not even call the function.
CREATE TRIGGER seat_sold_owner_is_final
  BEFORE UPDATE ON "boxoffice".seat FOR EACH ROW
  WHEN (OLD.status = 'sold' AND (NEW.status, NEW.reservation_id, NEW.performance_id, NEW.seat_id)
    IS DISTINCT FROM (OLD.status, OLD.reservation_id, OLD.performance_id, OLD.seat_id))
  EXECUTE FUNCTION "boxoffice".refuse_second_owner();
CREATE TRIGGER seat_sold_stays
  BEFORE DELETE ON "boxoffice".seat FOR EACH ROW WHEN (OLD.status = 'sold')
  EXECUTE FUNCTION "boxoffice".refuse_second_owner();

-- The first answer to a command, for when it comes again.
CREATE TABLE "boxoffice".command_outcome (
  command_id uuid CONSTRAINT command_outcome_pkey PRIMARY KEY,
  user_id text COLLATE "C" NOT NULL,
  operation text NOT NULL,
  fingerprint text NOT NULL,
  outcome text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

-- What happened, in the order in which each batch decided it. A reader goes by xid first: an
-- event of a transaction that is still open may have a smaller event_id than one that is read.
CREATE TABLE "boxoffice".outbox (
  event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  aggregate_kind text NOT NULL,
  aggregate_id text COLLATE "C" NOT NULL,
  type text NOT NULL,
  event jsonb NOT NULL,
  occurred_at timestamptz NOT NULL
);

-- The rows come as they were, in any order: nothing is checked meanwhile.

SET LOCAL session_replication_role = replica;

INSERT INTO boxoffice.command_outcome (command_id, user_id, operation, fingerprint, outcome, recorded_at) OVERRIDING SYSTEM VALUE VALUES
  ('573f007e-2086-8829-95f2-9b684a851e46', 'ada', 'pay', 'RNKTjvaqOhAPiUTuMEUZ3G6dlDkNVuykSZg_bsGy3pA', '{"success":{"paymentId":"573f007e-2086-8829-95f2-9b684a851e46","reservationId":"01a21357-6d6a-7256-8a0d-89e9b763664c","amount":{"amount":{"$bigint":"220000"},"currency":"KRW"},"balance":{"amount":{"$bigint":"9007199254520993"},"currency":"KRW"},"paidAt":{"$date":1795620826490}}}', '2026-11-25 15:33:46.48928+00'),
  ('be8bc71f-d34e-866c-8435-ff146cc19272', 'ada', 'charge', 'NZxiAyF9ArQGa4E-C5rCmMgML1tWzry22m0JD4tjYl8', '{"success":{"transferId":"be8bc71f-d34e-866c-8435-ff146cc19272","amount":{"amount":{"$bigint":"9007199254740993"},"currency":"KRW"},"balance":{"amount":{"$bigint":"9007199254740993"},"currency":"KRW"}}}', '2026-11-25 15:33:46.464134+00');

INSERT INTO boxoffice.outbox (event_id, xid, aggregate_kind, aggregate_id, type, event, occurred_at) OVERRIDING SYSTEM VALUE VALUES
  ('1', '3', 'queue_token', '01a21357-6d49-714b-b34c-d640f8df59c6', 'QueueTokenIssued', '{"at": 1795620826456, "_tag": "QueueTokenIssued", "number": "1", "userId": "ada", "queueId": "main", "tokenId": "01a21357-6d49-714b-b34c-d640f8df59c6"}', '2026-11-25 15:33:46.456+00'),
  ('10', '3', 'wallet', 'bob', 'WalletCharged', '{"at": 1795620826511, "_tag": "WalletCharged", "amount": {"amount": "200000", "currency": "KRW"}, "userId": "bob", "transferId": "01a21357-6d8c-7067-a589-d920fd87bdb1"}', '2026-11-25 15:33:46.511+00'),
  ('11', '3', 'reservation', '01a21357-6d86-741d-b007-6fc2055bcd70', 'ReservationPaid', '{"at": 1795620826515, "_tag": "ReservationPaid", "amount": {"amount": "110000", "currency": "KRW"}, "showId": "gala", "userId": "bob", "seatIds": ["A3"], "paymentId": "01a21357-6d91-7438-9c1a-39b4a077a78f", "performanceId": "gala-1", "reservationId": "01a21357-6d86-741d-b007-6fc2055bcd70"}', '2026-11-25 15:33:46.515+00'),
  ('12', '3', 'queue_token', '01a21357-6d7f-706a-b246-b85edfb46810', 'QueueTokenCompleted', '{"at": 1795620826515, "_tag": "QueueTokenCompleted", "userId": "bob", "queueId": "main", "tokenId": "01a21357-6d7f-706a-b246-b85edfb46810"}', '2026-11-25 15:33:46.515+00'),
  ('13', '3', 'reservation', '01a21357-6d86-741d-b007-6fc2055bcd70', 'PaymentRefunded', '{"at": 1795620826526, "_tag": "PaymentRefunded", "amount": {"amount": "110000", "currency": "KRW"}, "showId": "gala", "userId": "bob", "seatIds": ["A3"], "refundId": "01a21357-6d9b-7345-88b6-8edda6a350ee", "paymentId": "01a21357-6d91-7438-9c1a-39b4a077a78f", "performanceId": "gala-1", "reservationId": "01a21357-6d86-741d-b007-6fc2055bcd70"}', '2026-11-25 15:33:46.526+00'),
  ('14', '3', 'queue_token', '01a21357-6da2-76c3-89d5-d3fb8a0fc959', 'QueueTokenIssued', '{"at": 1795620826531, "_tag": "QueueTokenIssued", "number": "3", "userId": "cid", "queueId": "main", "tokenId": "01a21357-6da2-76c3-89d5-d3fb8a0fc959"}', '2026-11-25 15:33:46.531+00'),
  ('15', '3', 'queue_token', '01a21357-6da2-76c3-89d5-d3fb8a0fc959', 'QueueTokenAdmitted', '{"at": 1795620826531, "_tag": "QueueTokenAdmitted", "userId": "cid", "claimed": true, "queueId": "main", "tokenId": "01a21357-6da2-76c3-89d5-d3fb8a0fc959", "expiresAt": 1795621426531}', '2026-11-25 15:33:46.531+00'),
  ('16', '3', 'reservation', '01a21357-6da4-7532-94fc-96ea9d71550e', 'SeatsHeld', '{"at": 1795620826534, "_tag": "SeatsHeld", "seats": [{"row": "A", "price": {"amount": "110000", "currency": "KRW"}, "number": "4", "seatId": "A4", "section": "Stalls"}], "amount": {"amount": "110000", "currency": "KRW"}, "userId": "cid", "holdExpiresAt": 1795620828534, "performanceId": "gala-1", "reservationId": "01a21357-6da4-7532-94fc-96ea9d71550e"}', '2026-11-25 15:33:46.534+00'),
  ('17', '3', 'reservation', '01a21357-6da4-7532-94fc-96ea9d71550e', 'HoldReleased', '{"at": 1795620826540, "_tag": "HoldReleased", "userId": "cid", "seatIds": ["A4"], "performanceId": "gala-1", "reservationId": "01a21357-6da4-7532-94fc-96ea9d71550e"}', '2026-11-25 15:33:46.54+00'),
  ('18', '3', 'queue_token', '01a21357-6da2-76c3-89d5-d3fb8a0fc959', 'QueueTokenLeft', '{"at": 1795620826545, "_tag": "QueueTokenLeft", "userId": "cid", "queueId": "main", "tokenId": "01a21357-6da2-76c3-89d5-d3fb8a0fc959"}', '2026-11-25 15:33:46.545+00'),
  ('19', '3', 'queue_token', '01a21357-6db5-719f-9e3f-98209dd469ab', 'QueueTokenIssued', '{"at": 1795620826550, "_tag": "QueueTokenIssued", "number": "4", "userId": "dan", "queueId": "main", "tokenId": "01a21357-6db5-719f-9e3f-98209dd469ab"}', '2026-11-25 15:33:46.55+00'),
  ('2', '3', 'queue_token', '01a21357-6d49-714b-b34c-d640f8df59c6', 'QueueTokenAdmitted', '{"at": 1795620826456, "_tag": "QueueTokenAdmitted", "userId": "ada", "claimed": true, "queueId": "main", "tokenId": "01a21357-6d49-714b-b34c-d640f8df59c6", "expiresAt": 1795621426456}', '2026-11-25 15:33:46.456+00'),
  ('20', '3', 'queue_token', '01a21357-6db5-719f-9e3f-98209dd469ab', 'QueueTokenAdmitted', '{"at": 1795620826550, "_tag": "QueueTokenAdmitted", "userId": "dan", "claimed": true, "queueId": "main", "tokenId": "01a21357-6db5-719f-9e3f-98209dd469ab", "expiresAt": 1795621426550}', '2026-11-25 15:33:46.55+00'),
  ('21', '3', 'reservation', '01a21357-6dbb-76d1-a1d1-b0c9ae1b4c87', 'SeatsHeld', '{"at": 1795620826556, "_tag": "SeatsHeld", "seats": [{"row": "A", "price": {"amount": "110000", "currency": "KRW"}, "number": "5", "seatId": "A5", "section": "Stalls"}], "amount": {"amount": "110000", "currency": "KRW"}, "userId": "dan", "holdExpiresAt": 1795620828556, "performanceId": "gala-1", "reservationId": "01a21357-6dbb-76d1-a1d1-b0c9ae1b4c87"}', '2026-11-25 15:33:46.556+00'),
  ('22', '3', 'queue_token', '01a21357-6dc3-7501-822c-f10c49418493', 'QueueTokenIssued', '{"at": 1795620826564, "_tag": "QueueTokenIssued", "number": "1", "userId": "eve", "queueId": "narrow", "tokenId": "01a21357-6dc3-7501-822c-f10c49418493"}', '2026-11-25 15:33:46.564+00'),
  ('23', '3', 'queue_token', '01a21357-6dc3-7501-822c-f10c49418493', 'QueueTokenAdmitted', '{"at": 1795620826564, "_tag": "QueueTokenAdmitted", "userId": "eve", "claimed": true, "queueId": "narrow", "tokenId": "01a21357-6dc3-7501-822c-f10c49418493", "expiresAt": 1795620827564}', '2026-11-25 15:33:46.564+00'),
  ('24', '3', 'queue_token', '01a21357-6dc3-7501-822c-f10c49418493', 'QueueTokenLapsed', '{"at": 1795620827616, "_tag": "QueueTokenLapsed", "userId": "eve", "queueId": "narrow", "tokenId": "01a21357-6dc3-7501-822c-f10c49418493"}', '2026-11-25 15:33:47.616+00'),
  ('25', '3', 'reservation', '01a21357-6dbb-76d1-a1d1-b0c9ae1b4c87', 'HoldLapsed', '{"at": 1795620828628, "_tag": "HoldLapsed", "userId": "dan", "seatIds": ["A5"], "holdExpiresAt": 1795620828556, "performanceId": "gala-1", "reservationId": "01a21357-6dbb-76d1-a1d1-b0c9ae1b4c87"}', '2026-11-25 15:33:48.628+00'),
  ('26', '3', 'queue_token', '01a21357-7983-7058-ad70-7cb6e44a12e2', 'QueueTokenIssued', '{"at": 1795620829572, "_tag": "QueueTokenIssued", "number": "2", "userId": "gus", "queueId": "narrow", "tokenId": "01a21357-7983-7058-ad70-7cb6e44a12e2"}', '2026-11-25 15:33:49.572+00'),
  ('27', '3', 'queue_token', '01a21357-7983-7058-ad70-7cb6e44a12e2', 'QueueTokenAdmitted', '{"at": 1795620829572, "_tag": "QueueTokenAdmitted", "userId": "gus", "claimed": true, "queueId": "narrow", "tokenId": "01a21357-7983-7058-ad70-7cb6e44a12e2", "expiresAt": 1795620830572}', '2026-11-25 15:33:49.572+00'),
  ('28', '3', 'queue_token', '01a21357-7986-7018-807a-316e850beba0', 'QueueTokenIssued', '{"at": 1795620829574, "_tag": "QueueTokenIssued", "number": "3", "userId": "fay", "queueId": "narrow", "tokenId": "01a21357-7986-7018-807a-316e850beba0"}', '2026-11-25 15:33:49.574+00'),
  ('29', '3', 'queue_token', '01a21357-798d-76e8-832e-d2d78fd8d826', 'QueueTokenIssued', '{"at": 1795620829582, "_tag": "QueueTokenIssued", "number": "5", "userId": "hal", "queueId": "main", "tokenId": "01a21357-798d-76e8-832e-d2d78fd8d826"}', '2026-11-25 15:33:49.582+00'),
  ('3', '3', 'wallet', 'ada', 'WalletCharged', '{"at": 1795620826464, "_tag": "WalletCharged", "amount": {"amount": "9007199254740993", "currency": "KRW"}, "userId": "ada", "transferId": "be8bc71f-d34e-866c-8435-ff146cc19272"}', '2026-11-25 15:33:46.464+00'),
  ('30', '3', 'queue_token', '01a21357-798d-76e8-832e-d2d78fd8d826', 'QueueTokenAdmitted', '{"at": 1795620829582, "_tag": "QueueTokenAdmitted", "userId": "hal", "claimed": true, "queueId": "main", "tokenId": "01a21357-798d-76e8-832e-d2d78fd8d826", "expiresAt": 1795621429582}', '2026-11-25 15:33:49.582+00'),
  ('31', '3', 'reservation', '01a21357-798f-7132-b0a3-cee451f116f9', 'SeatsHeld', '{"at": 1795620829584, "_tag": "SeatsHeld", "seats": [{"row": "A", "price": {"amount": "110000", "currency": "KRW"}, "number": "6", "seatId": "A6", "section": "Stalls"}], "amount": {"amount": "110000", "currency": "KRW"}, "userId": "hal", "holdExpiresAt": 1795620831584, "performanceId": "gala-1", "reservationId": "01a21357-798f-7132-b0a3-cee451f116f9"}', '2026-11-25 15:33:49.584+00'),
  ('4', '3', 'reservation', '01a21357-6d6a-7256-8a0d-89e9b763664c', 'SeatsHeld', '{"at": 1795620826478, "_tag": "SeatsHeld", "seats": [{"row": "A", "price": {"amount": "110000", "currency": "KRW"}, "number": "1", "seatId": "A1", "section": "Stalls"}, {"row": "A", "price": {"amount": "110000", "currency": "KRW"}, "number": "2", "seatId": "A2", "section": "Stalls"}], "amount": {"amount": "220000", "currency": "KRW"}, "userId": "ada", "holdExpiresAt": 1795620828478, "performanceId": "gala-1", "reservationId": "01a21357-6d6a-7256-8a0d-89e9b763664c"}', '2026-11-25 15:33:46.478+00'),
  ('5', '3', 'reservation', '01a21357-6d6a-7256-8a0d-89e9b763664c', 'ReservationPaid', '{"at": 1795620826490, "_tag": "ReservationPaid", "amount": {"amount": "220000", "currency": "KRW"}, "showId": "gala", "userId": "ada", "seatIds": ["A1", "A2"], "paymentId": "573f007e-2086-8829-95f2-9b684a851e46", "performanceId": "gala-1", "reservationId": "01a21357-6d6a-7256-8a0d-89e9b763664c"}', '2026-11-25 15:33:46.49+00'),
  ('6', '3', 'queue_token', '01a21357-6d49-714b-b34c-d640f8df59c6', 'QueueTokenCompleted', '{"at": 1795620826490, "_tag": "QueueTokenCompleted", "userId": "ada", "queueId": "main", "tokenId": "01a21357-6d49-714b-b34c-d640f8df59c6"}', '2026-11-25 15:33:46.49+00'),
  ('7', '3', 'queue_token', '01a21357-6d7f-706a-b246-b85edfb46810', 'QueueTokenIssued', '{"at": 1795620826499, "_tag": "QueueTokenIssued", "number": "2", "userId": "bob", "queueId": "main", "tokenId": "01a21357-6d7f-706a-b246-b85edfb46810"}', '2026-11-25 15:33:46.499+00'),
  ('8', '3', 'queue_token', '01a21357-6d7f-706a-b246-b85edfb46810', 'QueueTokenAdmitted', '{"at": 1795620826499, "_tag": "QueueTokenAdmitted", "userId": "bob", "claimed": true, "queueId": "main", "tokenId": "01a21357-6d7f-706a-b246-b85edfb46810", "expiresAt": 1795621426499}', '2026-11-25 15:33:46.499+00'),
  ('9', '3', 'reservation', '01a21357-6d86-741d-b007-6fc2055bcd70', 'SeatsHeld', '{"at": 1795620826503, "_tag": "SeatsHeld", "seats": [{"row": "A", "price": {"amount": "110000", "currency": "KRW"}, "number": "3", "seatId": "A3", "section": "Stalls"}], "amount": {"amount": "110000", "currency": "KRW"}, "userId": "bob", "holdExpiresAt": 1795620828503, "performanceId": "gala-1", "reservationId": "01a21357-6d86-741d-b007-6fc2055bcd70"}', '2026-11-25 15:33:46.503+00');

INSERT INTO boxoffice.performance (performance_id, show_id, starts_at, time_zone) OVERRIDING SYSTEM VALUE VALUES
  ('gala-1', 'gala', '2999-12-31 10:30:00+00', 'Asia/Seoul');

INSERT INTO boxoffice.queue (queue_id, mode, max_active, admit_per_minute, claim_seconds, session_seconds, next_number) OVERRIDING SYSTEM VALUE VALUES
  ('main', 'open', '100', '60000', '60', '600', '6'),
  ('narrow', 'paused', '1', '60000', '120', '1', '4');

INSERT INTO boxoffice.queue_token (token_id, queue_id, user_id, number, state, claimed, joined_at, admitted_at, expires_at, ended_at) OVERRIDING SYSTEM VALUE VALUES
  ('01a21357-6d49-714b-b34c-d640f8df59c6', 'main', 'ada', '1', 'completed', 'true', '2026-11-25 15:33:46.456+00', '2026-11-25 15:33:46.456+00', '2026-11-25 15:43:46.456+00', '2026-11-25 15:33:46.49+00'),
  ('01a21357-6d7f-706a-b246-b85edfb46810', 'main', 'bob', '2', 'completed', 'true', '2026-11-25 15:33:46.499+00', '2026-11-25 15:33:46.499+00', '2026-11-25 15:43:46.499+00', '2026-11-25 15:33:46.515+00'),
  ('01a21357-6da2-76c3-89d5-d3fb8a0fc959', 'main', 'cid', '3', 'left', 'true', '2026-11-25 15:33:46.531+00', '2026-11-25 15:33:46.531+00', '2026-11-25 15:43:46.531+00', '2026-11-25 15:33:46.545+00'),
  ('01a21357-6db5-719f-9e3f-98209dd469ab', 'main', 'dan', '4', 'admitted', 'true', '2026-11-25 15:33:46.55+00', '2026-11-25 15:33:46.55+00', '2026-11-25 15:43:46.55+00', NULL),
  ('01a21357-6dc3-7501-822c-f10c49418493', 'narrow', 'eve', '1', 'expired', 'true', '2026-11-25 15:33:46.564+00', '2026-11-25 15:33:46.564+00', '2026-11-25 15:33:47.564+00', '2026-11-25 15:33:47.616+00'),
  ('01a21357-7983-7058-ad70-7cb6e44a12e2', 'narrow', 'gus', '2', 'admitted', 'true', '2026-11-25 15:33:49.572+00', '2026-11-25 15:33:49.572+00', '2026-11-25 15:33:50.572+00', NULL),
  ('01a21357-7986-7018-807a-316e850beba0', 'narrow', 'fay', '3', 'waiting', 'false', '2026-11-25 15:33:49.574+00', NULL, NULL, NULL),
  ('01a21357-798d-76e8-832e-d2d78fd8d826', 'main', 'hal', '5', 'admitted', 'true', '2026-11-25 15:33:49.582+00', '2026-11-25 15:33:49.582+00', '2026-11-25 15:43:49.582+00', NULL);

INSERT INTO boxoffice.reservation (reservation_id, performance_id, user_id, seats, amount, currency, status, held_at, hold_expires_at, confirmed_at, ended_at, payment_id) OVERRIDING SYSTEM VALUE VALUES
  ('01a21357-6d6a-7256-8a0d-89e9b763664c', 'gala-1', 'ada', '[{"row": "A", "amount": "110000", "number": "1", "seatId": "A1", "section": "Stalls", "currency": "KRW"}, {"row": "A", "amount": "110000", "number": "2", "seatId": "A2", "section": "Stalls", "currency": "KRW"}]', '220000', 'KRW', 'confirmed', '2026-11-25 15:33:46.478+00', '2026-11-25 15:33:48.478+00', '2026-11-25 15:33:46.49+00', NULL, '573f007e-2086-8829-95f2-9b684a851e46'),
  ('01a21357-6d86-741d-b007-6fc2055bcd70', 'gala-1', 'bob', '[{"row": "A", "amount": "110000", "number": "3", "seatId": "A3", "section": "Stalls", "currency": "KRW"}]', '110000', 'KRW', 'cancelled', '2026-11-25 15:33:46.503+00', '2026-11-25 15:33:48.503+00', '2026-11-25 15:33:46.515+00', '2026-11-25 15:33:46.526+00', '01a21357-6d91-7438-9c1a-39b4a077a78f'),
  ('01a21357-6da4-7532-94fc-96ea9d71550e', 'gala-1', 'cid', '[{"row": "A", "amount": "110000", "number": "4", "seatId": "A4", "section": "Stalls", "currency": "KRW"}]', '110000', 'KRW', 'released', '2026-11-25 15:33:46.534+00', '2026-11-25 15:33:48.534+00', NULL, '2026-11-25 15:33:46.54+00', NULL),
  ('01a21357-6dbb-76d1-a1d1-b0c9ae1b4c87', 'gala-1', 'dan', '[{"row": "A", "amount": "110000", "number": "5", "seatId": "A5", "section": "Stalls", "currency": "KRW"}]', '110000', 'KRW', 'expired', '2026-11-25 15:33:46.556+00', '2026-11-25 15:33:48.556+00', NULL, '2026-11-25 15:33:48.556+00', NULL),
  ('01a21357-798f-7132-b0a3-cee451f116f9', 'gala-1', 'hal', '[{"row": "A", "amount": "110000", "number": "6", "seatId": "A6", "section": "Stalls", "currency": "KRW"}]', '110000', 'KRW', 'held', '2026-11-25 15:33:49.584+00', '2026-11-25 15:33:51.584+00', NULL, NULL, NULL);

INSERT INTO boxoffice.seat (performance_id, seat_id, ordinal, section, seat_row, seat_number, price, currency, status, reservation_id, held_until, changes) OVERRIDING SYSTEM VALUE VALUES
  ('gala-1', 'A1', '1', 'Stalls', 'A', '1', '110000', 'KRW', 'sold', '01a21357-6d6a-7256-8a0d-89e9b763664c', NULL, '3'),
  ('gala-1', 'A2', '2', 'Stalls', 'A', '2', '110000', 'KRW', 'sold', '01a21357-6d6a-7256-8a0d-89e9b763664c', NULL, '3'),
  ('gala-1', 'A3', '3', 'Stalls', 'A', '3', '110000', 'KRW', 'available', NULL, NULL, '4'),
  ('gala-1', 'A4', '4', 'Stalls', 'A', '4', '110000', 'KRW', 'available', NULL, NULL, '3'),
  ('gala-1', 'A5', '5', 'Stalls', 'A', '5', '110000', 'KRW', 'available', NULL, NULL, '3'),
  ('gala-1', 'A6', '6', 'Stalls', 'A', '6', '110000', 'KRW', 'held', '01a21357-798f-7132-b0a3-cee451f116f9', '2026-11-25 15:33:51.584+00', '2'),
  ('gala-1', 'A7', '7', 'Stalls', 'A', '7', '110000', 'KRW', 'available', NULL, NULL, '1'),
  ('gala-1', 'A8', '8', 'Stalls', 'A', '8', '110000', 'KRW', 'blocked', NULL, NULL, '1');

INSERT INTO boxoffice.show (show_id, title, queue_id, sales_open_at, sales_close_at) OVERRIDING SYSTEM VALUE VALUES
  ('gala', 'Gala', 'main', '2020-01-01 00:00:00+00', '2999-01-01 00:00:00+00');

INSERT INTO boxoffice.transfer (transfer_id, kind, user_id, counter_account, amount, currency, version, balance, reservation_id, made_at) OVERRIDING SYSTEM VALUE VALUES
  ('01a21357-6d8c-7067-a589-d920fd87bdb1', 'charge', 'bob', 'cash', '200000', 'KRW', '1', '200000', NULL, '2026-11-25 15:33:46.511+00'),
  ('01a21357-6d91-7438-9c1a-39b4a077a78f', 'payment', 'bob', 'revenue:gala', '-110000', 'KRW', '2', '90000', '01a21357-6d86-741d-b007-6fc2055bcd70', '2026-11-25 15:33:46.515+00'),
  ('01a21357-6d9b-7345-88b6-8edda6a350ee', 'refund', 'bob', 'revenue:gala', '110000', 'KRW', '3', '200000', '01a21357-6d86-741d-b007-6fc2055bcd70', '2026-11-25 15:33:46.526+00'),
  ('573f007e-2086-8829-95f2-9b684a851e46', 'payment', 'ada', 'revenue:gala', '-220000', 'KRW', '2', '9007199254520993', '01a21357-6d6a-7256-8a0d-89e9b763664c', '2026-11-25 15:33:46.49+00'),
  ('be8bc71f-d34e-866c-8435-ff146cc19272', 'charge', 'ada', 'cash', '9007199254740993', 'KRW', '1', '9007199254740993', NULL, '2026-11-25 15:33:46.464+00');

INSERT INTO boxoffice.wallet (user_id, currency, balance, version) OVERRIDING SYSTEM VALUE VALUES
  ('ada', 'KRW', '9007199254520993', '2'),
  ('bob', 'KRW', '200000', '3');

PERFORM setval('boxoffice.outbox_event_id_seq', (SELECT max(event_id) FROM boxoffice.outbox));
