/**
 * Compares rows with the events that made them, column by column: a change of one row by any other
 * way than the engine's shows, as long as the events are kept.
 */
import type { SchemaName } from "../schemaName.ts"
import { clearedUpTo } from "./cleared.ts"

/** An instant of an event. */
const instant = (json: string) =>
  `timestamptz 'epoch' + (${json})::bigint * interval '1 millisecond'`

/**
 * The events of each aggregate of a kind since its last beginning, in order: the same key may make
 * another row under the same id, once the row of before was deleted. `back` is 1 for the last event,
 * and `back_of_type` for the last one of its type.
 */
const toldOf = (schema: SchemaName, kind: string, beginning: string) => `
    WITH told AS MATERIALIZED (
      SELECT aggregate_id, type, event, occurred_at,
        row_number() OVER (PARTITION BY aggregate_id ORDER BY batch_id DESC, position DESC) AS back,
        row_number() OVER (PARTITION BY aggregate_id, type ORDER BY batch_id DESC, position DESC)
          AS back_of_type
      FROM (
        SELECT *, count(*) FILTER (WHERE type = '${beginning}') OVER (PARTITION BY aggregate_id
            ORDER BY batch_id, position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS life,
          count(*) FILTER (WHERE type = '${beginning}') OVER (PARTITION BY aggregate_id) AS lives
        FROM ${schema}.outbox_event WHERE aggregate_kind = '${kind}'
      ) e WHERE life = lives
    )`

/** A transfer is what the event says that was written with it, and no event lacks its transfer. */
export const transfersAsTold = (schema: SchemaName) => `
    WITH told AS (
      SELECT coalesce(event ->> 'refundId', event ->> 'paymentId', event ->> 'transferId')::uuid
          AS transfer_id,
        CASE type WHEN 'WalletCharged' THEN 'charge' WHEN 'ReservationPaid' THEN 'payment'
          ELSE 'refund' END AS kind,
        event ->> 'userId' AS user_id,
        coalesce('revenue:' || (event ->> 'showId'), 'cash') AS counter_account,
        (event #>> '{amount,amount}')::bigint * CASE type WHEN 'ReservationPaid' THEN -1 ELSE 1 END
          AS amount,
        event #>> '{amount,currency}' AS currency,
        (event ->> 'reservationId')::uuid AS reservation_id, occurred_at AS made_at
      FROM ${schema}.outbox_event
      WHERE type IN ('WalletCharged', 'ReservationPaid', 'PaymentRefunded')
    )
    SELECT count(*) FROM told FULL JOIN ${schema}.transfer t USING (transfer_id)
    WHERE coalesce(told.made_at, t.made_at) > ${clearedUpTo(schema, "outbox")}
      AND (told.kind, told.user_id, told.counter_account, told.amount, told.currency,
          told.reservation_id, told.made_at)
        IS DISTINCT FROM (t.kind, t.user_id, t.counter_account, t.amount, t.currency,
          t.reservation_id, t.made_at)
      -- What costs nothing moves nothing.
      AND (t.transfer_id IS NOT NULL OR told.amount <> 0)`

/** A reservation is what its events say: whose, of what, at which price, and how it stands. */
export const reservationsAsTold = (schema: SchemaName) => `
    ${toldOf(schema, "reservation", "SeatsHeld")}
    SELECT count(*) FROM ${schema}.reservation r
    LEFT JOIN told held ON held.aggregate_id = r.reservation_id::text
      AND held.type = 'SeatsHeld' AND held.back_of_type = 1
    LEFT JOIN told paid ON paid.aggregate_id = r.reservation_id::text
      AND paid.type = 'ReservationPaid' AND paid.back_of_type = 1
    LEFT JOIN told last ON last.aggregate_id = r.reservation_id::text AND last.back = 1
    WHERE least(r.held_at, r.confirmed_at, r.ended_at) > greatest(${clearedUpTo(schema, "outbox")}, ${clearedUpTo(schema, "reservation")})
      AND (r.user_id, r.performance_id, r.amount, r.currency, r.held_at, r.hold_expires_at, r.seats,
          r.status, r.confirmed_at, r.payment_id, r.ended_at)
        IS DISTINCT FROM (held.event ->> 'userId', held.event ->> 'performanceId',
          (held.event #>> '{amount,amount}')::bigint, held.event #>> '{amount,currency}',
          held.occurred_at, ${instant("held.event ->> 'holdExpiresAt'")},
          (SELECT jsonb_agg(jsonb_build_object('seatId', seat -> 'seatId',
              'section', seat -> 'section', 'row', seat -> 'row', 'number', seat -> 'number',
              'amount', seat #> '{price,amount}', 'currency', seat #> '{price,currency}')
              ORDER BY place)
            FROM json_array_elements(held.event -> 'seats') WITH ORDINALITY AS s (seat, place)),
          CASE last.type WHEN 'SeatsHeld' THEN 'held' WHEN 'ReservationPaid' THEN 'confirmed'
            WHEN 'HoldReleased' THEN 'released' WHEN 'HoldLapsed' THEN 'expired'
            WHEN 'PaymentRefunded' THEN 'cancelled' END,
          paid.occurred_at, (paid.event ->> 'paymentId')::uuid,
          CASE last.type WHEN 'HoldLapsed' THEN ${instant("last.event ->> 'holdExpiresAt'")}
            WHEN 'HoldReleased' THEN last.occurred_at WHEN 'PaymentRefunded' THEN last.occurred_at
            END)`

/** A queue token is what its events say: whose, its place in line, and how it stands. */
export const tokensAsTold = (schema: SchemaName) => `
    ${toldOf(schema, "queue_token", "QueueTokenIssued")},
    -- The last admission or extension says until when the token is good.
    extended AS (
      SELECT DISTINCT ON (aggregate_id) aggregate_id, event FROM told
      WHERE type IN ('QueueTokenAdmitted', 'QueueTokenExtended') ORDER BY aggregate_id, back
    )
    SELECT count(*) FROM ${schema}.queue_token t
    LEFT JOIN told issued ON issued.aggregate_id = t.token_id::text
      AND issued.type = 'QueueTokenIssued' AND issued.back_of_type = 1
    LEFT JOIN told admitted ON admitted.aggregate_id = t.token_id::text
      AND admitted.type = 'QueueTokenAdmitted' AND admitted.back_of_type = 1
    LEFT JOIN extended ON extended.aggregate_id = t.token_id::text
    LEFT JOIN told last ON last.aggregate_id = t.token_id::text AND last.back = 1
    WHERE least(t.joined_at, t.admitted_at, t.ended_at) > greatest(${clearedUpTo(schema, "outbox")}, ${clearedUpTo(schema, "queue_token")})
      AND (t.queue_id, t.user_id, t.number, t.lane, t.joined_at, t.state, t.admitted_at,
          t.expires_at, t.claimed, t.ended_at)
        IS DISTINCT FROM (issued.event ->> 'queueId', issued.event ->> 'userId',
          (issued.event ->> 'number')::bigint,
          CASE issued.event ->> 'lane' WHEN 'priority' THEN 1 ELSE 0 END::smallint,
          issued.occurred_at,
          CASE last.type WHEN 'QueueTokenIssued' THEN 'waiting'
            WHEN 'QueueTokenCompleted' THEN 'completed' WHEN 'QueueTokenLeft' THEN 'left'
            WHEN 'QueueTokenLapsed' THEN 'expired' ELSE 'admitted' END,
          admitted.occurred_at, ${instant("extended.event ->> 'expiresAt'")},
          coalesce(extended.event ->> '_tag' = 'QueueTokenExtended'
            OR (admitted.event ->> 'claimed')::boolean, false),
          CASE WHEN last.type IN ('QueueTokenCompleted', 'QueueTokenLeft', 'QueueTokenLapsed')
            THEN last.occurred_at END)`

/** A queue is as its operators left it, as far as the events that are kept tell. */
export const queuesAsTold = (schema: SchemaName) => `
    WITH told AS MATERIALIZED (
      SELECT DISTINCT ON (event ->> 'queueId', kind) event ->> 'queueId' AS queue_id, kind, event
      -- Few batches have such an event: the others are not expanded.
      FROM ${schema}.outbox b, json_array_elements(b.events) WITH ORDINALITY AS e (event, position),
        unnest(CASE event ->> '_tag' WHEN 'QueueModeChanged' THEN ARRAY['mode']
          WHEN 'QueueOpened' THEN ARRAY['opening'] WHEN 'QueueConfigured' THEN ARRAY['settings']
          WHEN 'QueueCreated' THEN ARRAY['mode', 'opening', 'settings'] END) AS kind
      WHERE b.events::text ~ '"Queue(Created|Configured|ModeChanged|Opened)"'
      ORDER BY event ->> 'queueId', kind, batch_id DESC, position DESC
    )
    SELECT count(*) FROM told JOIN ${schema}.queue q USING (queue_id)
    WHERE CASE kind
      WHEN 'mode' THEN q.mode <> coalesce(event ->> 'mode', 'open')
      WHEN 'opening' THEN (q.drawn, q.opened_at, q.lottery_seed) IS DISTINCT FROM
        (coalesce((event ->> 'drawn')::bigint, 0),
          CASE event ->> '_tag' WHEN 'QueueOpened' THEN ${instant("event ->> 'at'")} END,
          coalesce(event ->> 'seed', q.lottery_seed))
      ELSE (q.max_active, q.admit_per_minute, q.claim_seconds, q.session_seconds,
          q.priority_share_percent, q.absence_seconds)
        IS DISTINCT FROM ((event #>> '{settings,maxActive}')::integer,
          (event #>> '{settings,admitPerMinute}')::integer,
          (event #>> '{settings,claimSeconds}')::integer,
          (event #>> '{settings,sessionSeconds}')::integer,
          (event #>> '{settings,prioritySharePercent}')::integer,
          (event #>> '{settings,absenceSeconds}')::integer)
      END`

/**
 * What an event may follow, of a reservation and of a token. The same key may make another one under
 * the same id, once the row of before was deleted.
 */
const followers: Readonly<Record<string, ReadonlyArray<string>>> = {
  SeatsHeld: ["HoldReleased", "HoldLapsed"],
  HoldReleased: ["SeatsHeld"],
  HoldLapsed: ["SeatsHeld"],
  ReservationPaid: ["SeatsHeld"],
  PaymentRefunded: ["ReservationPaid"],
  QueueTokenIssued: ["QueueTokenCompleted", "QueueTokenLeft", "QueueTokenLapsed"],
  QueueTokenAdmitted: ["QueueTokenIssued"],
  QueueTokenExtended: ["QueueTokenAdmitted", "QueueTokenExtended"],
  QueueTokenCompleted: ["QueueTokenAdmitted", "QueueTokenExtended"],
  QueueTokenLeft: ["QueueTokenIssued", "QueueTokenAdmitted", "QueueTokenExtended"],
  QueueTokenLapsed: ["QueueTokenIssued", "QueueTokenAdmitted", "QueueTokenExtended"]
}

/** Each event follows one that it may follow. Those before the first that is kept are not known. */
export const eventsInOrder = (schema: SchemaName) => `
    SELECT count(*) FROM (
      SELECT type, lag(type) OVER (PARTITION BY aggregate_kind, aggregate_id
        ORDER BY batch_id, position) AS before
      FROM ${schema}.outbox_event WHERE aggregate_kind IN ('reservation', 'queue_token')
    ) e WHERE before IS NOT NULL AND (type, before) NOT IN (${Object.entries(followers)
      .flatMap(([type, before]) => before.map((each) => `('${type}', '${each}')`))
      .join(", ")})`
