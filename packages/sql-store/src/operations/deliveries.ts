/** Webhook deliveries that wait or were given up: the statements on `webhook_delivery`. */
import type { DeadLetter } from "@boxoffice/core"
import { type Deliveries, longestDelayMs, type ParkedDelivery } from "@boxoffice/core/store"
import { millis, type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { clearDeadLetters } from "./clear.ts"
import type { Reading } from "./outbox/outbox.ts"

type Park = Parameters<Deliveries["park"]>
type Refused = Parameters<Deliveries["refused"]>

const later = (milliseconds: string) =>
  `clock_timestamp() + ${milliseconds}::int8 * interval '1 millisecond'`

const parkDelivery = (schema: SchemaName) => {
  // The update changes nothing, and gives the state of a delivery that is parked already.
  // Guard park-once: without "ON CONFLICT…event_id", conformance.test "the first due webhook" fails.
  const sql = `
    INSERT INTO ${schema}.webhook_delivery (endpoint, event_id, aggregate, body, state, attempts,
      next_at, error, parked_at)
    VALUES ($1::text, $2::text, $3::text, $4::text, 'waiting', $5::int4, ${later("$6")}, $7::text,
      clock_timestamp())
    ON CONFLICT ON CONSTRAINT webhook_delivery_once DO UPDATE SET event_id = EXCLUDED.event_id
    RETURNING webhook_delivery.state = 'waiting'`
  return (endpoint: Park[0], delivery: Park[1]): Query<boolean> => ({
    sql,
    params: [
      endpoint,
      delivery.eventId,
      delivery.aggregate,
      delivery.body,
      delivery.attempts,
      BigInt(delivery.delayMs),
      delivery.error
    ],
    read: ([row]) => row![0]
  })
}

const listWaiting = (schema: SchemaName) => {
  const sql = `
    SELECT aggregate, array_agg(event_id ORDER BY delivery_id) FROM ${schema}.webhook_delivery
    WHERE endpoint = $1::text AND state = 'waiting' GROUP BY aggregate`
  return (endpoint: string): Query<ReadonlyMap<string, ReadonlyArray<string>>> => ({
    sql,
    params: [endpoint],
    read: (rows) => new Map(rows.map(([aggregate, eventIds]) => [aggregate, eventIds]))
  })
}

/**
 * Due deliveries, by their time, so that those not due yet cost nothing, however many an operator
 * has put back at once. Of each aggregate only the first. Two searches, since one condition with OR
 * would read all that wait. A delivery that is due too far in the future was told to wait before the
 * clock stepped back.
 */
const dueDeliveries = (schema: SchemaName) => {
  const now = "(SELECT clock_timestamp())"
  // Guard due-in-order: without "AND delivery_id = (…waiting'…)", conformance.test "the first due" fails.
  const heads = (isDue: string) => `
    (SELECT event_id, aggregate, body, attempts FROM ${schema}.webhook_delivery head
    WHERE endpoint = $1::text AND state = 'waiting' AND ${isDue}
      AND delivery_id = (
        SELECT min(first.delivery_id) FROM ${schema}.webhook_delivery first
        WHERE first.endpoint = head.endpoint AND first.aggregate = head.aggregate
          AND first.state = 'waiting'
      )
    ORDER BY next_at LIMIT $2::int8)`
  const due = heads(`next_at <= ${now}`)
  const tooFar = heads(`next_at > ${now} + ${longestDelayMs} * interval '1 millisecond'`)
  // Guard due-again: without " UNION ALL ${tooFar}", conformance.test "keeps no webhook" fails.
  const sql = `${due} UNION ALL ${tooFar} LIMIT $2::int8`
  return (endpoint: string, limit: number): Query<ReadonlyArray<ParkedDelivery>> => ({
    sql,
    params: [endpoint, BigInt(limit)],
    read: (rows) =>
      rows.map(([eventId, aggregate, body, attempts]) => ({ eventId, aggregate, body, attempts }))
  })
}

const deleteDelivery = (schema: SchemaName) => {
  const sql = `
    DELETE FROM ${schema}.webhook_delivery WHERE endpoint = $1::text AND event_id = $2::text`
  return (endpoint: string, eventId: string): Query<void> => ({
    sql,
    params: [endpoint, eventId],
    read: () => {}
  })
}

const refuseDelivery = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.webhook_delivery SET attempts = $3::int4, error = $5::text,
      state = CASE WHEN $4::int8 IS NULL THEN 'dead' ELSE 'waiting' END,
      -- Of a delivery that is given up: the time at which it was.
      next_at = coalesce(${later("$4")}, clock_timestamp())
    WHERE endpoint = $1::text AND event_id = $2::text`
  return (endpoint: Refused[0], eventId: Refused[1], attempt: Refused[2]): Query<void> => ({
    sql,
    params: [
      endpoint,
      eventId,
      attempt.attempts,
      attempt.delayMs === null ? null : BigInt(attempt.delayMs),
      attempt.error
    ],
    read: () => {}
  })
}

const readDead = (schema: SchemaName) => {
  const sql = `
    SELECT delivery_id, event_id, aggregate, body, attempts, error, parked_at
    FROM ${schema}.webhook_delivery
    WHERE endpoint = $1::text AND state = 'dead' AND delivery_id > $2::int8
    ORDER BY delivery_id LIMIT $3::int8`
  return (
    endpoint: string,
    { after = 0n, limit }: { readonly after: bigint | undefined; readonly limit: number }
  ): Query<ReadonlyArray<DeadLetter>> => ({
    sql,
    params: [endpoint, after, BigInt(limit)],
    read: (rows) =>
      rows.map(([deliveryId, eventId, aggregate, body, attempts, error, parkedAt]) => ({
        deliveryId: BigInt(deliveryId),
        eventId,
        aggregate,
        body,
        attempts,
        error: error ?? "",
        parkedAt: millis(parkedAt)!
      }))
  })
}

const ofDead = `
  WHERE endpoint = $1::text AND state = 'dead'
    AND ($2::text[] IS NULL OR event_id = ANY ($2::text[]))
  RETURNING event_id`

const onDead =
  (sql: string) =>
  (endpoint: string, eventIds: ReadonlyArray<string> | undefined): Query<number> => ({
    sql,
    params: [endpoint, eventIds === undefined ? null : texts(eventIds)],
    read: (rows) => rows.length
  })

const redeliverDead = (schema: SchemaName) =>
  onDead(`
    UPDATE ${schema}.webhook_delivery SET state = 'waiting', attempts = 0,
      next_at = clock_timestamp() ${ofDead}`)

const discardDead = (schema: SchemaName) =>
  onDead(`DELETE FROM ${schema}.webhook_delivery ${ofDead}`)

/** By their ids, so that those which the statement waits for are deleted as well. */
const forgetDeliveries = (schema: SchemaName) => {
  const sql = `
    DELETE FROM ${schema}.webhook_delivery WHERE delivery_id = ANY(ARRAY(
      SELECT delivery_id FROM ${schema}.webhook_delivery WHERE endpoint = $1::text LIMIT $2::int8
    ))
    RETURNING delivery_id`
  return (endpoint: string, limit: number): Query<number> => ({
    sql,
    params: [endpoint, BigInt(limit)],
    read: (rows) => rows.length
  })
}

export const makeDeliveries = (schema: SchemaName) => {
  const park = parkDelivery(schema)
  const waiting = listWaiting(schema)
  const due = dueDeliveries(schema)
  const accepted = deleteDelivery(schema)
  const refused = refuseDelivery(schema)
  const dead = readDead(schema)
  const redeliver = redeliverDead(schema)
  const discard = discardDead(schema)
  const forget = forgetDeliveries(schema)
  const clear = clearDeadLetters(schema)
  return (reading: Reading): Deliveries => ({
    park: reading("deliveries.park", park),
    waiting: reading("deliveries.waiting", waiting),
    due: reading("deliveries.due", due),
    accepted: reading("deliveries.accepted", accepted),
    refused: reading("deliveries.refused", refused),
    dead: reading("deliveries.dead", dead),
    redeliver: reading("deliveries.redeliver", redeliver),
    discard: reading("deliveries.discard", discard),
    forget: reading("deliveries.forget", forget),
    clear: reading("deliveries.clear", clear)
  })
}
