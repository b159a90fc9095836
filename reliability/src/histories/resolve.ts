/**
 * After the faults, sends every command once more whose outcome is still unknown, with the same key.
 * The answer says whether the first request had taken effect: it is a recorded one then.
 */
import { setTimeout as sleep } from "node:timers/promises"
import type { Random } from "../random.ts"
import type { Caller } from "./clients/caller.ts"

export const resolver = "resolver"

export const resolveOpen = async (caller: Caller, random: Random): Promise<number> => {
  const open = caller.open
  for (const { call, node: _, repeats: __, ...asked } of open) {
    for (let attempts = 0; attempts < 50; attempts++) {
      const again = { ...asked, client: resolver, repeats: call }
      const { outcome } = await caller.call(random, again)
      if (outcome !== "unknown") break
      await sleep(200)
    }
  }
  return open.length
}
