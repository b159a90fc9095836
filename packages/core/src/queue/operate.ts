/** What an operator sets up: a queue, and codes for its priority lane. Pure, as `decide.ts` is. */
import { Result } from "effect"
import { AlreadyExists } from "../catalog/errors.ts"
import type { QueueCodesAdded, QueueCreated } from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { QueueId } from "../Ids.ts"
import type { QueueSettings } from "../Policies.ts"
import { QueueNotFound } from "./errors.ts"
import { commitmentOf } from "./lottery.ts"
import type { Opening, QueueRow } from "./model.ts"

/** A queue to make. */
export interface NewQueue {
  readonly queueId: QueueId
  readonly settings: QueueSettings
  /** Those of the settings that were asked for: the others follow from the policies. */
  readonly given: Partial<QueueSettings>
  readonly opening: Opening | null
}

/**
 * A queue has a name that no other has. Until it opens, its seed is not told. Where it is there
 * already just as asked for, in whatever mode by now, nothing happens.
 */
export const decideCreate = (
  rows: Rows,
  queue: NewQueue
): Result.Result<QueueCreated | undefined, AlreadyExists> => {
  const there = rows.queues.get(queue.queueId)
  if (there !== undefined) {
    return isAsAskedFor(there, queue)
      ? Result.succeed(undefined)
      : Result.fail(new AlreadyExists({ kind: "queue" }))
  }
  const { queueId, settings, opening } = queue
  const created = { _tag: "QueueCreated" as const, queueId, settings, at: rows.now }
  if (opening === null) return Result.succeed(created)
  const { opensAt, seed } = opening
  return Result.succeed({ ...created, opening: { opensAt, commitment: commitmentOf(seed) } })
}

const isAsAskedFor = (there: QueueRow, { given, opening }: NewQueue): boolean =>
  there.opening?.opensAt === opening?.opensAt &&
  Object.entries(given).every(
    ([name, value]) => there.settings[name as keyof QueueSettings] === value
  )

/** Codes are of a queue that there is. A code may be there already: it is what it is made now. */
export const decideCodes = (
  rows: Rows,
  queueId: QueueId,
  added: { readonly codes: number; readonly uses: number }
): Result.Result<QueueCodesAdded, QueueNotFound> =>
  rows.queues.get(queueId) === undefined
    ? Result.fail(new QueueNotFound())
    : Result.succeed({ _tag: "QueueCodesAdded", queueId, ...added, at: rows.now })
