/** I12 and I13: both limits of admission, the order in each lane, and the turns of the lanes. */
import {
  type BoxOfficeEvent,
  permutationOf,
  type QueueId,
  type QueueSettings
} from "@boxoffice/core"
import type { Facts, Finding } from "./facts.ts"
import { type Moment, momentOf, type Steady, steadyTimes } from "./steady.ts"

type Lane = "general" | "priority"

interface Token {
  readonly userId: string
  readonly lane: Lane
  readonly number: number
  state: string
}

/** Notes what broke, and in which queue and when, where that is known. */
type Find = (
  invariant: string,
  text: string,
  where?: { readonly queueId: string; readonly atMs?: number | undefined }
) => void

interface Queue {
  settings: QueueSettings
  readonly tokens: Map<string, Token>
  /** When users were admitted, in milliseconds since the world began, by time without a step. */
  readonly admissions: Map<Steady, Array<number>>
  placeOf: (token: Token) => number
  isOpen: boolean
  credit: number
  /** The highest limits that held in the last minute of any admission. */
  admitPerMinuteMax: number
}

const ends: Record<string, string> = {
  QueueTokenCompleted: "completed",
  QueueTokenLeft: "left",
  QueueTokenLapsed: "expired"
}

export const checkQueues = ({ rows, events, world }: Facts): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const find: Find = (invariant, text, where) => findings.push({ invariant, text, ...where })
  const queues = new Map<string, Queue>()
  const times = steadyTimes(world.faults.clockSteps, world.machine.elapsed())
  for (const { event } of events) {
    if (!("queueId" in event)) continue
    const queue = event._tag === "QueueCreated" ? newQueue(event) : queues.get(event.queueId)
    if (queue === undefined) {
      find("I9", `${event._tag} of the unknown queue ${event.queueId}`)
      continue
    }
    queues.set(event.queueId, queue)
    const { queueId } = event
    const moment = momentOf(times, event.at)
    apply(queue, event, moment, (invariant, text) =>
      find(invariant, text, { queueId, atMs: moment?.elapsedMs })
    )
  }
  for (const row of rows.tokens) {
    const known = queues.get(row.queueId)?.tokens.get(row.tokenId)
    if (known?.state !== row.state) {
      const { userId, tokenId, state, queueId } = row
      const text = `the token ${tokenId} of ${userId} is ${state}, its events say ${known?.state}`
      find("I9", text, { queueId })
    }
  }
  for (const row of rows.queues) {
    const queue = queues.get(row.queueId)
    if (queue === undefined) continue
    const count = (state: string, lane?: Lane) =>
      Array.from(queue.tokens.values()).filter(
        (token) => token.state === state && (lane === undefined || token.lane === lane)
      ).length
    const left = rows.exits
      .filter(({ queueId }) => queueId === row.queueId)
      .reduce((sum, { exits }) => sum + exits, 0)
    if (row.active - left !== count("admitted")) {
      find("I12", `the queue counts ${row.active} inside, and ${count("admitted")} are`, {
        queueId: row.queueId
      })
    }
    const waits = [row.waiting, row.priority.waiting]
    const waiting = [count("waiting", "general"), count("waiting", "priority")]
    if (String(waits) !== String(waiting)) {
      find("I13", `the queue counts ${waits} who wait, and ${waiting} do`, { queueId: row.queueId })
    }
  }
  return findings
}

const newQueue = ({
  settings,
  opening
}: Extract<BoxOfficeEvent, { readonly _tag: "QueueCreated" }>): Queue => ({
  settings,
  tokens: new Map(),
  admissions: new Map(),
  placeOf: ({ number }) => number,
  isOpen: opening === undefined,
  credit: 0,
  admitPerMinuteMax: settings.admitPerMinute
})

const waitingIn = (queue: Queue, lane: Lane): Array<Token> =>
  Array.from(queue.tokens.values()).filter(
    (token) => token.state === "waiting" && token.lane === lane
  )

const apply = (
  queue: Queue,
  event: Extract<BoxOfficeEvent, { readonly queueId: QueueId }>,
  moment: Moment | undefined,
  find: Find
): void => {
  switch (event._tag) {
    case "QueueConfigured":
      queue.settings = event.settings
      queue.admitPerMinuteMax = Math.max(queue.admitPerMinuteMax, event.settings.admitPerMinute)
      return
    case "QueueOpened": {
      const { seed, drawn, queueId } = event
      queue.isOpen = true
      if (drawn === 0n) return
      const draw = permutationOf({ queueId, seed, drawn: Number(drawn) })
      queue.placeOf = ({ lane, number }) =>
        lane === "general" && number <= Number(drawn) ? draw.placeOf(number) : number
      return
    }
    case "QueueTokenIssued": {
      const lane = event.lane ?? "general"
      const number = Number(event.number)
      const before = Array.from(queue.tokens.values()).filter((token) => token.lane === lane)
      if (number !== before.length + 1) find("I13", `${event.userId} took the number ${number}`)
      if (before.some(({ userId, state }) => userId === event.userId && isLive(state))) {
        find("I5", `${event.userId} has two live tokens`)
      }
      queue.tokens.set(event.tokenId, { userId: event.userId, lane, number, state: "waiting" })
      return
    }
    case "QueueTokenAdmitted":
      return admit(queue, event, moment, find)
    case "QueueTokenExtended":
    case "QueueTokenCompleted":
    case "QueueTokenLeft":
    case "QueueTokenLapsed": {
      const token = queue.tokens.get(event.tokenId)
      const end = ends[event._tag]
      const mayWait =
        event._tag === "QueueTokenLeft" || (event._tag === "QueueTokenLapsed" && event.closed)
      if (token?.state !== "admitted" && !(mayWait && token?.state === "waiting")) {
        find("I9", `${event._tag} of ${event.userId}, whose token is ${token?.state}`)
      }
      if (token !== undefined && end !== undefined) token.state = end
    }
  }
}

const isLive = (state: string): boolean => state === "waiting" || state === "admitted"

const admit = (
  queue: Queue,
  event: Extract<BoxOfficeEvent, { readonly _tag: "QueueTokenAdmitted" }>,
  moment: Moment | undefined,
  find: Find
): void => {
  const token = queue.tokens.get(event.tokenId)
  if (token?.state !== "waiting" || !queue.isOpen) {
    return find(
      "I13",
      `${event.userId} was admitted, and their token ${event.tokenId} is ${token?.state}`
    )
  }
  const first = waitingIn(queue, token.lane).sort((a, b) => queue.placeOf(a) - queue.placeOf(b))[0]
  if (first !== token) find("I13", `${token.userId} was admitted before ${first?.userId}`)
  const other = token.lane === "general" ? "priority" : "general"
  if (waitingIn(queue, other).length > 0) {
    const credit = queue.credit + queue.settings.prioritySharePercent
    const turn = credit >= 100 ? "priority" : "general"
    queue.credit = credit >= 100 ? credit - 100 : credit
    if (turn !== token.lane) {
      find("I13", `${token.userId} of the ${token.lane} lane was admitted in the other lane's turn`)
      queue.credit += turn === "priority" ? 100 : -100
    }
  }
  const inside = Array.from(queue.tokens.values()).filter(({ state }) => state === "admitted")
  token.state = "admitted"
  const { maxActive } = queue.settings
  if (inside.length >= maxActive) {
    const users = inside.map(({ userId }) => userId).join(", ")
    const were = inside.length === 1 ? "was" : "were"
    find(
      "I12",
      `${token.userId} was admitted while ${users} ${were} inside; maxActive is ${maxActive}`
    )
  }
  if (moment === undefined) return
  const { elapsedMs, steady } = moment
  const admissions = queue.admissions.get(steady) ?? []
  queue.admissions.set(steady, [...admissions, elapsedMs])
  const inMinute = 1 + admissions.filter((at) => at > elapsedMs - 60_000).length
  const { admitPerMinuteMax } = queue
  if (inMinute > admitPerMinuteMax) {
    find(
      "I12",
      `${token.userId} was admitted as number ${inMinute} within a minute; admitPerMinute is ${admitPerMinuteMax}`
    )
  }
}
