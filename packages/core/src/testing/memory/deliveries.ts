/** Webhook deliveries that wait or were given up: see `operations/deliveries.ts` of the SQL store. */
import { type DeadLetter, type Deliveries, longestDelayMs } from "../../events/Deliveries.ts"
import type { Statement } from "../database/Statement.ts"
import type { Version } from "../database/Table.ts"
import type { Steps } from "../database/Transaction.ts"
import { clearDeadLetters } from "./clear.ts"
import type { RunQuery } from "./outbox.ts"
import { reading } from "./reads.ts"
import type { StoredDelivery } from "./rows.ts"
import { keyOf, type Schema } from "./schema.ts"

const byId = (a: StoredDelivery, b: StoredDelivery): number =>
  a.deliveryId < b.deliveryId ? -1 : 1

export const makeDeliveries = (schema: Schema, runQuery: RunQuery): Deliveries => {
  const find = (
    statement: Statement,
    endpoint: string,
    state: StoredDelivery["state"]
  ): Array<Version<StoredDelivery>> =>
    statement.find(schema.delivery, "byEndpoint", keyOf(endpoint, state))
  const rowsOf = (statement: Statement, endpoint: string, state: StoredDelivery["state"]) =>
    find(statement, endpoint, state)
      .map(({ row }) => row)
      .sort(byId)
  const get = (statement: Statement, endpoint: string, eventId: string) =>
    statement.get(schema.delivery, "webhook_delivery_once", keyOf(endpoint, eventId))
  const isDead = ({ state }: StoredDelivery) => state === "dead"
  /** Runs a change of each dead letter that is named, or of all; gives how many it changed. */
  const onDead = (
    name: string,
    endpoint: string,
    eventIds: ReadonlyArray<string> | undefined,
    change: (
      statement: Statement,
      version: Version<StoredDelivery>
    ) => Steps<Version<StoredDelivery> | undefined>
  ) =>
    runQuery({
      name,
      *run(statement) {
        let changed = 0
        for (const version of find(statement, endpoint, "dead")) {
          if (eventIds !== undefined && !eventIds.includes(version.row.eventId)) continue
          if ((yield* change(statement, version)) !== undefined) changed++
        }
        return changed
      }
    })

  return {
    park: (endpoint, { eventId, aggregate, body, attempts, delayMs, error }) =>
      runQuery({
        name: "park a delivery",
        *run(statement) {
          const now = statement.now()
          const row: StoredDelivery = {
            deliveryId: statement.next(schema.deliveryIds),
            endpoint,
            eventId,
            aggregate,
            body,
            state: "waiting",
            attempts,
            nextAt: now + delayMs,
            error,
            parkedAt: now
          }
          const stored = yield* statement.insert(schema.delivery, row, {
            index: "webhook_delivery_once",
            update: (parked) => parked
          })
          return stored!.row.state === "waiting"
        }
      }),
    waiting: (endpoint) =>
      runQuery(
        reading("list waiting deliveries", (statement) => {
          const waiting = new Map<string, Array<string>>()
          for (const { aggregate, eventId } of rowsOf(statement, endpoint, "waiting")) {
            const found = waiting.get(aggregate)
            if (found === undefined) waiting.set(aggregate, [eventId])
            else found.push(eventId)
          }
          return waiting
        })
      ),
    due: (endpoint, limit) =>
      runQuery(
        reading("read due deliveries", (statement) => {
          const now = statement.now()
          const isHead = ({ aggregate, deliveryId }: StoredDelivery) =>
            statement
              .find(schema.delivery, "waiting", keyOf(endpoint, aggregate))
              .every(({ row }) => row.deliveryId >= deliveryId)
          const due = find(statement, endpoint, "waiting")
            .map(({ row }) => row)
            .filter(({ nextAt }) => nextAt <= now || nextAt > now + longestDelayMs)
            .sort((a, b) => a.nextAt - b.nextAt)
          const heads: Array<StoredDelivery> = []
          for (const row of due) {
            if (heads.length === limit) break
            if (isHead(row)) heads.push(row)
          }
          return heads.map(({ eventId, aggregate, body, attempts }) => ({
            eventId,
            aggregate,
            body,
            attempts
          }))
        })
      ),
    accepted: (endpoint, eventId) =>
      runQuery({
        name: "delete a delivery",
        *run(statement) {
          const found = get(statement, endpoint, eventId)
          if (found !== undefined) yield* statement.remove(schema.delivery, found)
        }
      }),
    refused: (endpoint, eventId, { attempts, delayMs, error }) =>
      runQuery({
        name: "note a refused delivery",
        *run(statement) {
          const found = get(statement, endpoint, eventId)
          if (found === undefined) return
          const nextAt = statement.now() + (delayMs ?? 0)
          const state = delayMs === null ? ("dead" as const) : ("waiting" as const)
          yield* statement.update(schema.delivery, found, (row) => ({
            ...row,
            attempts,
            error,
            state,
            nextAt
          }))
        }
      }),
    dead: (endpoint, { after = 0n, limit }) =>
      runQuery(
        reading("read dead letters", (statement) =>
          rowsOf(statement, endpoint, "dead")
            .filter(({ deliveryId }) => deliveryId > after)
            .slice(0, limit)
            .map(
              ({
                deliveryId,
                eventId,
                aggregate,
                body,
                attempts,
                error,
                parkedAt
              }): DeadLetter => ({
                deliveryId,
                eventId,
                aggregate,
                body,
                attempts,
                error: error ?? "",
                parkedAt
              })
            )
        )
      ),
    redeliver: (endpoint, eventIds) =>
      onDead("redeliver dead letters", endpoint, eventIds, (statement, version) => {
        const again = { state: "waiting", attempts: 0, nextAt: statement.now() } as const
        return statement.update(schema.delivery, version, (row) => ({ ...row, ...again }), isDead)
      }),
    discard: (endpoint, eventIds) =>
      onDead("discard dead letters", endpoint, eventIds, (statement, version) =>
        statement.remove(schema.delivery, version, isDead)
      ),
    forget: (endpoint, limit) =>
      runQuery({
        name: "forget an endpoint",
        *run(statement) {
          const own = [
            ...find(statement, endpoint, "waiting"),
            ...find(statement, endpoint, "dead")
          ].slice(0, limit)
          let deleted = 0
          for (const version of own)
            if (yield* statement.remove(schema.delivery, version)) deleted++
          return deleted
        }
      }),
    clear: (olderThanMs, limit) => runQuery(clearDeadLetters(schema, olderThanMs, limit))
  }
}
