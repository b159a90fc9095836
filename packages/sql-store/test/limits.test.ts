import { PgConnection } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { expect, test } from "vitest"
import { begin, forceIndexPlans, waitBriefly } from "../src/batch/load/begin.ts"
import { waitsOf } from "../src/connection/waits.ts"
import { runQuery } from "../src/Query.ts"
import { emptyDatabase } from "./support.ts"

// Which limits the server itself applies to a batch. No other limit frees the locks of a node that
// has vanished, and a fault that takes minutes to show is no test of them.

const names = [
  "lock_timeout",
  "statement_timeout",
  "idle_in_transaction_session_timeout",
  "tcp_user_timeout",
  "tcp_keepalives_idle",
  "tcp_keepalives_interval",
  "tcp_keepalives_count"
]

const settings = (connection: PgConnection.PgConnection) =>
  runQuery(connection, {
    sql: "SELECT current_setting(name) FROM unnest($1::text[]) WITH ORDINALITY n (name, i) ORDER BY i",
    params: [names],
    // With a unit, or without one.
    read: (rows) => rows.map(([value]) => Number.parseInt(value, 10))
  })

test("the server ends a batch that waits, runs or is silent for too long", async () => {
  const url = await emptyDatabase()
  const waits = waitsOf({
    lockTimeoutMs: 1_111,
    statementTimeoutMs: 2_222,
    idleInTransactionMs: 3_333
  })
  const [ofBatch, ofBriefBatch, after] = await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* PgConnection.make({ url: Redacted.make(url) })
        yield* runQuery(connection, begin)
        yield* runQuery(connection, forceIndexPlans(waits))
        const ofBatch = yield* settings(connection)
        yield* runQuery(connection, waitBriefly)
        const ofBriefBatch = yield* settings(connection)
        yield* connection.query("ROLLBACK")
        return [ofBatch, ofBriefBatch, yield* settings(connection)] as const
      })
    )
  )
  expect(ofBatch).toEqual([1_111, 2_222, 3_333, 3_333, 5, 5, 2])
  expect(ofBriefBatch[0]).toBe(50)
  // The next transaction on the connection may be another's.
  expect(after.slice(0, 3)).toEqual([0, 0, 0])
})

test("a limit that is out of range, or a lock's above the others, is refused by name", () => {
  for (const value of [0, -1, 1.5, 2_147_483_648, "5" as never]) {
    expect(() => waitsOf({ lockTimeoutMs: value })).toThrow(/waits\.lockTimeoutMs must be/)
  }
  expect(() => waitsOf({ lockTimeoutMs: 15_000 })).toThrow(/below waits\.statementTimeoutMs/)
  expect(() => waitsOf({ answerWithinMs: 1_500 })).toThrow(/below waits\.answerWithinMs/)
})
