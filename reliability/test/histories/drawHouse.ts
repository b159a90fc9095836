/** The small right history, and a queue that opens with a draw, whose users are told of it by streams. */
import { commitmentOf, QueueId, verifyLottery } from "@boxoffice/core"
import type { Call } from "../../src/histories/history.ts"
import { call, deliver, event, type House, rightHistory } from "./house.ts"

const queueId = "lot"
const seed = "7".repeat(64)
const commitment = commitmentOf(seed)
const { places } = verifyLottery(
  { queueId: QueueId.make(queueId), seed, drawn: 3, commitment },
  [1, 2, 3]
)

/** Who joined with these numbers, in the order of their places. */
export const [first, second, third] = ["dan", "eve", "fay"]
  .map((user, at) => ({ user, number: at + 1, place: places[at]! }))
  .sort((a, b) => a.place - b.place) as [Member, Member, Member]

interface Member {
  readonly user: string
  readonly number: number
  readonly place: number
}

export interface DrawHouse extends House {
  /** The second and the third user of the draw follow their tokens by these. */
  readonly streams: readonly [Call, Call]
}

/** Three users join before the opening. The first is admitted and leaves, then the second is. */
export const drawHistory = (): DrawHouse => {
  const history = rightHistory()
  const { calls, facts } = history
  const opening = (told: object) => ({ commitment, seed: null, drawn: null, ...told })
  const input = { queueId }
  const token = ({ user }: Member) => ({ tokenId: `token-${user}`, queueId, userId: user })
  const ask = (operation: Call["operation"], { user }: Member, result: object) => {
    const made = call({
      operation,
      user,
      input: operation === "join" ? input : { queueId, tokenId: `token-${user}` },
      result
    })
    calls.push(made)
    return made
  }
  const operator = { user: "operator", input, result: opening({}) }
  calls.push(call({ operation: "createQueue", key: "k20", ...operator }))
  calls.push(call({ operation: "notice", ...operator }))
  const byNumber = [first, second, third].sort((a, b) => a.number - b.number)
  for (const member of byNumber) {
    const tokenId = `token-${member.user}`
    ask("join", member, { state: "waiting", position: 0, tokenId })
  }
  ask("poll", third, { state: "waiting", position: 2 })
  const watch = (member: Member) => {
    const { result: _, ...stream } = ask("watch", member, {})
    calls[calls.length - 1] = { ...stream, endedAt: stream.invokedAt + 40_000 }
    return calls.at(-1)!
  }
  const streams = [watch(second), watch(third)] as const
  const [ofSecond, ofThird] = streams
  const tell = (stream: Call, afterMs: number, state: string, position: number) => {
    const at = stream.invokedAt + afterMs
    history.messages.push({ told: stream.call, at, result: { state, position } })
  }
  tell(ofSecond, 10, "waiting", 1)
  tell(ofThird, 10, "waiting", 2)
  tell(ofSecond, 15_000, "admitted", 0)
  tell(ofThird, 15_000, "waiting", 1)
  calls.push(call({ operation: "notice", ...operator, result: opening({ seed, drawn: 3 }) }))

  const settings = { maxActive: 1, admitPerMinute: 60 }
  const rows = [
    event(20, { _tag: "QueueCreated", queueId, settings, opening: { opensAt: 0, commitment } }),
    ...byNumber.map((member, at) =>
      event(21 + at, { _tag: "QueueTokenIssued", ...token(member), number: `${member.number}` })
    ),
    event(24, { _tag: "QueueOpened", queueId, seed, drawn: "3" }),
    event(25, { _tag: "QueueTokenAdmitted", ...token(first) }),
    event(26, { _tag: "QueueTokenLeft", ...token(first) }),
    event(27, { _tag: "QueueTokenAdmitted", ...token(second) })
  ]
  for (const row of rows) {
    facts.events.push(row)
    deliver(history, row, ofSecond.invokedAt + 14_000)
  }
  facts.due[0] = { batch: 27 }
  facts.queues.push({ id: queueId, mode: "open", ...settings })
  for (const [{ user, number }, state] of [
    [first, "left"],
    [second, "admitted"],
    [third, "waiting"]
  ] as const) {
    const id = `token-${user}`
    facts.tokens.push({ id, queue: queueId, user, lane: "general", number, state })
  }
  return { ...history, streams }
}
