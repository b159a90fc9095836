/** Codes that open the priority lane. The store knows their digests alone. */
import { hash } from "node:crypto"
import type { QueueId } from "../Ids.ts"

/** The digest that stands for a code of a queue. */
export const queueCodeHash = (queueId: QueueId, code: string): string =>
  hash("sha256", `${queueId} ${code}`)
