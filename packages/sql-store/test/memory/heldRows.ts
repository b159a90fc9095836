/** Rows that another session than a node's can hold, on both databases. */
import { Schema } from "effect"
import { SteppedSession } from "../../../../test-support/stepper.ts"
import type { Database } from "../../../core/src/testing/database/Database.ts"
import { keyOf, type Schema as Tables } from "../../../core/src/testing/memory/schema.ts"
import type { Sql } from "../support.ts"
import { performanceId, queueId, userOf } from "./commands.ts"
import type { Side } from "./sides.ts"

const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))

export const HeldRow = Schema.Struct({
  of: Schema.Literals(["queue", "token", "wallet", "reservation", "seat", "performance"]),
  which: below(5),
  mode: Schema.Literals(["KEY SHARE", "SHARE", "NO KEY UPDATE", "UPDATE"])
})
export type HeldRow = typeof HeldRow.Type

/** A session that holds at most one row. It takes only a free one, and says whether it has it. */
export interface Holder {
  readonly hold: (row: HeldRow) => Promise<boolean>
  readonly release: () => Promise<void>
}

const nothing = "00000000-0000-0000-0000-000000000000"
const reservationOf = ({ reservations }: Side, which: number): string =>
  reservations.at(-1 - which)?.reservationId ?? nothing

export const holderInMemory = (database: Database, tables: Tables, side: Side): Holder => {
  const stepped = new SteppedSession(database)
  return {
    hold: async ({ of, which, mode }) => {
      stepped.begin()
      const running = stepped.statement(function* (statement) {
        const found = {
          queue: () => statement.get(tables.queue, "queue_pkey", queueId),
          token: () =>
            statement.get(tables.token, "queue_token_live_once", keyOf(queueId, userOf(which))),
          wallet: () => statement.get(tables.wallet, "wallet_pkey", userOf(which)),
          reservation: () =>
            statement.get(tables.reservation, "reservation_pkey", reservationOf(side, which)),
          seat: () => statement.get(tables.seat, "seat_pkey", keyOf(performanceId, `S${which}`)),
          performance: () => statement.get(tables.performance, "performance_pkey", performanceId)
        }[of]()
        if (found === undefined) return false
        return (yield* statement.lock<unknown>(found, mode, { skipLocked: true })) !== undefined
      })
      const step = running.now()
      if (step === "waits" || "error" in step) throw new Error("a free row cannot be held")
      return step.answer
    },
    release: async () => stepped.rollback()
  }
}

export const holderOnServer = (sql: Sql, side: Side): Holder => ({
  hold: async ({ of, which, mode }) => {
    const from = {
      queue: `queue WHERE queue_id = '${queueId}'`,
      token: `queue_token WHERE queue_id = '${queueId}' AND user_id = '${userOf(which)}'
        AND state IN ('waiting', 'admitted')`,
      wallet: `wallet WHERE user_id = '${userOf(which)}'`,
      reservation: `reservation WHERE reservation_id = '${reservationOf(side, which)}'`,
      seat: `seat WHERE performance_id = '${performanceId}' AND seat_id = 'S${which}'`,
      performance: `performance WHERE performance_id = '${performanceId}'`
    }[of]
    await sql("BEGIN")
    return (await sql(`SELECT 1 FROM boxoffice.${from} FOR ${mode} SKIP LOCKED`)).length > 0
  },
  release: async () => {
    await sql("ROLLBACK")
  }
})
