/** What a node has seen of how a queue moves. Pure. */
import type { QueueReading } from "../../BoxOfficeStore.ts"
import type { AdmissionCount, QueueRow } from "../model.ts"
import { isPreOpening } from "../position.ts"

/** A reading of a queue, as much as tells how fast it moves: counts since it has been watched. */
export interface Sample {
  readonly at: number
  readonly admitted: number
  /** How many of those inside have ended. */
  readonly ended: number
  /** How many were inside, added up over the seconds. */
  readonly insideSeconds: number
}

export interface MovementHistory {
  /** At most one of a second, the oldest first; the last one is of the last reading. */
  readonly samples: ReadonlyArray<Sample>
  /** The admissions of the minute before that. */
  readonly admissions: ReadonlyArray<AdmissionCount>
}

/** The part of a reading that this goes by. */
export type Movement = Pick<QueueReading, "now" | "admissions"> & {
  readonly queue: Pick<QueueRow, "active" | "settings" | "mode" | "opening">
}

const second = 1_000
const minute = 60 * second
const historyMost = 15 * minute
const nearlyFull = 0.9

/**
 * Takes in a newer reading, and forgets what is older than a quarter of an hour, or from before a
 * pause: the house has emptied meanwhile.
 */
export const addSample = (
  before: MovementHistory | undefined,
  reading: Movement
): MovementHistory => {
  const { now, admissions, queue } = reading
  if (isStopped(queue)) return { samples: [firstSample(reading)], admissions }
  const last = before?.samples.at(-1)
  // Admissions are read of a minute: after a longer gap, or a turned clock, it begins anew.
  if (before === undefined || last === undefined || now < last.at || now - last.at > minute) {
    return firstHistory(reading)
  }
  // A second that was read before can have gained some since.
  const known = new Map(before.admissions.map((grant) => [secondOf(grant), grant.admitted]))
  const newly = admissions.map((grant) => grant.admitted - (known.get(secondOf(grant)) ?? 0))
  const admitted = last.admitted + sum(newly.map((more) => Math.max(0, more)))
  const sample = {
    at: now,
    admitted,
    ended: admitted - queue.active,
    insideSeconds: last.insideSeconds + (queue.active * (now - last.at)) / second
  }
  // Of a second the last one stays.
  const kept = before.samples.filter(
    (old) => secondOf(old) !== secondOf(sample) && old.at > now - historyMost
  )
  return { samples: [...kept, sample], admissions }
}

/**
 * Whoever begins to watch knows the admissions of the last minute. Where fewer came in than are
 * inside, the house was full before, and each came in for one who ended. Where more did, it may
 * have been filled by them: then nothing is known yet.
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
  for (const grant of admissions) {
    admitted += grant.admitted
    if (grant.at < now) samples.push(sampleAt(grant.at))
  }
  return { samples: [...samples, sampleAt(now)], admissions }
}

const firstSample = ({ now, queue }: Movement): Sample => ({
  at: now,
  admitted: 0,
  ended: -queue.active,
  insideSeconds: 0
})

/** Nobody is let in, whoever waits. */
export const isStopped = (queue: Movement["queue"]): boolean =>
  queue.mode === "paused" || queue.mode === "closed" || isPreOpening(queue)

/** People come in only as others end. */
export const isFull = ({ active, settings }: Movement["queue"]): boolean =>
  active >= settings.maxActive * nearlyFull

/** People come in only as it is a minute ago that others did. */
export const isRateLimited = (
  grants: ReadonlyArray<AdmissionCount>,
  { settings }: Movement["queue"]
): boolean => admittedIn(grants) >= settings.admitPerMinute * nearlyFull

export const admittedIn = (grants: ReadonlyArray<AdmissionCount>): number =>
  sum(grants.map(({ admitted }) => admitted))

const sum = (counts: ReadonlyArray<number>): number => counts.reduce((a, b) => a + b, 0)

const secondOf = ({ at }: { readonly at: number }): number => Math.floor(at / second)
