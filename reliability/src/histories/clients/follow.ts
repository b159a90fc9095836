/** How a visitor learns what becomes of their queue token: by polls, or by event streams. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Hand } from "./client.ts"

interface Followed {
  readonly queueId: string
  readonly queueToken: string
}

/** Resolves with the last state that was told, once it is not `waiting` or patience has ended. */
export type Follow = (hand: Hand, token: Followed, patienceMs: number) => Promise<string>

export const byPolls: Follow = async (hand, token, patienceMs) => {
  const until = performance.now() + patienceMs
  let state = "waiting"
  while (state === "waiting" && performance.now() < until) {
    await sleep(hand.random.between(150, 600))
    const polled = await hand.call("poll", token)
    state = polled.result?.state ?? state
  }
  return state
}

/** A stream that ends, by a fault or by the visitor's own whim, is opened again on some node. */
export const byStreams: Follow = async (hand, token, patienceMs) => {
  const until = performance.now() + patienceMs
  let state = "waiting"
  while (state === "waiting" && performance.now() < until) {
    const stop = new AbortController()
    const staysMs = hand.random.chance(0.3) ? hand.random.between(200, 5_000) : patienceMs
    const timer = setTimeout(() => stop.abort(), Math.min(staysMs, until - performance.now()))
    const hear = (status: { readonly state: string }) => {
      state = status.state
      if (state !== "waiting") stop.abort()
    }
    await hand.watch(token, hear, stop.signal)
    clearTimeout(timer)
    if (state === "waiting") await sleep(hand.random.between(100, 600))
  }
  return state
}
