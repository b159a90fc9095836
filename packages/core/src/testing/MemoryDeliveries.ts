/** Webhook deliveries in memory, in the order of parking, until they are accepted or deleted. */
import { Clock, Effect } from "effect"
import type { DeadLetter, Deliveries } from "../events/Deliveries.ts"

interface Stored extends Omit<DeadLetter, "error"> {
  readonly endpoint: string
  readonly dead: boolean
  readonly nextAt: number
  readonly error: string | null
}

export const makeMemoryDeliveries = (): Deliveries => {
  const rows = new Map<string, Stored>()
  let last = 0n
  const keyOf = (endpoint: string, eventId: string) => `${endpoint}/${eventId}`
  const of = (endpoint: string, dead: boolean) =>
    Array.from(rows.values()).filter((row) => row.endpoint === endpoint && row.dead === dead)
  const deadLetters = (endpoint: string, eventIds: ReadonlyArray<string> | undefined) =>
    of(endpoint, true).filter(({ eventId }) => eventIds?.includes(eventId) ?? true)

  return {
    park: (endpoint, { delayMs, ...delivery }) =>
      at((now) => {
        const key = keyOf(endpoint, delivery.eventId)
        if (rows.has(key)) return false
        const nextAt = now + delayMs
        const deliveryId = ++last
        rows.set(key, { ...delivery, endpoint, dead: false, nextAt, deliveryId, parkedAt: now })
        return true
      }),
    waiting: (endpoint) =>
      at(() => {
        const waiting = new Map<string, Array<string>>()
        for (const { aggregate, eventId } of of(endpoint, false)) {
          waiting.set(aggregate, [...(waiting.get(aggregate) ?? []), eventId])
        }
        return waiting
      }),
    due: (endpoint, limit) =>
      at((now) => {
        const heads = new Map<string, Stored>()
        for (const row of of(endpoint, false)) {
          if (!heads.has(row.aggregate)) heads.set(row.aggregate, row)
        }
        return Array.from(heads.values())
          .filter(({ nextAt }) => nextAt <= now)
          .slice(0, limit)
          .map(({ eventId, aggregate, body, attempts }) => ({ eventId, aggregate, body, attempts }))
      }),
    accepted: (endpoint, eventId) => at(() => void rows.delete(keyOf(endpoint, eventId))),
    refused: (endpoint, eventId, { attempts, delayMs, error }) =>
      at((now) => {
        const key = keyOf(endpoint, eventId)
        const row = rows.get(key)
        if (row === undefined) return
        const nextAt = now + (delayMs ?? 0)
        rows.set(key, { ...row, attempts, error, nextAt, dead: delayMs === null })
      }),
    dead: (endpoint, { after = 0n, limit }) =>
      at(() =>
        of(endpoint, true)
          .filter(({ deliveryId }) => deliveryId > after)
          .slice(0, limit)
          .map(({ deliveryId, eventId, aggregate, body, attempts, error, parkedAt }) => ({
            deliveryId,
            eventId,
            aggregate,
            body,
            attempts,
            error: error ?? "",
            parkedAt
          }))
      ),
    redeliver: (endpoint, eventIds) =>
      at((now) => {
        const found = deadLetters(endpoint, eventIds)
        for (const row of found) {
          rows.set(keyOf(endpoint, row.eventId), { ...row, dead: false, attempts: 0, nextAt: now })
        }
        return found.length
      }),
    discard: (endpoint, eventIds) =>
      at(() => {
        const found = deadLetters(endpoint, eventIds)
        for (const { eventId } of found) rows.delete(keyOf(endpoint, eventId))
        return found.length
      }),
    forget: (endpoint, limit) =>
      at(() => {
        const own = Array.from(rows.values())
          .filter((row) => row.endpoint === endpoint)
          .slice(0, limit)
        for (const { eventId } of own) rows.delete(keyOf(endpoint, eventId))
        return own.length
      }),
    clear: (olderThanMs, limit) =>
      at((now) => {
        const old = Array.from(rows.values())
          .filter(({ dead, nextAt }) => dead && nextAt <= now - olderThanMs)
          .slice(0, limit)
        for (const { endpoint, eventId } of old) rows.delete(keyOf(endpoint, eventId))
        return old.length
      })
  }
}

const at = <A>(run: (now: number) => A): Effect.Effect<A> =>
  Effect.map(Clock.currentTimeMillis, run)
