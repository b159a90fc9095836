/** A user who joins the queue that operators stop and start, follows their position, and leaves. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Client, Hand } from "./client.ts"
import type { Follow } from "./follow.ts"

const queueId = "side"

export const makeVisitor = (name: string, hand: Hand, follow: Follow): Client => {
  const { random } = hand

  const visit = async (patienceMs: number): Promise<boolean> => {
    const joined = await hand.call("join", { queueId })
    const queueToken = joined.result?.token as string | undefined
    if (queueToken === undefined) return false
    const state = await follow(hand, { queueId, queueToken }, patienceMs)
    if (!["waiting", "admitted"].includes(state)) return false
    await hand.think(1_500)
    const left = await hand.call("leave", { queueId, queueToken })
    return state === "admitted" && left.outcome === "ok"
  }

  return {
    name,
    round: async () => {
      await visit(random.between(200, 10_000))
      await hand.think(600)
    },
    proof: async () => {
      for (let attempts = 0; attempts < 100; attempts++) {
        if (await visit(120_000)) return true
        await sleep(300)
      }
      return false
    }
  }
}
