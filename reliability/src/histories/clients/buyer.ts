/** A user who joins the queue, holds hot seats, pays, and sometimes gives up, or is paid back. */
import { setTimeout as sleep } from "node:timers/promises"
import { hotSeats, performances, price, priorityCode } from "../world/settings.ts"
import type { Client, Hand } from "./client.ts"

/** Every charge of a history has an amount of its own, so that a row tells which call made it. */
let charges = 0
const uniqueAmount = (): number => 10_000 + ++charges

const queueId = "main"

export const makeBuyer = (name: string, hand: Hand): Client => {
  const { random } = hand

  /** Joins, and polls until admitted. `undefined` if it gave up. */
  const enter = async (patienceMs: number): Promise<string | undefined> => {
    const until = performance.now() + patienceMs
    const lane = random.chance(0.25) ? { code: priorityCode } : {}
    let queueToken: string | undefined
    while (performance.now() < until) {
      const answer =
        queueToken === undefined
          ? await hand.call("join", { queueId, ...lane })
          : await hand.call("poll", { queueId, queueToken })
      if (answer.result?.token !== undefined) queueToken = answer.result.token as string
      const state = answer.result?.state
      if (state === "admitted") return queueToken
      // The token has ended meanwhile: back to the end of the line.
      if (state !== undefined && state !== "waiting") queueToken = undefined
      await sleep(random.between(100, 700))
    }
    return undefined
  }

  const buy = async (
    queueToken: string,
    wanted: { performanceId: string; seatIds: ReadonlyArray<string> },
    insists: boolean
  ): Promise<string | undefined> => {
    const held = await hand.command("hold", { ...wanted, queueToken }, insists)
    const reservationId = held.result?.reservationId as string | undefined
    if (reservationId === undefined) return undefined
    await hand.think()
    if (!insists && random.chance(0.1)) {
      await hand.call("release", { reservationId })
      return undefined
    }
    // Sometimes it lets the hold lapse.
    if (!insists && random.chance(0.05)) return undefined
    await hand.command("charge", { amount: uniqueAmount() }, insists)
    if (random.chance(0.4)) await hand.call("balance", {})
    const paid = await hand.command("pay", { reservationId, queueToken }, insists)
    if (random.chance(0.6)) await hand.call("reservation", { reservationId })
    if (random.chance(0.4)) await hand.call("balance", {})
    return paid.result?.transferId
  }

  const round = async () => {
    const queueToken = await enter(20_000)
    if (queueToken === undefined) return
    const performanceId = performances.hot
    const map = random.chance(0.5)
      ? await hand.call("seats", { performanceId, queueToken })
      : undefined
    const free: ReadonlyArray<string> = map?.result?.free ?? []
    // A client that has not seen the map asks for any seat, taken or not.
    const choices =
      free.length > 0 && random.chance(0.8)
        ? free
        : Array.from({ length: hotSeats }, (_, n) => `H${n}`)
    const seatIds = random.shuffle(choices).slice(0, random.between(1, 3))
    const paymentId = await buy(queueToken, { performanceId, seatIds }, false)
    if (paymentId !== undefined && random.chance(0.85)) await hand.command("refund", { paymentId })
    if (paymentId === undefined && random.chance(0.7)) {
      await hand.call("leave", { queueId, queueToken })
    }
    await hand.think(1_500)
  }

  /** Buys the seat that is kept for this client: it can be served, so it must be. */
  const proof = async () => {
    const queueToken = await enter(120_000)
    if (queueToken === undefined) return false
    const wanted = { performanceId: performances.proof, seatIds: [name] }
    return (await buy(queueToken, wanted, true)) !== undefined
  }

  return { name, round, proof }
}

/** A user whose wallet several clients charge and read at the same time. */
export const makeBanker = (name: string, hand: Hand): Client => {
  const round = async () => {
    await hand.command("charge", { amount: uniqueAmount() })
    await hand.call("balance", {})
    await hand.think(price * 8)
  }
  const proof = async () => {
    const charged = await hand.command("charge", { amount: uniqueAmount() }, true)
    return charged.outcome === "ok" && (await hand.call("balance", {})).outcome === "ok"
  }
  return { name, round, proof }
}
