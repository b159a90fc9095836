/** What an operator sets up: a queue, and codes for its priority lane. Pure, as `decide.ts` is. */
import { Result } from "effect"
import { AlreadyExists } from "../catalog/errors.ts"
import type { QueueCodesAdded, QueueCreated } from "../Events.ts"
import type { QueueId } from "../Ids.ts"
import type { QueueSettings } from "../Policies.ts"
import type { Rows } from "../Rows.ts"
import { QueueNotFound } from "./errors.ts"
import { commitmentOf } from "./lottery.ts"
import type { Opening } from "./model.ts"

/** A queue has a name that no other has. Until it opens, its seed is not told. */
export const decideCreate = (
  rows: Rows,
  queueId: QueueId,
  settings: QueueSettings,
  opening: Opening | null
): Result.Result<QueueCreated, AlreadyExists> => {
  if (rows.queues.get(queueId) !== undefined)
    return Result.fail(new AlreadyExists({ kind: "queue" }))
  const created = { _tag: "QueueCreated" as const, queueId, settings, at: rows.now }
  if (opening === null) return Result.succeed(created)
  const { opensAt, seed } = opening
  return Result.succeed({ ...created, opening: { opensAt, commitment: commitmentOf(seed) } })
}

/** Codes are of a queue that there is. A code may be there already: it is what it is made now. */
export const decideCodes = (
  rows: Rows,
  queueId: QueueId,
  added: { readonly codes: number; readonly uses: number }
): Result.Result<QueueCodesAdded, QueueNotFound> =>
  rows.queues.get(queueId) === undefined
    ? Result.fail(new QueueNotFound())
    : Result.succeed({ _tag: "QueueCodesAdded", queueId, ...added, at: rows.now })
