/** How the events of queues and of their tokens change the rows. */
import type { QueueEvent, QueueTokenEvent, QueueTokenIssued } from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { QueueRow, TokenRow } from "./model.ts"
import { laneRow, nextLane, placeOf, withLaneRow } from "./position.ts"

export const evolveQueue = (rows: Rows, event: QueueEvent): void => {
  switch (event._tag) {
    case "QueueTokenIssued":
      return issue(rows, event)
    case "QueueCreated":
    case "QueueCodesAdded":
      // The command added the rows itself: they hold a seed and digests, which no event may contain.
      return
    case "QueueOpened":
      return rows.changeQueue(event.queueId, (queue) => ({
        ...queue,
        drawSize: event.drawn,
        // The draw reorders the lane. Heads loaded by number are its heads only if all were loaded.
        headsLoadedTo: queue.headsLoadedTo >= event.drawn ? queue.headsLoadedTo : queue.cursor,
        opening: { ...queue.opening!, openedAt: event.at }
      }))
    case "QueueRescheduled":
      return rows.changeQueue(event.queueId, (queue) => ({
        ...queue,
        opening: { ...queue.opening!, opensAt: event.opensAt }
      }))
    case "QueueModeChanged":
      return rows.changeQueue(event.queueId, (queue) => ({ ...queue, mode: event.mode }))
    case "QueueConfigured":
      return rows.changeQueue(event.queueId, (queue) => ({ ...queue, settings: event.settings }))
    default:
      return moveToken(rows, event)
  }
}

const issue = (rows: Rows, event: QueueTokenIssued): void => {
  const { queueId, tokenId, number, lane = "general" } = event
  const queue = rows.queues.get(queueId)!
  const token: TokenRow = {
    tokenId,
    queueId,
    userId: event.userId,
    lane,
    number,
    settings: queue.settings,
    state: "waiting",
    joinedAt: event.at,
    admittedAt: null,
    claimed: false,
    expiresAt: null,
    endedAt: null
  }
  rows.addToken(token)
  const { waiting, headsLoadedTo } = laneRow(queue, lane)
  rows.setAhead(token, waiting)
  rows.changeQueue(queueId, (queue) =>
    withLaneRow(queue, lane, {
      nextNumber: number + 1n,
      waiting: waiting + 1,
      // If every token of the lane is loaded, the new one is, too.
      headsLoadedTo: headsLoadedTo === number - 1n ? number : headsLoadedTo
    })
  )
  if (event.codeHash !== undefined) rows.useCode(queueId, event.codeHash)
}

const moveToken = (rows: Rows, event: QueueTokenEvent): void => {
  const token = rows.tokens.get(event.tokenId)!
  rows.tokens.change(event.tokenId, evolveToken(token, event))
  if (event._tag === "QueueTokenExtended") return
  if (event._tag === "QueueTokenAdmitted") rows.countAdmission(token.queueId)
  // Only a batch about the queue itself has loaded its row.
  const queue = rows.queues.get(token.queueId)
  if (queue === undefined) {
    if (token.state === "waiting") {
      throw new Error("A waiting token moves only in a batch that locks its queue's row.")
    }
    return rows.countExit(token.queueId)
  }
  if (token.state === "waiting" && event._tag !== "QueueTokenAdmitted") {
    rows.addDeparture(token, queue.departed + 1n)
  }
  rows.changeQueue(token.queueId, () => evolveCounts(queue, token, event))
  if (token.state === "waiting") rows.noteGone(token)
}

const evolveToken = (token: TokenRow, event: QueueTokenEvent): TokenRow => {
  switch (event._tag) {
    case "QueueTokenAdmitted":
      return {
        ...token,
        state: "admitted",
        admittedAt: event.at,
        claimed: event.claimed,
        expiresAt: event.expiresAt
      }
    case "QueueTokenExtended":
      return { ...token, claimed: true, expiresAt: event.expiresAt }
    case "QueueTokenCompleted":
      return { ...token, state: "completed", endedAt: event.at }
    case "QueueTokenLeft":
      return { ...token, state: "left", endedAt: event.at }
    case "QueueTokenLapsed":
      return { ...token, state: "expired", endedAt: event.at }
  }
}

const evolveCounts = (queue: QueueRow, before: TokenRow, event: QueueTokenEvent): QueueRow => {
  if (before.state !== "waiting") return { ...queue, active: queue.active - 1 }
  const { lane, number } = before
  const { waiting, cursor } = laneRow(queue, lane)
  if (event._tag !== "QueueTokenAdmitted") {
    return {
      ...withLaneRow(queue, lane, { waiting: waiting - 1 }),
      departed: queue.departed + 1n
    }
  }
  const place = placeOf(queue, lane, number)
  const waits = { general: queue.waiting > 0, priority: queue.priority.waiting > 0 }
  return {
    ...withLaneRow(queue, lane, {
      waiting: waiting - 1,
      cursor: furthest(place, cursor)
    }),
    laneCredit: nextLane(waits, queue.laneCredit, queue.settings.prioritySharePercent).credit,
    active: queue.active + 1,
    admittedLastMinute: queue.admittedLastMinute + 1
  }
}

const furthest = (a: bigint, b: bigint): bigint => {
  return a > b ? a : b
}
