import { Result } from "effect"
import { describe, expect, it } from "vitest"
import type { QueueTokenExtended } from "../src/Events.ts"
import {
  decideGate,
  decideHolderGate,
  decideSessionExtension,
  decideSessionOfHold
} from "../src/gate/decide.ts"
import type { QueueId, UserId } from "../src/Ids.ts"
import {
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenWaiting,
  QueueTokenWrongQueue
} from "../src/queue/errors.ts"
import type { TokenRow } from "../src/queue/model.ts"
import { given, testId, testStart, tokenRow } from "../src/testing.ts"

const now = testStart
const session = 600_000
const main = "main" as QueueId
const vip = "vip" as QueueId
const payload = { queueId: main, userId: "ada" as UserId, tokenId: testId(1) }

const gate = (
  token: TokenRow | undefined,
  requiredQueueId: QueueId | undefined = main,
  ahead = 0
) =>
  given({ tokens: token ? [token] : [] })
    .at(now)
    .when((rows) =>
      decideGate(payload, {
        token: rows.tokens.get(payload.tokenId),
        ahead,
        requiredQueueId,
        now: rows.now
      })
    )

const extended: QueueTokenExtended = {
  _tag: "QueueTokenExtended",
  ...payload,
  expiresAt: now + session,
  at: now
}

describe("gate", () => {
  it("lets an admitted user through", () => {
    gate(tokenRow({ state: "admitted" })).thenNothing()
  })

  it("passes a token of any queue if no queue is required", () => {
    given({})
      .at(now)
      .when(() =>
        decideGate(payload, {
          token: tokenRow({ state: "admitted" }),
          ahead: 0,
          requiredQueueId: undefined,
          now
        })
      )
      .thenNothing()
  })

  it("refuses an unknown token", () => {
    gate(undefined).thenRefused(new QueueTokenInvalid())
  })

  it("refuses another user's token", () => {
    const stolen = tokenRow({ state: "admitted", userId: "grace" })
    gate(stolen).thenRefused(new QueueTokenInvalid())
  })

  it("refuses a token of another queue", () => {
    gate(tokenRow({ state: "admitted" }), vip).thenRefused(
      new QueueTokenWrongQueue({ requiredQueueId: vip })
    )
  })

  it("refuses a waiting token with its position", () => {
    gate(tokenRow({ state: "waiting" }), main, 3).thenRefused(
      new QueueTokenWaiting({
        queueId: main,
        state: "waiting",
        position: 4,
        ahead: 3,
        estimatedWait: null,
        pollAfterSeconds: 1,
        admittedAt: null,
        expiresAt: null
      })
    )
  })

  it.each(["expired", "left", "completed"] as const)("refuses a token that is %s", (state) => {
    gate(tokenRow({ state })).thenRefused(new QueueTokenExpired({ state }))
  })

  it("refuses a lapsed token at that very instant, and not a millisecond before", () => {
    gate(tokenRow({ state: "admitted", expiresAt: now })).thenRefused(
      new QueueTokenExpired({ state: "expired" })
    )
    gate(tokenRow({ state: "admitted", expiresAt: now + 1 })).thenEvents(extended)
  })

  describe("reports the first reason", () => {
    it("foreign before wrong queue", () => {
      gate(tokenRow({ userId: "grace" }), vip).thenRefused(new QueueTokenInvalid())
    })
    it.each(["waiting", "expired"] as const)("wrong queue before %s", (state) => {
      gate(tokenRow({ state }), vip).thenRefused(new QueueTokenWrongQueue({ requiredQueueId: vip }))
    })
  })
})

describe("a call", () => {
  it("extends a session once a tenth of it has passed, and writes nothing before", () => {
    const left = (expiresAt: number) => gate(tokenRow({ state: "admitted", expiresAt }))
    left(now + session).thenNothing()
    left(now + session - session / 10 + 1).thenNothing()
    left(now + session - session / 10).thenEvents(extended)
    left(now + 1).thenEvents(extended)
  })

  it("within the claim window begins the session", () => {
    const fresh = tokenRow({ state: "admitted", claimed: false, expiresAt: now + 120_000 })
    const rows = gate(fresh).thenEvents(extended)
    expect(rows.tokens.get(testId(1))).toMatchObject({ claimed: true, expiresAt: now + session })
  })

  it("begins the session even if the claim window is as long as the session", () => {
    const fresh = tokenRow({ state: "admitted", claimed: false, expiresAt: now + session })
    expect(decideSessionExtension(fresh, now)).toEqual([extended])
  })

  it("never makes a session end sooner, even after the setting was shortened", () => {
    const long = tokenRow({ state: "admitted", expiresAt: now + 10 * session })
    expect(decideSessionExtension(long, now)).toEqual([])
  })
})

describe("the session of a hold", () => {
  const inside = (expiresAt: number) => tokenRow({ state: "admitted", expiresAt, claimed: true })
  const ends = (token: TokenRow, holdExpiresAt: number) =>
    decideSessionOfHold(token, holdExpiresAt, now).map((event) => event.expiresAt)

  it("does not change if it lasts as long as the hold", () => {
    expect(ends(inside(now + 300_000), now + 300_000)).toEqual([])
  })

  it("lasts a whole session, and the hold at least", () => {
    expect(ends(inside(now + 1), now + 300_000)).toEqual([now + session])
    expect(ends(inside(now + 1), now + session + 1)).toEqual([now + session + 1])
  })

  it("is not shortened by a later call", () => {
    expect(decideSessionExtension(inside(now + 2 * session), now)).toEqual([])
  })

  it("begins with a hold, and the claim window ends", () => {
    const unclaimed = { ...inside(now + 2 * session), claimed: false }
    expect(ends(unclaimed, now + 300_000)).toEqual([now + session])
  })
})

describe("the gate of a user who holds seats", () => {
  const passes = (token: TokenRow, holdsSeats: boolean) =>
    Result.isSuccess(
      decideHolderGate(payload, { token, ahead: 0, requiredQueueId: main, now }, holdsSeats)
    )
  const ended = { expiresAt: now, admittedAt: now - 1, endedAt: now }

  it("lets a user who holds seats pay after the session has ended", () => {
    expect(passes(tokenRow({ ...ended, state: "completed" }), true)).toBe(true)
    expect(passes(tokenRow({ ...ended, state: "expired" }), true)).toBe(true)
    expect(passes(tokenRow({ state: "admitted", expiresAt: now, admittedAt: now - 1 }), true)).toBe(
      true
    )
  })

  it("refuses a user without a hold, one who left, one never admitted, and another user's token", () => {
    expect(passes(tokenRow({ ...ended, state: "completed" }), false)).toBe(false)
    expect(passes(tokenRow({ ...ended, state: "left" }), true)).toBe(false)
    expect(passes(tokenRow({ state: "expired", endedAt: now }), true)).toBe(false)
    expect(passes(tokenRow({ state: "waiting" }), true)).toBe(false)
    const other = "grace" as UserId
    expect(passes(tokenRow({ ...ended, state: "completed", userId: other }), true)).toBe(false)
  })
})
