/** The columns of a queue token, and of the settings of its queue. */
import type { QueueSettings } from "@boxoffice/core"
import type { TokenRow } from "@boxoffice/core/store"
import { bigint, instant, millis, type Row } from "../Query.ts"

/** The settings of queue `q`. */
export const settingsColumns =
  "q.max_active, q.admit_per_minute, q.claim_seconds, q.session_seconds, q.priority_share_percent, q.absence_seconds"

/** Reads {@link settingsColumns} from column `at` on. */
export const settingsOf = (row: Row, at: number): QueueSettings => ({
  maxActive: row[at],
  admitPerMinute: row[at + 1],
  claimSeconds: row[at + 2],
  sessionSeconds: row[at + 3],
  prioritySharePercent: row[at + 4],
  absenceSeconds: row[at + 5]
})

/** Token `t` of queue `q`. */
export const tokenColumns = `t.token_id, t.queue_id, t.user_id, t.number, t.state, t.claimed,
      t.joined_at, t.admitted_at, t.expires_at, t.ended_at, t.lane, ${settingsColumns}`
/** The number of these columns. */
export const tokenColumnCount = 17

/** Reads {@link tokenColumns}, from column `at` on. */
export const tokenOf = (row: Row, at = 0): TokenRow => ({
  tokenId: row[at],
  queueId: row[at + 1],
  userId: row[at + 2],
  number: bigint(row[at + 3]),
  state: row[at + 4],
  claimed: row[at + 5],
  joinedAt: instant(row[at + 6]),
  admittedAt: millis(row[at + 7]),
  expiresAt: millis(row[at + 8]),
  endedAt: millis(row[at + 9]),
  lane: row[at + 10] === 0 ? "general" : "priority",
  settings: settingsOf(row, at + 11)
})
