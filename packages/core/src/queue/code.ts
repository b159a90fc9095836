/** Codes that open the priority lane. The store knows their digests alone. */
import { hash } from "node:crypto"
import { Schema } from "effect"
import type { QueueId } from "../Ids.ts"

/** 8 to 64 visible ASCII characters: long enough that guessing does not pay. */
export const QueueCode = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{8,64}$/))

/** The digest that stands for a code of a queue. */
export const queueCodeHash = (queueId: QueueId, code: string): string =>
  hash("sha256", `${queueId} ${code}`)
