/**
 * Recent readings of admitted and ended tokens, so that a read of a user inside needs no query.
 *
 * Holds: a reading of each of the 100,000 tokens used last, and the queue in front of each of the
 * 10,000 shows and performances used last; at most twice as many of both (see
 * `engine/RecentMap.ts`).
 *
 * Refresh: none. A reading that is older than `maxAgeMs` is not used, so the gate reads the token
 * again and keeps the new reading. An event of this node about a token removes its reading at once;
 * a change by another node shows after `maxAgeMs`.
 *
 * States of a reading:
 * - fresh: younger than `maxAgeMs`. The gate decides by it.
 * - stale: older. `get` returns it only to a caller that accepts that age, while the store is down.
 * - ended: of a token that has ended. It never expires, since an ended token stays ended.
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

/** A cache whose readings are good for `maxAgeMs`; 0 keeps none. */
export const makeTokenCache = (maxAgeMs: number) =>
  Effect.gen(function* () {
    const committed = yield* CommittedEvents
    const clock = yield* Clock.Clock
    const tokens = new RecentMap<TokenId, CachedToken>(tokensKept)
    // A show never changes its queue, so these do not expire.
    const queues = new RecentMap<string, QueueId>(queuesKept)
    // The number of each token's last change, so that a reading begun before it is not kept after it.
    const changedAs = new RecentMap<TokenId, number>(tokensKept)
    let changes = 0

    committed.listen((event) => {
      // No reading has a token that is only issued now.
      if (!("tokenId" in event) || event._tag === "QueueTokenIssued") return
      changedAs.set(event.tokenId, ++changes)
      tokens.delete(event.tokenId)
    })

    return {
      /** Call this before a read, and give the result to `keep`. */
      begin: () => ({ at: clock.monotonicTimeNanosUnsafe(), changes }),
      /** Keeps a reading, unless this node has changed its token since `begin`. */
      keep: (
        question: GateQuestion,
        reading: TokenReading,
        begun: { readonly at: bigint; readonly changes: number }
      ): void => {
        // Guard gate-cache-change: without " || (changedAs.get(question.tokenId) ?? 0) > begun.changes", maxAge.test "begun before" fails.
        if (maxAgeMs === 0 || (changedAs.get(question.tokenId) ?? 0) > begun.changes) return
        tokens.set(question.tokenId, { reading, begunAt: begun.at })
        const name = nameOf(question)
        if (name !== "" && reading.requiredQueueId !== undefined) {
          queues.set(name, reading.requiredQueueId)
        }
      },
      /**
       * The answer to a question by a reading that is younger than `withinMs`, or of an ended
       * token. `undefined` if there is none, or if the queue in front of the show or performance is
       * unknown.
       */
      get: (question: GateQuestion, withinMs = maxAgeMs): TokenReading | undefined => {
        const cached = tokens.get(question.tokenId)
        if (cached === undefined) return undefined
        const name = nameOf(question)
        const requiredQueueId = queues.get(name)
        if (name !== "" && requiredQueueId === undefined) return undefined
        const age = msBetween(cached.begunAt, clock.monotonicTimeNanosUnsafe())
        const hasEnded = cached.reading.token?.endedAt != null
        // Guard gate-cache-age: without it, maxAge.test "after the window, and no later" fails.
        if (age >= withinMs && !hasEnded) return undefined
        return { ...cached.reading, requiredQueueId, now: Math.ceil(cached.reading.now + age) }
      }
    }
  })

const nameOf = ({ showId, performanceId }: GateQuestion): string =>
  performanceId !== undefined ? `performance/${performanceId}` : showId ? `show/${showId}` : ""
