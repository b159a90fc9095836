/**
 * What users are told, beside the ledger: each answer is true of a moment that is at most a refresh
 * ago, and a position never rises.
 */
import { expect } from "vitest"
import type { QueueTokenStatus, TokenState } from "../../packages/core/src/index.ts"
import type { Ledger, Snapshot } from "./Ledger.ts"
import type { Room } from "./room.ts"

/** The part of an answer, or of a refusal, that tells a place. */
export type Status = Pick<
  QueueTokenStatus,
  "state" | "position" | "ahead" | "estimatedWait" | "pollAfterSeconds"
> &
  Partial<Pick<QueueTokenStatus, "asOf" | "opensAt">>

export interface Answer {
  /** Of nodes that came one after the other, each has a name of its own. */
  readonly node: string
  readonly tokenId: string
  readonly status: Status
}

/** When an answer was given. */
export interface Moment {
  readonly elapsed: number
  readonly now: number
  /** See `Room`. */
  readonly offset: number
}

interface Told extends Answer {
  readonly elapsed: number
}

export class Answers {
  private readonly told = new Map<string, Array<Told>>()
  private readonly ledger: Ledger
  private readonly freshMs: number
  private readonly slackMs: number

  constructor(ledger: Ledger, { freshMs, slackMs }: Pick<Room, "freshMs" | "slackMs">) {
    this.ledger = ledger
    this.freshMs = freshMs
    this.slackMs = slackMs
  }

  /** Judges an answer that was given just now. */
  hear(answer: Answer, moment: Moment): void {
    const { elapsed, now } = moment
    const { tokenId, status } = answer
    const name = this.ledger.visits.get(tokenId)?.userId ?? "nobody"
    const within = this.snapshotsSince(elapsed - this.freshMs)
    const states = within.flatMap((snapshot) => [
      ...statesAt(snapshot, tokenId, now - this.slackMs),
      ...statesAt(snapshot, tokenId, now)
    ])
    expect(states, `the state that ${name} is told`).toContain(status.state)
    this.ledger.count(`told: ${status.state}`)
    if (status.state !== "waiting") {
      expect([status.position, status.ahead], `${name}, who does not wait`).toEqual([0, 0])
      return
    }
    this.hearPlace(answer, within, moment, name)
  }

  private hearPlace(
    answer: Answer,
    within: ReadonlyArray<Snapshot>,
    { elapsed, offset }: Moment,
    name: string
  ): void {
    const { tokenId, status, node } = answer
    const waited = within.filter(({ standings }) => standings.get(tokenId)?.state === "waiting")
    const positions = waited.map(({ standings }) => standings.get(tokenId)!.position)
    expect(positions, `the position that ${name} is told`).toContain(status.position)
    expect(status.ahead, `${name} stands behind those ahead`).toBe(Math.max(0, status.position - 1))
    this.hearWait(status, waited, name)

    const openings = waited.map(({ opensAt }) => opensAt)
    const said = status.opensAt?.getTime()
    expect(
      openings.some((opensAt) =>
        opensAt === undefined || said === undefined
          ? opensAt === said
          : Math.abs(opensAt - said - offset) <= this.slackMs
      ),
      `the opening that ${name} is told, ${said}, is one of ${openings}`
    ).toBe(true)

    const before = this.told.get(tokenId) ?? []
    for (const earlier of before) {
      const { position, pollAfterSeconds } = earlier.status
      const isDue = elapsed >= earlier.elapsed + pollAfterSeconds * 1_000
      if (position === 0 || (earlier.node !== node && !isDue)) continue
      if (isDue) this.ledger.count("asked in time")
      expect(status.position, `${name}'s position, which never rises`).toBeLessThanOrEqual(position)
    }
    expect(status.pollAfterSeconds * 1_000, "when to ask again").toBeGreaterThanOrEqual(
      Math.min(1_000, this.freshMs)
    )
    this.told.set(tokenId, [...before, { ...answer, elapsed }])
  }

  private hearWait({ estimatedWait }: Status, within: ReadonlyArray<Snapshot>, name: string): void {
    if (estimatedWait === null) return
    const { p50Seconds, p90Seconds } = estimatedWait
    this.ledger.count("estimated")
    expect(p90Seconds, `${name}'s p90, at most five times p50`).toBeLessThanOrEqual(5 * p50Seconds)
    expect(p90Seconds, `${name}'s p90`).toBeGreaterThanOrEqual(p50Seconds)
    expect(
      within.some(({ mode, opensAt }) => mode !== "paused" && opensAt === undefined),
      `${name} is told a wait while nobody is let in`
    ).toBe(true)
  }

  /** Those in force since an instant: the last one before it, too. */
  private snapshotsSince(elapsed: number): ReadonlyArray<Snapshot> {
    const { snapshots } = this.ledger
    const before = snapshots.findLastIndex((snapshot) => snapshot.elapsed <= elapsed)
    return snapshots.slice(Math.max(0, before))
  }
}

/** What somebody may be told of their visit. */
const statesAt = (
  { standings, mode }: Snapshot,
  tokenId: string,
  now: number
): ReadonlyArray<TokenState> => {
  const standing = standings.get(tokenId)
  if (standing === undefined) return []
  const { state, expiresAt } = standing
  // A visit that has lapsed counts as expired, whatever is stored.
  if (state === "admitted" && expiresAt <= now) return ["expired"]
  // In a closed queue a node does not tell apart who left before it was closed, and who waited.
  return state === "left" && mode === "closed" ? ["left", "expired"] : [state]
}
