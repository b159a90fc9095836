/** Ids of commands: new ones, and those derived from an idempotency key. */
import { hash, randomFillSync } from "node:crypto"
import { v7 } from "uuid"
import type { CommandId, ReservationId, TokenId, TransferId } from "../Ids.ts"

// The pool fetches randomness for many ids at a time. Fetching it for each id took 6 µs of the 60 that
// a command cost, measured without a database.
const bytesPerId = 16
const pool = new Uint8Array(256 * bytesPerId)
let used = pool.length

const randomBytes = (): Uint8Array => {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += bytesPerId
  return pool.subarray(used - bytesPerId, used)
}

let lastMs = 0
let seq = 0

/** @internal Forgets what the ids so far were, so that a simulated world has none of another one's. */
export const resetCommandIds = (): void => {
  used = pool.length
  lastMs = 0
  seq = 0
}

/**
 * A new command id: UUIDv7, so that primary keys grow in order of time. Within a millisecond the
 * ids of one node count up, from a random start in the lower half of the counter.
 */
export const newCommandId = (): CommandId => {
  const random = randomBytes()
  const now = Date.now()
  if (now > lastMs) {
    lastMs = now
    seq = ((random[6]! & 0x7f) << 24) | (random[7]! << 16) | (random[8]! << 8) | random[9]!
  } else {
    seq++
  }
  return v7({ random, msecs: lastMs, seq }) as CommandId
}

/**
 * The command id of a caller's idempotency key. The same user, operation and key always give the
 * same id, so a retry finds what the first attempt recorded.
 */
export const commandIdOf = (userId: string, operation: string, key: string): CommandId => {
  const digest = hash("sha256", JSON.stringify([userId, operation, key]), "buffer")
  // Version 8 (RFC 9562: custom) and the standard variant.
  digest[6] = (digest[6]! & 0x0f) | 0x80
  digest[8] = (digest[8]! & 0x3f) | 0x80
  const hex = digest.toString("hex", 0, 16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20)
  ].join("-") as CommandId
}

// What a command creates has the id of the command: so a command that ran before is found by its effect.
export const tokenIdOf = (id: CommandId): TokenId => id as string as TokenId
export const reservationIdOf = (id: CommandId): ReservationId => id as string as ReservationId
export const transferIdOf = (id: CommandId): TransferId => id as string as TransferId
