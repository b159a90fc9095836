/** Which rows of a plan other transactions have locked: see `batch/lockedRows.ts` of the SQL store. */
import { Effect } from "effect"
import type { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import { type LoadPlan, lockKey } from "../../engine/LoadPlan.ts"
import { holdingKey } from "../../engine/Rows.ts"
import type { Statement } from "../database/Statement.ts"
import type { Version } from "../database/Table.ts"
import { unavailable } from "./failures.ts"
import { holdingLock } from "./locks.ts"
import { Pipeline } from "./Pipeline.ts"
import { keyOf, type Schema } from "./schema.ts"
import { type BatchContext, begin } from "./transact.ts"

/** How long it may wait, in milliseconds: it asks for no lock that it would wait for. */
const limits = { lockTimeoutMs: 100, statementTimeoutMs: 2_000 }

type Holder = readonly [key: string, holder: string]

export const makeLockedRows =
  ({ pool, schema }: BatchContext): BoxOfficeStore["Service"]["lockedRows"] =>
  (plan) =>
    pool
      .use(
        (connection) => {
          const pipeline = new Pipeline()
          begin(pipeline, limits)
          const found = pipeline.add({
            name: "look for locked rows",
            *run(statement) {
              const held: Array<Holder> = []
              for (const [key, version] of rowsOf(statement, schema, plan)) {
                const { lockers } = version
                const holder = lockers.blocker(statement.transaction, "NO KEY UPDATE")
                if (holder === undefined) yield* statement.lock(version, "NO KEY UPDATE")
                else held.push([key, `${holder.xid}`])
              }
              return [...held, ...heldCounts(statement, plan)]
            }
          })
          pipeline.rollback()
          return Effect.map(connection.send("locked rows", pipeline), () => new Map(found()))
        },
        (failure) => failure
      )
      .pipe(Effect.mapError(unavailable))

/** The rows that a plan locks, with the names of their locks. */
const rowsOf = (
  statement: Statement,
  schema: Schema,
  plan: LoadPlan
): Array<readonly [string, Version<unknown>]> => {
  const rows: Array<readonly [string, Version<unknown>]> = []
  const add = (key: string, version: Version<unknown> | undefined) => {
    if (version !== undefined) rows.push([key, version])
  }
  const seat = (key: string, performanceId: string, seatId: string) =>
    add(key, statement.get(schema.seat, "seat_pkey", keyOf(performanceId, seatId)))
  for (const id of plan.queues) {
    add(lockKey.queue(id), statement.get(schema.queue, "queue_pkey", id))
  }
  for (const id of plan.tokens) {
    add(lockKey.token(id), statement.get(schema.token, "queue_token_pkey", id))
  }
  for (const { queueId, userId } of plan.liveTokensOf) {
    const live = statement.get(schema.token, "queue_token_live_once", keyOf(queueId, userId))
    add(lockKey.liveToken(queueId, userId), live)
  }
  for (const { queueId, codeHash } of plan.codes) {
    const code = statement.get(schema.code, "queue_code_pkey", keyOf(queueId, codeHash))
    add(lockKey.code(queueId, codeHash), code)
  }
  for (const id of plan.wallets) {
    add(lockKey.wallet(id), statement.get(schema.wallet, "wallet_pkey", id))
  }
  for (const { performanceId, userId } of plan.seatCounts) {
    const key = lockKey.seatCount(performanceId, userId)
    for (const counted of statement.find(
      schema.reservation,
      "holdings",
      holdingKey(performanceId, userId)
    )) {
      if (counted.row.status === "held") add(key, counted)
    }
  }
  for (const id of plan.reservations) {
    const found = statement.get(schema.reservation, "reservation_pkey", id)
    add(lockKey.reservation(id), found)
    for (const { seatId } of found?.row.seats ?? []) {
      seat(lockKey.reservation(id), found!.row.performanceId, seatId)
    }
  }
  for (const { performanceId, seatIds } of plan.seats) {
    for (const seatId of seatIds) {
      seat(lockKey.seat(performanceId, seatId), performanceId, seatId)
    }
  }
  for (const id of plan.performances) {
    add(lockKey.performance(id), statement.get(schema.performance, "performance_pkey", id))
  }
  return rows
}

/** The counts whose advisory locks another transaction has. */
const heldCounts = (statement: Statement, { seatCounts }: LoadPlan): ReadonlyArray<Holder> => {
  const { database, transaction } = statement
  const { advisory } = database
  return seatCounts.flatMap(({ performanceId, userId }) => {
    const user = holdingLock.user(holdingKey(performanceId, userId))
    const holder =
      advisory.tryTake(transaction, holdingLock.performance(performanceId), "shared") ??
      advisory.tryTake(transaction, user, "exclusive")
    if (holder === undefined) return []
    return [[lockKey.seatCount(performanceId, userId), `advisory ${holder.number}`] as const]
  })
}
