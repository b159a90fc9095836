/** Each test breaks one thing of a right history, as a faulty engine would: the checker must say so. */
import { expect, test } from "vitest"
import { checkHistory } from "../../src/histories/checker/check.ts"
import { parseHistory } from "../../src/histories/readHistory.ts"
import { call, find, type House, replaceCall, rightHistory, transfer } from "./house.ts"

const storiesOf = (history: House): ReadonlyArray<string> =>
  checkHistory(history).findings.map(({ invariant, story }) => `${invariant} ${story}`)

/** What the checker says of a right history of which one thing is broken. */
const broken = (breakIt: (history: House) => void): string => {
  const history = rightHistory()
  breakIt(history)
  return storiesOf(history).join("\n")
}

const without = <A>(items: Array<A>, isIt: (item: A) => boolean) =>
  items.splice(items.findIndex(isIt), 1)

test("a right history has no findings, and every invariant is checked", () => {
  const { findings, checks } = checkHistory(rightHistory())
  expect(findings).toEqual([])
  const invariants = Array.from({ length: 14 }, (_, n) => `I${n + 1}`)
  expect(invariants.filter((invariant) => !checks.has(invariant))).toEqual([])
})

test("a charge that was acknowledged and is lost", () => {
  const story = broken(({ facts }) => {
    facts.transfers.splice(0)
    facts.wallets.splice(0)
  })
  expect(story).toMatch(/I6 .*charge.* was acknowledged: .*there is undefined/)
})

test("a payment that was acknowledged and is lost", () => {
  const story = broken((history) => {
    const { facts } = history
    facts.transfers.splice(1)
    facts.wallets[0] = { user: "ada", balance: 500, version: 1 }
    facts.reservations[0] = { ...facts.reservations[0]!, status: "expired", payment: null }
  })
  expect(story).toMatch(/I6 .*pay.* was acknowledged/)
})

test("a hold that was acknowledged and is lost", () => {
  const story = broken(({ facts }) => void facts.reservations.splice(0))
  expect(story).toMatch(/I6 .*hold.* was acknowledged for A1; there is undefined/)
})

test("a join that was acknowledged and is lost", () => {
  const story = broken(({ facts }) => without(facts.tokens, ({ user }) => user === "cyd"))
  expect(story).toMatch(/I6 .*join of cyd.* was acknowledged/)
})

test("a leave that was acknowledged and is lost", () => {
  const story = broken(({ calls }) => {
    const input = { queueId: "main", tokenId: "token-cyd" }
    calls.push(call({ operation: "leave", user: "cyd", input, result: {} }))
  })
  expect(story).toMatch(/I6 .*leave of cyd.* was acknowledged; its token is .*waiting/)
})

test("a mode that one key sets twice", () => {
  const story = broken(({ calls, facts }) => {
    const input = { queueId: "main", mode: "paused" }
    const result = { mode: "paused" }
    calls.push(call({ operation: "setMode", user: "operator", key: "k8", input, result }))
    const change = (mode: string, before: string) =>
      facts.events.push({
        batch: 20,
        position: facts.events.length,
        event: { _tag: "QueueModeChanged", queueId: "main", mode, before, at: 0 }
      })
    change("paused", "open")
    change("open", "paused")
    change("paused", "open")
  })
  expect(story).toMatch(/I5 main paused: 2 times, by 1 keys/)
})

test("a node that does not know the token that another one gave", () => {
  const story = broken((history) =>
    replaceCall(history, find.call(history, "poll", 1), {
      outcome: "fail",
      code: "queue_token_invalid",
      result: undefined
    })
  )
  expect(story).toMatch(/I6 .*poll of cyd.* was told queue_token_invalid/)
})

test("a charge that was refused and took effect", () => {
  const story = broken((history) =>
    replaceCall(history, find.call(history, "charge"), {
      outcome: "fail",
      code: "overloaded",
      result: undefined
    })
  )
  expect(story).toMatch(/I6 charge k2 was refused, and is there/)
})

test("a payment that no client asked for", () => {
  const story = broken((history) => without(history.calls, ({ operation }) => operation === "pay"))
  expect(story).toMatch(/I6 payment t2 of ada is there, and no call may have made it/)
})

test("an addition of seats of which a part is there", () => {
  const story = broken(({ calls }) => {
    const input = { performanceId: "gala", seatIds: ["A2", "A3"] }
    calls.push(
      call({ operation: "addSeats", user: "operator", key: "k9", outcome: "unknown", input })
    )
  })
  expect(story).toMatch(/I6 addSeats k9 added 1 of 2/)
})

test("one key that takes effect twice", () => {
  const story = broken(({ calls, facts }) => {
    facts.transfers.push(transfer("t9", "charge", 500, 1_000, 4, null))
    facts.wallets[0] = { user: "ada", balance: 1_000, version: 4 }
    const result = { transferId: "t9", balance: 1_000 }
    calls.push(
      call({ operation: "charge", user: "ada", key: "k2", input: { amount: 500 }, result })
    )
  })
  expect(story).toMatch(/I5 charge k2 took effect 2 times/)
  expect(story).toMatch(/I5 .* have one key and two answers/)
})

test("one key that is refused after it was answered", () => {
  const story = broken(({ calls }) => {
    const input = { reservationId: "r1" }
    const code = "hold_expired"
    calls.push(call({ operation: "pay", user: "ada", key: "k3", outcome: "fail", code, input }))
  })
  expect(story).toMatch(/I5 .* was refused \(hold_expired\), and .* of the same key was not/)
})

test("a balance that its entries do not add up to", () => {
  const story = broken(({ facts }) => {
    facts.wallets[0] = { user: "ada", balance: 501, version: 3 }
  })
  expect(story).toMatch(/I1 the wallets have 501/)
  expect(story).toMatch(/I2 the wallet of ada/)
})

test("a gap in the entries of a wallet", () => {
  const story = broken(({ facts }) => void facts.transfers.splice(1, 1))
  expect(story).toMatch(/I2 ada: version 3 where 2 is due/)
})

test("a wallet that was negative", () => {
  const story = broken(({ facts }) => {
    facts.transfers.push(transfer("t9", "payment", -600, -100, 4, "r1"))
  })
  expect(story).toMatch(/I4 ada had -100/)
})

test("a payment that is given back twice", () => {
  const story = broken(({ facts }) => {
    facts.transfers.push(transfer("t9", "refund", 100, 600, 4, "r1"))
  })
  expect(story).toMatch(/I10 reservation r1 was given back 100 more than it was paid/)
})

test("a seat that is sold twice", () => {
  const story = broken(({ facts, calls }) => {
    const second = { ...facts.reservations[0]!, id: "r2", user: "bob", payment: "t8" }
    facts.reservations[0] = { ...facts.reservations[0]!, status: "confirmed" }
    facts.reservations.push({ ...second, status: "confirmed" })
    const input = { performanceId: "gala", seatIds: ["A1"] }
    const result = { reservationId: "r2", seats: ["A1"] }
    calls.push(call({ operation: "hold", user: "bob", key: "k8", input, result }))
  })
  expect(story).toMatch(/I7 gala A1 was sold 2 times/)
})

test("a seat that is held while another user's hold lasts", () => {
  const story = broken((history) => {
    const { events } = history.facts
    const held = find.event(history, "SeatsHeld")
    const second = { ...held.event, reservationId: "r2", userId: "bob" }
    events.splice(events.indexOf(held) + 1, 0, { ...held, position: 2, event: second })
  })
  expect(story).toMatch(/I7 batch 6: gala A1 is held for r2, and is held by r1/)
})

test("a payment after the hold had lapsed", () => {
  const story = broken((history) => {
    find.event(history, "SeatsHeld").event.holdExpiresAt -= 299_999
  })
  expect(story).toMatch(/I7 batch 8: r1 was paid \d+ ms after it had lapsed/)
})

test("a seat map that shows a taken seat as free, without any fault", () => {
  const story = broken((history) => {
    find.call(history, "seats").result.free.push("A1")
  })
  expect(story).toMatch(/I7 .* was told that A1 is free; r1 has it/)
})

test("a seat map that shows a free seat as taken", () => {
  const story = broken((history) => {
    find.call(history, "seats", 1).result.taken = { A2: "sold" }
  })
  expect(story).toMatch(/I7 .* was told that A2 is sold, and no reservation had it then/)
})

test("a balance that is older than an answer before it", () => {
  const story = broken((history) => {
    find.call(history, "balance", 1).result.balance = 500
  })
  expect(story).toMatch(/I8 .*balance of ada.* was told 500, which ada had at no version from 2/)
})

test("a balance with a charge that was asked for later", () => {
  const story = broken((history) => {
    find.call(history, "balance").result.balance = 400
  })
  expect(story).toMatch(/I8 .* was told 400, which ada had at no version from 1 to 1/)
})

test("a reservation that is read as held after its payment was answered", () => {
  const story = broken((history) => {
    find.call(history, "reservation").result.status = "held"
  })
  expect(story).toMatch(/I8 .* was told held after it was paid/)
})

test("a mode that an operator reads after another one was set", () => {
  const story = broken(({ calls }) => {
    const asked = { user: "operator", input: { queueId: "main" } }
    const set = { input: { queueId: "main", mode: "paused" }, result: { mode: "paused" } }
    calls.push(call({ ...asked, operation: "setMode", key: "k8", ...set }))
    calls.push(call({ ...asked, operation: "queue", result: { mode: "open" } }))
  })
  expect(story).toMatch(/I8 .* was told open after paused had been set/)
})

test("a position that is older than an answer before it", () => {
  const story = broken((history) => {
    find.call(history, "poll", 1).result.position = 2
  })
  expect(story).toMatch(/I8 .*poll of cyd.* was told position 2, which ended with batch 10/)
})

test("a position that rises", () => {
  const story = broken((history) => {
    const polled = find.call(history, "poll", 1)
    history.calls.push({ ...polled, call: 98, invokedAt: 900_000, endedAt: 900_001 })
    history.calls.push({
      ...polled,
      call: 99,
      invokedAt: 910_000,
      endedAt: 910_001,
      result: { state: "waiting", position: 2 }
    })
  })
  expect(story).toMatch(/I8 .* was told position 2, and .* 1/)
})

test("numbers that do not follow the order of joining", () => {
  const story = broken((history) => {
    const [second, third] = [
      find.event(history, "QueueTokenIssued", 1),
      find.event(history, "QueueTokenIssued", 2)
    ]
    second.event.number = "3"
    third.event.number = "2"
  })
  expect(story).toMatch(/I8 number 2 was asked for at .* after 3 had been answered/)
})

test("a user who is admitted before the one in front", () => {
  const story = broken((history) => {
    Object.assign(find.event(history, "QueueTokenAdmitted", 1).event, {
      tokenId: "token-cyd",
      userId: "cyd"
    })
  })
  expect(story).toMatch(/I13 batch 10: number 3 of main is admitted before 2/)
})

test("more users inside than the queue allows", () => {
  const story = broken(({ facts }) => without(facts.events, ({ batch }) => batch === 9))
  expect(story).toMatch(/I12 batch 10: 2 are inside main, of 1/)
})

test("more admissions within a minute than the queue allows", () => {
  const story = broken((history) => {
    find.event(history, "QueueCreated").event.settings = { maxActive: 9, admitPerMinute: 1 }
    find.event(history, "QueueTokenAdmitted", 1).event.at -= 60_000
  })
  expect(story).toMatch(/I12 batch 10: 2 were admitted to main within a minute, of 1/)
})

test("an event that is missing", () => {
  const story = broken(({ facts }) => without(facts.events, ({ batch }) => batch === 7))
  expect(story).toMatch(/I9 the wallet of ada/)
})

test("an event that never reaches the consumer", () => {
  const story = broken(({ deliveries }) => without(deliveries, ({ id }) => id === "8-1"))
  expect(story).toMatch(/I9 event 8-1 \(ReservationPaid\) never reached the consumer/)
})

test("an event that was committed when the nodes were to end need not arrive", () => {
  const story = broken(({ facts, deliveries }) => {
    facts.due[0] = { batch: 10 }
    without(deliveries, ({ id }) => id === "11-1")
  })
  expect(story).toBe("")
})

test("events of one reservation that arrive in another order", () => {
  const story = broken(({ deliveries }) => {
    const [held] = without(deliveries, ({ id }) => id === "6-1")
    deliveries.push(held!)
  })
  expect(story).toMatch(/I9 the consumer got event 6-1 of r1 after a later one/)
})

test("an event that is delivered and was never committed", () => {
  const story = broken(({ deliveries }) => {
    deliveries.push({ ...deliveries[0]!, id: "99-1" })
  })
  expect(story).toMatch(/I9 the consumer got QueueCreated 99-1, which is not in the outbox/)
})

test("an event that comes twice is no fault", () => {
  expect(broken(({ deliveries }) => void deliveries.push(deliveries[3]!))).toBe("")
})

test("a client that is not served after the faults", () => {
  const story = broken((history) => {
    const late = {
      progress: "ada is served",
      at: 0,
      tookMs: 120_000,
      limitMs: 60_000,
      reached: false
    }
    Object.assign(history, { progress: [late] })
  })
  expect(story).toMatch(/I14 .*ada is served/)
})

test("a call that is never answered, and one that is answered by an untyped error", () => {
  const story = broken((history) => {
    replaceCall(history, find.call(history, "poll"), { endedAt: Number.POSITIVE_INFINITY })
    replaceCall(history, find.call(history, "poll", 1), {
      outcome: "unknown",
      code: "internal_error",
      result: undefined
    })
  })
  expect(story).toMatch(/I14 .*poll of bob.* got no answer/)
  expect(story).toMatch(/I14 .*poll of cyd.* was answered internal_error/)
})

test("a deadlock, and a violation that the engine's own check finds", () => {
  const story = broken(({ facts }) => {
    facts.log[0] = { text: "deadlock detected", count: 1 }
    facts.verified[0] = { ...facts.verified[0]!, violations: 2 }
  })
  expect(story).toMatch(/I11 Postgres has found 1 deadlocks/)
  expect(story).toMatch(/I4 boxoffice verify: no wallet is negative: 2 violations/)
})

test("an unknown call may have taken effect or not, and neither is a finding", () => {
  const unknown = { outcome: "unknown", code: "connection_lost", result: undefined } as const
  const didNot = broken(({ calls }) => {
    const input = { amount: 900 }
    calls.push(call({ operation: "charge", user: "ada", key: "k9", input, ...unknown }))
  })
  const did = broken((history) => replaceCall(history, find.call(history, "refund"), unknown))
  expect([didNot, did]).toEqual(["", ""])
})

test("a call without an end is unknown", () => {
  const { calls } = parseHistory(
    [
      '{"run":{"seed":1,"nodes":[],"consumers":[],"timeoutMs":1,"holdSeconds":1,"startedAt":""}}',
      '{"invoke":1,"at":5,"client":"a","node":"n","operation":"balance","user":"a","input":{}}',
      '{"invoke":2,"at":6,"client":"a","node":"n","operation":"balance","user":"a","input":{}}',
      '{"end":2,"at":7,"outcome":"ok","result":{"balance":3}}'
    ].join("\n")
  )
  expect(calls.map(({ outcome, endedAt }) => [outcome, endedAt])).toEqual([
    ["unknown", Number.POSITIVE_INFINITY],
    ["ok", 7]
  ])
})
