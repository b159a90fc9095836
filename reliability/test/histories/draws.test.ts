/** Each test breaks one thing of a right draw, or of a stream: the checker must say so. */
import { expect, test } from "vitest"
import { checkHistory } from "../../src/histories/checker/check.ts"
import { encryptedConnections } from "../../src/histories/facts.ts"
import { type DrawHouse, drawHistory, first, second, third } from "./drawHouse.ts"
import { find, replaceCall } from "./house.ts"

const broken = (breakIt: (history: DrawHouse) => void): string => {
  const history = drawHistory()
  breakIt(history)
  const { findings } = checkHistory(history)
  return findings.map(({ invariant, story }) => `${invariant} ${story}`).join("\n")
}

/** The event of a token of the draw: the admissions of the other queue come first. */
const admission = (history: DrawHouse, { user }: { readonly user: string }) =>
  history.facts.events.find(
    ({ event }) => event._tag === "QueueTokenAdmitted" && event.userId === user
  )!

test("a right draw, with streams, has no findings", () => {
  expect(broken(() => {})).toBe("")
})

test("users who are admitted in another order than they were drawn", () => {
  const story = broken((history) => {
    const { event } = admission(history, second)
    Object.assign(event, { tokenId: `token-${third.user}`, userId: third.user })
  })
  expect(story).toContain(
    `I13 batch 27: number ${third.number} at place 3 of lot is admitted before ${second.number} at place 2`
  )
})

test("a user who is admitted before the draw", () => {
  const story = broken((history) => {
    const { events } = history.facts
    const opened = find.event(history, "QueueOpened")
    const [admitted] = events.splice(events.indexOf(admission(history, first)), 1)
    events.splice(events.indexOf(opened), 0, admitted!)
  })
  expect(story).toContain(`I13 batch 25: number ${first.number} of lot is admitted before the draw`)
})

test("a seed that is not the one committed to", () => {
  const story = broken((history) => {
    const seed = "8".repeat(64)
    find.event(history, "QueueOpened").event.seed = seed
    find.call(history, "notice", 1).result.seed = seed
  })
  expect(story).toContain("I13 the seed of lot is not the one committed to")
})

test("a seed that is told otherwise than it was drawn", () => {
  const story = broken((history) => {
    find.call(history, "notice", 1).result.seed = "8".repeat(64)
  })
  expect(story).toMatch(/I13 .*notice of operator.* was told .*8888.*; the draw of lot is 7777/)
})

test("a commitment that changes after users have joined", () => {
  const story = broken((history) => {
    find.call(history, "notice", 1).result.commitment = "other"
  })
  expect(story).toMatch(/I13 .*notice of operator.* was told {"commitment":"other"/)
})

test("a commitment that no one knew before the first user joined", () => {
  const story = broken((history) => {
    const isEarly = ({ operation, result }: DrawHouse["calls"][number]) =>
      operation === "createQueue" || (operation === "notice" && result.seed === null)
    history.calls.splice(0, history.calls.length, ...history.calls.filter((c) => !isEarly(c)))
  })
  expect(story).toMatch(/I13 a user joined lot at \d+, and its commitment was known at \d+/)
})

test("a seed that is told while users can still join the draw", () => {
  const story = broken((history) => {
    const { seed, drawn } = find.call(history, "notice", 1).result
    Object.assign(find.call(history, "notice").result, { seed, drawn })
  })
  expect(story).toMatch(/I13 lot drew 3 numbers, and 0 joins were asked for before/)
})

test("a draw that leaves a user out", () => {
  const story = broken((history) => {
    find.event(history, "QueueOpened").event.drawn = "2"
    find.call(history, "notice", 1).result.drawn = 2
  })
  expect(story).toContain("I13 lot drew 2 places, and the numbers before it were 1,2,3")
})

test("a queue that opens twice", () => {
  const story = broken((history) => {
    const opened = find.event(history, "QueueOpened")
    history.facts.events.push({ ...opened, batch: 30 })
  })
  expect(story).toContain("I9 batch 30: lot opens, and is open")
})

test("a queue that was acknowledged and is lost", () => {
  const story = broken((history) => void history.facts.queues.pop())
  expect(story).toMatch(/I6 .*createQueue of operator.* was acknowledged; there is no such queue/)
})

test("a position that contradicts the draw", () => {
  const story = broken((history) => {
    const poll = history.calls.findLast(({ operation }) => operation === "poll")!
    replaceCall(history, poll, { result: { state: "waiting", position: 3 } })
    history.calls.push({ ...poll, call: 98, invokedAt: 800_000, endedAt: 800_001 })
  })
  expect(story).toMatch(/I8 .*poll of .* was told position 2, which ended with batch 27/)
})

test("a user who is told no position after another one was told of the draw", () => {
  const story = broken((history) => {
    const poll = history.calls.findLast(({ operation }) => operation === "poll")!
    const result = { state: "waiting", position: 0 }
    history.calls.push({ ...poll, call: 98, invokedAt: 800_000, endedAt: 800_001, result })
  })
  expect(story).toMatch(/I8 .* was told no position; batch 24 drew the places/)
  expect(story).toMatch(/I8 .* was told position 0, and .* 1/)
})

test("a position before any draw", () => {
  const story = broken((history) => {
    const { events } = history.facts
    events.splice(events.indexOf(find.event(history, "QueueOpened")), 1)
  })
  expect(story).toMatch(/I8 .* was told position 2, and no place was ever drawn/)
})

test("a stream whose position rises", () => {
  const story = broken(({ messages, streams: [, stream] }) => {
    const told = messages.findLast((message) => message.told === stream.call)!
    messages.push({ ...told, at: told.at + 5_000, result: { state: "waiting", position: 2 } })
  })
  expect(story).toMatch(/I8 .*watch of .* was told waiting at 2 after waiting at 1/)
  expect(story).toMatch(/I8 .*watch of .* was told position 2, which ended with batch 27/)
})

test("a stream that never tells of the admission", () => {
  const story = broken(({ messages, streams: [stream] }) => {
    const admitted = messages.findIndex(({ told, result }) => {
      return told === stream.call && result.state === "admitted"
    })
    messages.splice(admitted, 1)
  })
  expect(story).toMatch(/I14 .*watch of .* did not tell of the admission that a consumer knew/)
})

test("a stream that tells of the admission too late", () => {
  const story = broken(({ messages, streams: [stream] }) => {
    const admitted = messages.find(({ told, result }) => {
      return told === stream.call && result.state === "admitted"
    })!
    messages[messages.indexOf(admitted)] = { ...admitted, at: stream.endedAt - 1 }
  })
  expect(story).toMatch(/I14 .*watch of .* did not tell of the admission that a consumer knew/)
})

test("a stream that takes an admission back", () => {
  const story = broken(({ messages, streams: [stream] }) => {
    const told = { told: stream.call, at: stream.endedAt - 10 }
    messages.push({ ...told, result: { state: "waiting", position: 1 } })
  })
  expect(story).toMatch(/I8 .*watch of .* was told waiting at 1 after admitted at 0/)
})

test("a run with TLS whose connections had none, and a node behind PgBouncer that served no call", () => {
  const story = broken((history) => {
    Object.assign(history.run, { tls: true, pooled: ["server-2"] })
    history.facts.log.push({ text: encryptedConnections, count: 0 })
  })
  expect(story).toContain("I14 0 connections had TLS, and 1 nodes were to have it")
  expect(story).toContain("I14 server-2, behind PgBouncer, served no call")
})
