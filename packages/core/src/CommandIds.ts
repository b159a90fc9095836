/** How the ids of commands are made: fresh ones, and those that stand for an idempotency key. */
import { createHash } from "node:crypto"
import { v7 } from "uuid"
import type { CommandId } from "./Ids.ts"

/** A fresh command id: UUIDv7, so that primary keys grow in order of time. */
export const newCommandId = (): CommandId => v7() as CommandId

/**
 * The command id that stands for a caller's idempotency key. The same user, operation and key
 * always give the same id, so a retry finds what the first attempt recorded.
 */
export const commandIdOf = (userId: string, operation: string, key: string): CommandId => {
  const digest = createHash("sha256")
    .update(JSON.stringify([userId, operation, key]))
    .digest()
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
