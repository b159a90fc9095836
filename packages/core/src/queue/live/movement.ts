/**
 * History of how a queue moves, as this node has observed it: at most one sample per second, for 15
 * minutes. Pure: `LiveQueue` keeps the history and adds a sample with each reading.
 *
 * States of a history:
 * - stopped: while the queue admits no users, it is one sample, which each reading replaces.
 * - begun: after the first reading, after a gap of more than a minute, or after the clock was set
 *   back, it starts over from the admissions of the last minute.
 * - observed: each reading adds a sample, and samples older than 15 minutes are dropped.
 */
import type { QueueReading } from "../../BoxOfficeStore.ts"
import type { AdmissionCount, QueueRow } from "../model.ts"
import { isPreOpening } from "../position.ts"

/** What a reading says about how fast a queue moves. Counts start with the history. */
export interface Sample {
  readonly at: number
  readonly admitted: number
  /** How many sessions have ended, up to a constant: `admitted` minus those inside. */
  readonly ended: number
  /** The number of users inside, summed over the seconds. */
  readonly insideSeconds: number
}

export interface MovementHistory {
  /** At most one per second, the oldest first. The last one is of the last reading. */
  readonly samples: ReadonlyArray<Sample>
  /** The admissions of the minute before the last reading. */
  readonly admissions: ReadonlyArray<AdmissionCount>
}

/** The part of a reading that a history needs. */
export type Movement = Pick<QueueReading, "now" | "admissions"> & {
  readonly queue: Pick<QueueRow, "active" | "settings" | "mode" | "opening">
}

const second = 1_000
const minute = 60 * second
const historyMax = 15 * minute
const nearlyFull = 0.9

/**
 * Adds a reading, and drops samples older than 15 minutes. Drops also those from before a pause,
 * since the number of users inside has fallen meanwhile.
 */
export const addSample = (
  before: MovementHistory | undefined,
  reading: Movement
): MovementHistory => {
  const { now, admissions, queue } = reading
  if (isStopped(queue)) return { samples: [firstSample(reading)], admissions }
  const last = before?.samples.at(-1)
  // A reading has the admissions of one minute, so a longer gap cannot be bridged.
  if (before === undefined || last === undefined || now < last.at || now - last.at > minute) {
    return firstHistory(reading)
  }
  // The count of a second that was read before can have grown since.
  const known = new Map(before.admissions.map((count) => [secondOf(count), count.admitted]))
  const added = admissions.map((count) => count.admitted - (known.get(secondOf(count)) ?? 0))
  const admitted = last.admitted + sum(added.map((more) => Math.max(0, more)))
  const sample = {
    at: now,
    admitted,
    ended: admitted - queue.active,
    insideSeconds: last.insideSeconds + (queue.active * (now - last.at)) / second
  }
  // Within a second, the new sample replaces the old one.
  const kept = before.samples.filter(
    (old) => secondOf(old) !== secondOf(sample) && old.at > now - historyMax
  )
  return { samples: [...kept, sample], admissions }
}

/**
 * The history of a node that begins to observe a queue: the admissions of the last minute. If fewer
 * users were admitted in it than are inside, the number inside was steady, and each admission
 * replaced a session that ended. If at least as many were admitted and the queue is full, these
 * admissions may have filled it, so they say nothing about how fast sessions end.
 */
const firstHistory = (reading: Movement): MovementHistory => {
  const { now, admissions, queue } = reading
  const { active } = queue
  const [first] = admissions
  const mayHaveFilled = isFull(queue) && admittedIn(admissions) >= active
  if (first === undefined || mayHaveFilled) return { samples: [firstSample(reading)], admissions }
  const start = first.at - second
  let admitted = 0
  const sampleAt = (at: number): Sample => ({
    at,
    admitted,
    ended: admitted - active,
    insideSeconds: (active * (at - start)) / second
  })
  const samples = [sampleAt(start)]
  for (const count of admissions) {
    admitted += count.admitted
    if (count.at < now) samples.push(sampleAt(count.at))
  }
  return { samples: [...samples, sampleAt(now)], admissions }
}

const firstSample = ({ now, queue }: Movement): Sample => ({
  at: now,
  admitted: 0,
  ended: -queue.active,
  insideSeconds: 0
})

/** Whether the queue admits no users, whatever room there is. */
export const isStopped = (queue: Movement["queue"]): boolean =>
  queue.mode === "paused" || queue.mode === "closed" || isPreOpening(queue)

/** Whether `maxActive` is the limit: users are admitted only as sessions of others end. */
export const isFull = ({ active, settings }: Movement["queue"]): boolean =>
  active >= settings.maxActive * nearlyFull

/**
 * Whether `admitPerMinute` is the limit: users are admitted only as admissions become a minute old.
 */
export const isRateLimited = (
  counts: ReadonlyArray<AdmissionCount>,
  { settings }: Movement["queue"]
): boolean => admittedIn(counts) >= settings.admitPerMinute * nearlyFull

export const admittedIn = (counts: ReadonlyArray<AdmissionCount>): number =>
  sum(counts.map(({ admitted }) => admitted))

const sum = (counts: ReadonlyArray<number>): number => counts.reduce((a, b) => a + b, 0)

const secondOf = ({ at }: { readonly at: number }): number => Math.floor(at / second)
