/** An operator who pauses and resumes a queue, looks at it, and adds seats to the hot performance. */
import { performances } from "../world/settings.ts"
import type { Client, Hand } from "./client.ts"

const queueId = "side"

export const makeOperator = (name: string, hand: Hand): Client => {
  const { random } = hand
  let seats = 0

  const setMode = async (mode: string, insists = false) => {
    const answer = await hand.command("setMode", { queueId, mode }, insists)
    if (random.chance(0.7)) await hand.call("queue", { queueId })
    return answer.outcome === "ok"
  }

  return {
    name,
    round: async () => {
      await setMode(random.pick(["paused", "draining"]))
      await hand.think(1_500)
      await setMode("open")
      await hand.think(6_000)
      if (random.chance(0.3)) {
        const seatIds = Array.from({ length: random.between(1, 4) }, () => `X${++seats}`)
        await hand.command("addSeats", { performanceId: performances.hot, seatIds })
      }
    },
    proof: () => setMode("open", true)
  }
}
