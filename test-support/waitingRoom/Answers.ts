/**
 * Checks the statuses that users get against the ledger: each one must be true at an instant within
 * the maximum age of a snapshot, and a position must never rise.
 */
import { expect } from "vitest"
import type { QueueTokenStatus, TokenState } from "../../packages/core/src/index.ts"
import type { Ledger, Snapshot } from "./Ledger.ts"
import type { Room } from "./room.ts"

/** The part of a response or a refusal that is a status. */
export type Status = Pick<
  QueueTokenStatus,
  "state" | "position" | "ahead" | "estimatedWait" | "pollAfterSeconds"
> &
  Partial<Pick<QueueTokenStatus, "asOf" | "opensAt">>

export interface Answer {
  /** The name of the node. A restart gives the node a new name. */
  readonly node: string
  readonly tokenId: string
  readonly status: Status
}

/** The time of a response. */
export interface Moment {
  readonly elapsed: number
  readonly now: number
  /** See `Room`. */
  readonly offset: number
}

interface TimedAnswer extends Answer {
  readonly elapsed: number
}

export class Answers {
  private readonly earlier = new Map<string, Array<TimedAnswer>>()
  private readonly ledger: Ledger
  private readonly freshMs: number
  private readonly slackMs: number

  constructor(ledger: Ledger, { freshMs, slackMs }: Pick<Room, "freshMs" | "slackMs">) {
    this.ledger = ledger
    this.freshMs = freshMs
    this.slackMs = slackMs
  }

  /** Checks a response that was just received. */
  check(answer: Answer, moment: Moment): void {
    const { elapsed, now } = moment
    const { tokenId, status } = answer
    const name = this.ledger.visits.get(tokenId)?.userId ?? "unknown"
    const within = this.snapshotsSince(elapsed - this.freshMs)
    const states = within.flatMap((snapshot) => [
      ...statesAt(snapshot, tokenId, now - this.slackMs),
      ...statesAt(snapshot, tokenId, now)
    ])
    expect(states, `the state that ${name} gets`).toContain(status.state)
    this.ledger.count(`told: ${status.state}`)
    if (status.state !== "waiting") {
      expect([status.position, status.ahead], `${name}, who is not waiting`).toEqual([0, 0])
      return
    }
    this.checkPosition(answer, within, moment, name)
  }

  private checkPosition(
    answer: Answer,
    within: ReadonlyArray<Snapshot>,
    { elapsed, offset }: Moment,
    name: string
  ): void {
    const { tokenId, status, node } = answer
    const waited = within.filter(({ standings }) => standings.get(tokenId)?.state === "waiting")
    const positions = waited.map(({ standings }) => standings.get(tokenId)!.position)
    expect(positions, `the position that ${name} gets`).toContain(status.position)
    expect(status.ahead, `${name} stands behind those ahead`).toBe(Math.max(0, status.position - 1))
    this.checkEstimate(status, waited, name)

    const openings = waited.map(({ opensAt }) => opensAt)
    const shown = status.opensAt?.getTime()
    expect(
      openings.some((opensAt) =>
        opensAt === undefined || shown === undefined
          ? opensAt === shown
          : Math.abs(opensAt - shown - offset) <= this.slackMs
      ),
      `the opening that ${name} gets, ${shown}, is one of ${openings}`
    ).toBe(true)

    const before = this.earlier.get(tokenId) ?? []
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
    this.earlier.set(tokenId, [...before, { ...answer, elapsed }])
  }

  private checkEstimate(
    { estimatedWait }: Status,
    within: ReadonlyArray<Snapshot>,
    name: string
  ): void {
    if (estimatedWait === null) return
    const { p50Seconds, p90Seconds } = estimatedWait
    this.ledger.count("estimated")
    expect(p90Seconds, `${name}'s p90, at most five times p50`).toBeLessThanOrEqual(5 * p50Seconds)
    expect(p90Seconds, `${name}'s p90`).toBeGreaterThanOrEqual(p50Seconds)
    expect(
      within.some(({ mode, opensAt }) => mode !== "paused" && opensAt === undefined),
      `${name} gets an estimate while there are no admissions`
    ).toBe(true)
  }

  /** The snapshots since an instant, and the last one before it. */
  private snapshotsSince(elapsed: number): ReadonlyArray<Snapshot> {
    const { snapshots } = this.ledger
    const before = snapshots.findLastIndex((snapshot) => snapshot.elapsed <= elapsed)
    return snapshots.slice(Math.max(0, before))
  }
}

/** The states that a token may have by a snapshot. */
const statesAt = (
  { standings, mode }: Snapshot,
  tokenId: string,
  now: number
): ReadonlyArray<TokenState> => {
  const standing = standings.get(tokenId)
  if (standing === undefined) return []
  const { state, expiresAt } = standing
  // A lapsed token counts as expired, whatever is stored.
  if (state === "admitted" && expiresAt <= now) return ["expired"]
  // In a closed queue, a node does not distinguish users who left before from those who waited.
  return state === "left" && mode === "closed" ? ["left", "expired"] : [state]
}
