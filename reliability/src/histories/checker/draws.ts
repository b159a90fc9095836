/**
 * I13, of a queue that opens with a draw: its commitment is known before any user joins, its seed to no
 * one before the last number of the draw is taken, and the draw gives every number one place. That
 * users are admitted in the order of their places, the replay says.
 */
import type { Call } from "../history.ts"
import { type Evidence, told } from "./evidence.ts"
import type { Judge } from "./judge.ts"
import type { Replay } from "./replay.ts"

export const checkDraws = ({ calls }: Evidence, { queues }: Replay, judge: Judge): void => {
  for (const [queueId, queue] of queues) {
    if (queue.commitment === undefined) continue
    const here = calls.filter(({ input }) => input.queueId === queueId)
    const joins = here.filter(({ operation }) => operation === "join")
    const published = here
      .filter(
        ({ operation, outcome }) =>
          outcome === "ok" && (operation === "notice" || operation === "createQueue")
      )
      .sort((a, b) => a.endedAt - b.endedAt)
    checkCommitment(queueId, published, joins, judge)
    for (const call of published) {
      const { commitment, seed, drawn } = call.result
      const { draw } = queue
      const isAsDrawn = seed === null || (seed === draw?.seed && drawn === draw?.drawn)
      judge.expect(
        "I13",
        commitment === queue.commitment && isAsDrawn,
        () =>
          `${told(call)} was told ${JSON.stringify(call.result)}; the draw of ${queueId} is ${draw?.seed} of ${draw?.drawn}, committed as ${queue.commitment}`
      )
    }
    const { draw } = queue
    if (draw === undefined) continue
    judge.expect("I13", draw.isKept, () => `the seed of ${queueId} is not the one committed to`)
    const places = [...draw.places].sort((a, b) => a - b)
    for (const [at, place] of places.entries()) {
      judge.expect(
        "I13",
        place === at + 1,
        () => `the draw of ${queueId} gives place ${place} where ${at + 1} is due`
      )
    }
    const numbers = [...queue.tokens.values()]
      .filter(({ lane, issuedIn }) => lane === "general" && issuedIn < draw.drawnIn)
      .map(({ number }) => number)
    const isWhole =
      numbers.length === draw.drawn && numbers.every((number, at) => number === at + 1)
    judge.expect(
      "I13",
      isWhole,
      () => `${queueId} drew ${draw.drawn} places, and the numbers before it were ${numbers}`
    )
    checkSecret(queueId, published, joins, numbers.length, judge)
  }
}

/** The commitment that was noted before the first user asked for a number. */
const checkCommitment = (
  queueId: string,
  published: ReadonlyArray<Call>,
  joins: ReadonlyArray<Call>,
  judge: Judge
) => {
  const asked = Math.min(...joins.map(({ invokedAt }) => invokedAt))
  const noted = published[0]?.endedAt ?? Number.POSITIVE_INFINITY
  judge.expect(
    "I13",
    joins.length === 0 || noted < asked,
    () => `a user joined ${queueId} at ${asked}, and its commitment was known at ${noted}`
  )
}

/** A user who knows the seed could compute the places, and join until one suits. */
const checkSecret = (
  queueId: string,
  published: ReadonlyArray<Call>,
  joins: ReadonlyArray<Call>,
  drawn: number,
  judge: Judge
) => {
  const toldAt = published.find(({ result }) => result.seed !== null)?.endedAt
  if (toldAt === undefined) return
  const before = joins.filter(({ outcome, invokedAt }) => outcome !== "fail" && invokedAt < toldAt)
  judge.expect(
    "I13",
    drawn <= before.length,
    () =>
      `${queueId} drew ${drawn} numbers, and ${before.length} joins were asked for before ${toldAt}, when its seed was told`
  )
}
