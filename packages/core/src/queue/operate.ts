/** Rules for what an operator does to a queue: create, add codes, set the mode, move the opening, configure. Pure. */
import { Result } from "effect"
import { AlreadyExists } from "../catalog/errors.ts"
import type {
  QueueCodesAdded,
  QueueConfigured,
  QueueCreated,
  QueueModeChanged,
  QueueRescheduled
} from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { QueueId } from "../Ids.ts"
import type { QueueSettings } from "../policies/settings.ts"
import { QueueAlreadyOpen, QueueClosed, QueueNotFound } from "./errors.ts"
import { commitmentOf } from "./lottery.ts"
import type { Opening, QueueMode, QueueRow } from "./model.ts"
import { isPreOpening } from "./position.ts"

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

/** Opens, pauses, drains or closes a queue. A closed queue stays closed. */
export const decideMode = (
  rows: Rows,
  queueId: QueueId,
  mode: QueueMode
): Result.Result<ReadonlyArray<QueueModeChanged>, QueueNotFound | QueueClosed> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  // Guard mode-once: without it, queue.test "changes the mode" fails.
  if (queue.mode === mode) return Result.succeed([])
  if (queue.mode === "closed") return Result.fail(new QueueClosed({ mode: "closed" }))
  return Result.succeed([
    { _tag: "QueueModeChanged", queueId, mode, before: queue.mode, at: rows.now }
  ])
}

/**
 * Moves the opening of a queue that has not opened yet: to another instant, or to now if there is
 * none. The draw takes place all the same, with the seed that the queue is committed to.
 */
export const decideReschedule = (
  rows: Rows,
  queueId: QueueId,
  opensAt: number | null
): Result.Result<
  ReadonlyArray<QueueRescheduled>,
  QueueNotFound | QueueClosed | QueueAlreadyOpen
> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  if (queue.mode === "closed") return Result.fail(new QueueClosed({ mode: "closed" }))
  // Guard reschedule-unopened: without " || !isPreOpening(queue)", queue.test "cannot be moved" fails.
  if (queue.opening === null || !isPreOpening(queue)) return Result.fail(new QueueAlreadyOpen())
  const { opensAt: before } = queue.opening
  const next = opensAt ?? rows.now
  if (next === before) return Result.succeed([])
  return Result.succeed([
    { _tag: "QueueRescheduled", queueId, opensAt: next, before, at: rows.now }
  ])
}

/** Changes settings. They apply from the next admission on. */
export const decideConfigure = (
  rows: Rows,
  queueId: QueueId,
  change: Partial<QueueSettings>
): Result.Result<ReadonlyArray<QueueConfigured>, QueueNotFound> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  const { settings: before } = queue
  const settings = { ...before, ...change }
  const names = Object.keys(before) as Array<keyof QueueSettings>
  if (names.every((name) => settings[name] === before[name])) return Result.succeed([])
  return Result.succeed([{ _tag: "QueueConfigured", queueId, settings, before, at: rows.now }])
}
