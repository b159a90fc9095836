/**
 * Users of a queue that opens with a draw, and the operator who makes it. The crowd makes one queue
 * after another: it reads the commitment, joins, some of it leaves before the opening, some of it comes
 * after it, and all others are admitted in the order of the draw.
 */
import { setTimeout as sleep } from "node:timers/promises"
import type { Answer } from "../history.ts"
import type { Client, Hand } from "./client.ts"
import { byPolls, byStreams } from "./follow.ts"

/** Longer than any fault, so that a crowd goes on after each. */
const patienceMs = 40_000

export const makeCrowd = (name: string, operator: Hand, users: ReadonlyArray<Hand>): Client => {
  const { random } = operator
  let draws = 0

  const untilOk = async (call: () => Promise<Answer>): Promise<Answer | undefined> => {
    const until = performance.now() + patienceMs
    while (performance.now() < until) {
      const answer = await call()
      if (answer.outcome === "ok") return answer
      await sleep(random.between(100, 500))
    }
    return undefined
  }

  const attend = async (hand: Hand, nth: number, queueId: string, isWhimsical: boolean) => {
    // Most users come before the opening, and some after it.
    const isLate = isWhimsical && random.chance(0.2)
    await sleep(random.below(isLate ? 6_000 : 1_500))
    const join = async () =>
      (await untilOk(() => hand.call("join", { queueId })))?.result.token as string | undefined
    let queueToken = await join()
    if (queueToken === undefined) return false
    if (isWhimsical && random.chance(0.25)) {
      await hand.think(1_500)
      await hand.call("leave", { queueId, queueToken })
      if (random.chance(0.5)) return true
      // Back at the end of the line, with another number.
      queueToken = await join()
      if (queueToken === undefined) return false
    }
    const follow = nth % 2 === 0 ? byPolls : byStreams
    const state = await follow(hand, { queueId, queueToken }, isWhimsical ? patienceMs : 120_000)
    await hand.think()
    await hand.call("leave", { queueId, queueToken })
    return state === "admitted"
  }

  const draw = async (isWhimsical: boolean): Promise<boolean> => {
    const queueId = `${name}-draw-${++draws}`
    const opensAt = Date.now() + random.between(2_000, 4_000)
    const created = await operator.command("createQueue", { queueId, opensAt }, true)
    if (created.outcome !== "ok") return false
    const notice = () => untilOk(() => operator.call("notice", { queueId }))
    // Published before the first user joins.
    if ((await notice()) === undefined) return false
    const served = await Promise.all(
      users.map((hand, nth) => attend(hand, nth, queueId, isWhimsical))
    )
    return (await notice()) !== undefined && served.every(Boolean)
  }

  return { name, round: async () => void (await draw(true)), proof: () => draw(false) }
}
