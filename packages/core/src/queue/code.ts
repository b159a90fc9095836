/** Codes that let a user into the priority lane. The store has only their digests. */
import { hash } from "node:crypto"
import type { QueueId } from "../Ids.ts"

/** The digest by which the store knows a code of a queue. */
export const queueCodeHash = (queueId: QueueId, code: string): string =>
  hash("sha256", `${queueId} ${code}`)
