/** I12 and I13: both limits of admission, the order in each lane, and the turns of the lanes. */
import {
  type BoxOfficeEvent,
  permutationOf,
  type QueueId,
  type QueueSettings
} from "@boxoffice/core"
import type { Facts, Finding } from "./facts.ts"
import { momentOf, type Steady, steadyTimes } from "./steady.ts"

type Lane = "general" | "priority"

interface Token {
  readonly userId: string
  readonly lane: Lane
  readonly number: number
  state: string
}

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
  const find = (invariant: string, text: string) => findings.push({ invariant, text })
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
    apply(queue, event, times, find)
  }
  for (const row of rows.tokens) {
    const known = queues.get(row.queueId)?.tokens.get(row.tokenId)
    if (known?.state !== row.state) {
      find("I9", `the token of ${row.userId} is ${row.state}, its events say ${known?.state}`)
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
      find("I12", `${row.queueId} counts ${row.active} inside, and ${count("admitted")} are`)
    }
    const waits = [row.waiting, row.priority.waiting]
    const waiting = [count("waiting", "general"), count("waiting", "priority")]
    if (String(waits) !== String(waiting)) {
      find("I13", `${row.queueId} counts ${waits} who wait, and ${waiting} do`)
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
  times: ReadonlyArray<Steady>,
  find: (invariant: string, text: string) => void
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
      return admit(queue, event, times, find)
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
  times: ReadonlyArray<Steady>,
  find: (invariant: string, text: string) => void
): void => {
  const token = queue.tokens.get(event.tokenId)
  if (token?.state !== "waiting" || !queue.isOpen) {
    return find("I13", `${event.userId} was admitted, and their token is ${token?.state}`)
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
  token.state = "admitted"
  const inside = Array.from(queue.tokens.values()).filter(({ state }) => state === "admitted")
  if (inside.length > queue.settings.maxActive) {
    find("I12", `${inside.length} were inside, and ${queue.settings.maxActive} is the most`)
  }
  const moment = momentOf(times, event.at)
  if (moment === undefined) return
  const { elapsedMs, steady } = moment
  const admissions = queue.admissions.get(steady) ?? []
  queue.admissions.set(steady, [...admissions, elapsedMs])
  const inMinute = 1 + admissions.filter((at) => at > elapsedMs - 60_000).length
  if (inMinute > queue.admitPerMinuteMax) {
    find("I12", `${inMinute} were admitted within a minute, ${queue.admitPerMinuteMax} is the most`)
  }
}
