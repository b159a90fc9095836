/**
 * The admitted tokens that were looked at a moment ago, so that they are not looked at again; and
 * those that were found to have ended, which stay so.
 */
import { Clock, Effect } from "effect"
import type { GateQuestion, TokenReading } from "../BoxOfficeStore.ts"
import { CommittedEvents } from "../engine/CommittedEvents.ts"
import { RecentMap } from "../engine/RecentMap.ts"
import { msBetween } from "../engine/SharedReads.ts"
import type { QueueId, TokenId } from "../Ids.ts"

const tokensKept = 100_000
const queuesKept = 10_000

interface CachedToken {
  readonly reading: TokenReading
  readonly begunAt: bigint
}

export const makeTokenCache = (freshMs: number) =>
  Effect.gen(function* () {
    const changes = yield* CommittedEvents
    const clock = yield* Clock.Clock
    const tokens = new RecentMap<TokenId, CachedToken>(tokensKept)
    // A show stays behind its queue for good.
    const queues = new RecentMap<string, QueueId>(queuesKept)
    // Counts the changes to tokens, so that no look begun before one is kept after it.
    let changed = 0

    changes.listen((event) => {
      if (!("tokenId" in event)) return
      changed++
      tokens.delete(event.tokenId)
    })

    return {
      /** When a look begins: what {@link keep} wants to know. */
      begin: () => ({ at: clock.monotonicTimeNanosUnsafe(), changed }),
      keep: (
        question: GateQuestion,
        reading: TokenReading,
        begun: { readonly at: bigint; readonly changed: number }
      ): void => {
        if (freshMs === 0 || begun.changed !== changed) return
        tokens.set(question.tokenId, { reading, begunAt: begun.at })
        const name = nameOf(question)
        if (name !== "" && reading.requiredQueueId !== undefined) {
          queues.set(name, reading.requiredQueueId)
        }
      },
      /** What a look would have found `withinMs` ago at the earliest, were it about this. */
      get: (question: GateQuestion, withinMs = freshMs): TokenReading | undefined => {
        const seen = tokens.get(question.tokenId)
        if (seen === undefined) return undefined
        const name = nameOf(question)
        const requiredQueueId = queues.get(name)
        if (name !== "" && requiredQueueId === undefined) return undefined
        const age = msBetween(seen.begunAt, clock.monotonicTimeNanosUnsafe())
        const hasEnded = seen.reading.token?.endedAt != null
        if (age >= withinMs && !hasEnded) return undefined
        return { ...seen.reading, requiredQueueId, now: Math.ceil(seen.reading.now + age) }
      }
    }
  })

const nameOf = ({ showId, performanceId }: GateQuestion): string =>
  performanceId !== undefined ? `performance/${performanceId}` : showId ? `show/${showId}` : ""
