/** A user who joins the queue that operators stop and start, watches their position, and leaves. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Client, Hand } from "./client.ts"

const queueId = "side"

export const makeVisitor = (name: string, hand: Hand): Client => {
  const { random } = hand

  const visit = async (polls: number): Promise<boolean> => {
    const joined = await hand.call("join", { queueId })
    const queueToken = joined.result?.token as string | undefined
    if (queueToken === undefined) return false
    let { state } = joined.result
    for (let n = 0; n < polls && state !== "admitted"; n++) {
      await sleep(random.between(150, 600))
      const polled = await hand.call("poll", { queueId, queueToken })
      state = polled.result?.state ?? state
      if (!["waiting", "admitted"].includes(state)) return false
    }
    const left = await hand.call("leave", { queueId, queueToken })
    return state === "admitted" && left.outcome === "ok"
  }

  return {
    name,
    round: async () => {
      await visit(random.between(1, 25))
      await hand.think(600)
    },
    proof: async () => {
      for (let attempts = 0; attempts < 100; attempts++) {
        if (await visit(400)) return true
        await sleep(300)
      }
      return false
    }
  }
}
