/**
 * Positions, and the order of joining, in real time: a position is the one that the replay gives at a
 * moment that the reader may have seen, and it never rises.
 */
import { groupBy } from "../groupBy.ts"
import type { Call } from "../history.ts"
import { type Evidence, staleMs, told } from "./evidence.ts"
import type { Judge } from "./judge.ts"
import type { Replay } from "./replay.ts"

/** `queueMaxAgeMs`, and some for what is under way. */
const freshMs = 900 + 1_100

export const checkPositions = (
  evidence: Evidence,
  { steps, queues }: Replay,
  judge: Judge
): void => {
  for (const [queueId, queue] of queues) {
    const here = evidence.statuses.filter((call) => call.input.queueId === queueId)
    const asked = evidence.calls.filter(({ input }) => input.queueId === queueId)
    checkJoins(asked, here, queue, judge)
    const known = knownBy(here, queue)
    const departures = [...queue.tokens.values()].sort((a, b) => a.waitedUntil - b.waitedUntil)
    for (const call of here) {
      const token = queue.tokens.get(tokenOf(call) ?? "")
      if (token === undefined || call.result.state !== "waiting") continue
      if (call.replayed) continue
      const isCalm = evidence.isCalm(call.invokedAt - freshMs, call.endedAt)
      const seen = known(call.invokedAt - (isCalm ? freshMs : staleMs))
      if (call.result.position === 0) {
        // No place yet: the queue may still have been before its draw.
        const { drawnIn } = queue.draw ?? { drawnIn: Number.POSITIVE_INFINITY }
        judge.expect(
          "I8",
          token.issuedIn < drawnIn && drawnIn > seen && queue.commitment !== undefined,
          () =>
            `${told(call)} was told no position; batch ${steps[drawnIn]?.batch} drew the places, and batch ${steps[seen]?.batch} had been seen before`
        )
        continue
      }
      judge.expect(
        "I8",
        Number.isFinite(token.placedIn),
        () => `${told(call)} was told position ${call.result.position}, and no place was ever drawn`
      )
      const gone = departures.filter(
        (other) =>
          other.lane === token.lane &&
          other.place < token.place &&
          other.waitedUntil > token.placedIn
      )
      // This many had left the line in front of the token when the position was right.
      const left = token.aheadAtFirst + 1 - call.result.position
      const isPossible = left >= 0 && left <= gone.length
      judge.expect(
        "I8",
        isPossible,
        () =>
          `${told(call)} was told position ${call.result.position}, of ${token.aheadAtFirst + 1} at first`
      )
      if (!isPossible) continue
      const until = Math.min(gone[left]?.waitedUntil ?? Number.POSITIVE_INFINITY, token.waitedUntil)
      judge.expect(
        "I8",
        until > seen,
        () =>
          `${told(call)} was told position ${call.result.position}, which ended with batch ${steps[until]?.batch}; batch ${steps[seen]?.batch} had been seen before`
      )
    }
    checkNeverRising(
      here.filter((call) => !call.replayed),
      evidence,
      judge
    )
  }
}

/** Which token a join or a poll is about. */
const tokenOf = ({ input, result }: Call): string | undefined => result?.tokenId ?? input.tokenId

/** If a join was answered before another one began, it has the lower number. */
const checkJoins = (
  all: ReadonlyArray<Call>,
  calls: ReadonlyArray<Call>,
  queue: ReplayedQueue,
  judge: Judge
) => {
  const numbered = calls.flatMap((call) => {
    const token = call.operation === "join" ? queue.tokens.get(call.result.tokenId) : undefined
    return token === undefined ? [] : [{ call, token }]
  })
  // Later joins of the same token tell nothing of when it was issued.
  const first = [...groupBy(numbered, ({ token }) => token.id).values()].map((joins) =>
    joins.reduce((a, b) => (a.call.endedAt < b.call.endedAt ? a : b))
  )
  // A join whose outcome is unknown may have issued the token that a later one was told.
  const began = groupBy(
    all.filter(({ operation, outcome }) => operation === "join" && outcome !== "fail"),
    ({ user }) => user
  )
  const notBefore = ({ id, user }: { readonly id: string; readonly user: string }): number => {
    const ofUser = began.get(user) ?? []
    const told = ofUser.filter(({ result }) => result?.tokenId === id)
    const ofOthers = ofUser.filter(
      ({ result, invokedAt }) =>
        result !== undefined && result.tokenId !== id && invokedAt < told[0]!.invokedAt
    )
    const since = Math.max(0, ...ofOthers.map(({ invokedAt }) => invokedAt))
    return Math.min(
      ...told.map(({ invokedAt }) => invokedAt),
      ...ofUser
        .filter(({ outcome, invokedAt }) => outcome === "unknown" && invokedAt > since)
        .map(({ invokedAt }) => invokedAt)
    )
  }
  for (const lane of ["general", "priority"]) {
    const ended = first
      .filter(({ token }) => token.lane === lane)
      .sort((a, b) => a.call.endedAt - b.call.endedAt)
    const begun = ended
      .map(({ token }) => ({ token, at: notBefore(token) }))
      .sort((a, b) => a.at - b.at)
    let highest = { number: 0, at: 0 }
    let next = 0
    for (const { token, at } of begun) {
      for (; next < ended.length && ended[next]!.call.endedAt < at; next++) {
        const { number } = ended[next]!.token
        if (number > highest.number) highest = { number, at: ended[next]!.call.endedAt }
      }
      judge.expect(
        "I8",
        token.number > highest.number,
        () =>
          `number ${token.number} was asked for at ${at}, after ${highest.number} had been answered at ${highest.at}`
      )
    }
  }
}

type ReplayedQueue = Replay["queues"] extends ReadonlyMap<string, infer Queue> ? Queue : never

/** The last step of the queue that an answer had told of before an instant. */
const knownBy = (calls: ReadonlyArray<Call>, queue: ReplayedQueue) => {
  const told = calls
    .flatMap((call) => {
      const token = queue.tokens.get(tokenOf(call) ?? "")
      if (token === undefined) return []
      const { state, position } = call.result
      const sinceWhen = position === 0 ? token.issuedIn : token.placedIn
      const step = state === "waiting" ? sinceWhen : token.waitedUntil
      return Number.isFinite(step) ? [{ at: call.endedAt, step }] : []
    })
    .sort((a, b) => a.at - b.at)
  let highest = -1
  const steps = told.map(({ step }) => (highest = Math.max(highest, step)))
  return (at: number): number => {
    let low = 0
    let high = told.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (told[middle]!.at < at) low = middle + 1
      else high = middle
    }
    return low === 0 ? -1 : steps[low - 1]!
  }
}

/** A position that was told never rises, and is never taken back. */
const checkNeverRising = (calls: ReadonlyArray<Call>, { wasClockSet }: Evidence, judge: Judge) => {
  const waiting = calls.filter(({ result }) => result.state === "waiting")
  for (const reads of groupBy(waiting, tokenOf).values()) {
    const ordered = [...reads].sort((a, b) => a.invokedAt - b.invokedAt)
    for (const [at, call] of ordered.entries()) {
      const before = ordered.slice(0, at).findLast((other) => {
        if (other.endedAt >= call.invokedAt) return false
        // Another node's snapshot may be the older one, unless its time says that it is not.
        if (other.node === call.node) return true
        return !wasClockSet && other.result.asOf <= call.result.asOf
      })
      if (before === undefined) continue
      judge.expect(
        "I8",
        rankOf(call) <= rankOf(before),
        () =>
          `${told(call)} was told position ${call.result.position}, and ${told(before)} ${before.result.position}`
      )
    }
  }
}

/** Before a draw a token has no position, and is told 0. */
const rankOf = ({ result }: Call): number =>
  result.position === 0 ? Number.POSITIVE_INFINITY : result.position
