/** Rules for what an operator creates: a queue, and codes for its priority lane. Pure. */
import { Result } from "effect"
import { AlreadyExists } from "../catalog/errors.ts"
import type { QueueCodesAdded, QueueCreated } from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { QueueId } from "../Ids.ts"
import type { QueueSettings } from "../policies/settings.ts"
import { QueueNotFound } from "./errors.ts"
import { commitmentOf } from "./lottery.ts"
import type { Opening, QueueRow } from "./model.ts"

/** A queue that an operator wants to create. */
export interface NewQueue {
  readonly queueId: QueueId
  readonly settings: QueueSettings
  /** The settings that the operator gave; the others are the policies' defaults. */
  readonly given: Partial<QueueSettings>
  readonly opening: Opening | null
}

/**
 * Creates a queue whose id is free. The event carries the commitment and not the seed, which is
 * secret until the opening. If the queue exists with the same opening and the given settings,
 * whatever its mode, nothing happens.
 */
export const decideCreate = (
  rows: Rows,
  queue: NewQueue
): Result.Result<QueueCreated | undefined, AlreadyExists> => {
  const existing = rows.queues.get(queue.queueId)
  if (existing !== undefined) {
    // Guard create-once: with "true" for "isSame(existing, queue)", queue.test "creates a queue again" fails.
    return isSame(existing, queue)
      ? Result.succeed(undefined)
      : Result.fail(new AlreadyExists({ kind: "queue" }))
  }
  const { queueId, settings, opening } = queue
  const created = { _tag: "QueueCreated" as const, queueId, settings, at: rows.now }
  if (opening === null) return Result.succeed(created)
  const { opensAt, seed } = opening
  return Result.succeed({ ...created, opening: { opensAt, commitment: commitmentOf(seed) } })
}

const isSame = (existing: QueueRow, { given, opening }: NewQueue): boolean =>
  existing.opening?.opensAt === opening?.opensAt &&
  Object.entries(given).every(
    ([name, value]) => existing.settings[name as keyof QueueSettings] === value
  )

/** Adds codes to a queue that exists. A code that exists already gets the new number of uses. */
export const decideCodes = (
  rows: Rows,
  queueId: QueueId,
  added: { readonly codes: number; readonly uses: number }
): Result.Result<QueueCodesAdded, QueueNotFound> =>
  rows.queues.get(queueId) === undefined
    ? Result.fail(new QueueNotFound())
    : Result.succeed({ _tag: "QueueCodesAdded", queueId, ...added, at: rows.now })
