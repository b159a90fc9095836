import { describe, expect, it } from "vitest"
import { AlreadyExists } from "../src/catalog/errors.ts"
import type { QueueTokenAdmitted, QueueTokenIssued } from "../src/Events.ts"
import { evolve } from "../src/engine/evolve.ts"
import { Rows } from "../src/engine/Rows.ts"
import type { QueueId, TokenId, UserId } from "../src/Ids.ts"
import { defaultPolicies } from "../src/policies/settings.ts"
import {
  decideAdmissions,
  decideClosing,
  decideExpiries,
  decideJoin,
  decideLeave,
  decideOpening
} from "../src/queue/decide.ts"
import {
  QueueAlreadyOpen,
  QueueClosed,
  QueueCodeInvalid,
  QueueNotFound,
  QueueTokenInvalid
} from "../src/queue/errors.ts"
import { Presence } from "../src/queue/live/presence.ts"
import { commitmentOf } from "../src/queue/lottery.ts"
import type { Opening, QueueRow } from "../src/queue/model.ts"
import {
  decideCodes,
  decideConfigure,
  decideCreate,
  decideMode,
  decideReschedule
} from "../src/queue/operate.ts"
import { placeOf } from "../src/queue/position.ts"
import { absentAfterSeconds, numbersPerBlock } from "../src/queue/presence.ts"
import { queueTokenStatus } from "../src/queue/status.ts"
import { given, queueRow, testId, testStart, tokenRow } from "../src/testing.ts"

const main = "main" as QueueId
const ada = "ada" as UserId
const grace = "grace" as UserId
const now = testStart
const settings = {
  ...defaultPolicies.queue,
  maxActive: 2,
  admitPerMinute: 10,
  claimSeconds: 120,
  sessionSeconds: 600
}

const issued = (number: number, userId: UserId): QueueTokenIssued => ({
  _tag: "QueueTokenIssued",
  tokenId: testId(number),
  queueId: main,
  userId,
  number: BigInt(number),
  at: now
})

const admitted = (number: number, userId: UserId, claimed = false): QueueTokenAdmitted => ({
  _tag: "QueueTokenAdmitted",
  tokenId: testId(number),
  queueId: main,
  userId,
  claimed,
  expiresAt: now + (claimed ? 600_000 : 120_000),
  at: now
})

describe("join", () => {
  const join = (userId: UserId, n: number) => ({ queueId: main, userId, tokenId: testId(n) })

  it("takes the next number", () => {
    const rows = given({ queues: [queueRow({ nextNumber: 7n })] })
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 7)))
      .thenEvents(issued(7, ada))
    expect(rows.queues.get(main)).toMatchObject({ nextNumber: 8n, waiting: 1 })
    expect(rows.tokens.get(testId(7))).toMatchObject({ state: "waiting", joinedAt: now })
  })

  it("refuses a queue that does not exist", () => {
    given({})
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 1)))
      .thenRefused(new QueueNotFound())
  })

  it.each(["paused", "draining", "closed"] as const)("refuses a %s queue", (mode) => {
    given({ queues: [queueRow({ mode })] })
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 1)))
      .thenRefused(new QueueClosed({ mode }))
  })

  it.each(["waiting", "admitted"] as const)("again while %s changes nothing", (state) => {
    given({ queues: [queueRow({ nextNumber: 2n })], tokens: [tokenRow({ state })] })
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 2)))
      .thenNothing()
  })

  it.each(["paused", "draining"] as const)("again returns the token in a %s queue", (mode) => {
    given({ queues: [queueRow({ mode })], tokens: [tokenRow()] })
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 2)))
      .thenNothing()
  })

  it.each(["completed", "left", "expired"] as const)("again once %s gives a new token", (state) => {
    given({ queues: [queueRow({ nextNumber: 2n })], tokens: [tokenRow({ state })] })
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 2)))
      .thenEvents(issued(2, ada))
  })

  it("again once lapsed gives a new token, at that very instant and not before", () => {
    const queues = [queueRow({ nextNumber: 2n })]
    const lapsing = (expiresAt: number) =>
      given({ queues, tokens: [tokenRow({ state: "admitted", expiresAt })] })
        .at(now)
        .when((rows) => decideJoin(rows, join(ada, 2)))
    lapsing(now).thenEvents(issued(2, ada))
    lapsing(now + 1).thenNothing()
  })

  it("ignores another user's token, and a token of another queue", () => {
    given({
      queues: [queueRow({ nextNumber: 3n })],
      tokens: [tokenRow({ userId: "grace" }), tokenRow({ queueId: "vip", number: 2n })]
    })
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 3)))
      .thenEvents(issued(3, ada))
  })

  it("twice within a batch gives one token", () => {
    given({ queues: [queueRow()] }, issued(1, ada))
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 2)))
      .thenNothing()
  })

  it("of two users within a batch gives two numbers", () => {
    const rows = given({ queues: [queueRow()] }, issued(1, ada))
      .at(now)
      .when((rows) => decideJoin(rows, join(grace, 2)))
      .thenEvents(issued(2, grace))
    expect(rows.ahead(rows.tokens.get(testId(1))!)).toBe(0)
    expect(rows.ahead(rows.tokens.get(testId(2))!)).toBe(1)
  })

  it("after leaving within the same batch gives a new token at the end", () => {
    const left = { _tag: "QueueTokenLeft", tokenId: testId(1), queueId: main, userId: ada, at: now }
    const rows = given(
      {
        queues: [queueRow({ nextNumber: 3n, waiting: 2 })],
        tokens: [tokenRow(), tokenRow({ userId: "grace", number: 2n })],
        ahead: [
          [testId(1), 0],
          [testId(2), 1]
        ]
      },
      left as never
    )
      .at(now)
      .when((rows) => decideJoin(rows, join(ada, 3)))
      .thenEvents(issued(3, ada))
    expect(rows.ahead(rows.tokens.get(testId(2))!)).toBe(0)
    expect(rows.ahead(rows.tokens.get(testId(3))!)).toBe(1)
    expect(rows.queues.get(main)).toMatchObject({ waiting: 2, nextNumber: 4n })
  })
})

describe("join with a code", () => {
  const codeHash = "c".repeat(64)
  const code = (usesLeft: number) => ({ queueId: main, codeHash, usesLeft })
  const join = { queueId: main, userId: ada, tokenId: testId(1), codeHash }

  it("takes the next number of the priority lane, and uses the code once", () => {
    const priority = { ...queueRow().priority, nextNumber: 5n }
    const rows = given({ queues: [queueRow({ priority })], codes: [code(2)] })
      .at(now)
      .when((rows) => decideJoin(rows, join))
      .thenEvents({ ...issued(1, ada), number: 5n, lane: "priority", codeHash })
    expect(rows.code(main, codeHash)!.usesLeft).toBe(1)
  })

  it("refuses a code that is used up, or that the queue does not have", () => {
    for (const codes of [[code(0)], [], [{ ...code(1), queueId: "other" as QueueId }]]) {
      given({ queues: [queueRow()], codes })
        .at(now)
        .when((rows) => decideJoin(rows, join))
        .thenRefused(new QueueCodeInvalid())
    }
  })

  it("does not use a code for a user who waits already", () => {
    given({ queues: [queueRow()], tokens: [tokenRow()], codes: [code(0)] })
      .at(now)
      .when((rows) => decideJoin(rows, join))
      .thenNothing()
  })
})

describe("closing", () => {
  it("ends the waiting tokens of the queue, and no others", () => {
    const tokens = [
      tokenRow({ number: 1n, userId: "ada" }),
      tokenRow({ number: 2n, userId: "bob", state: "admitted" }),
      tokenRow({ number: 3n, userId: "cyd", queueId: "other" })
    ]
    const { tokenId, queueId, userId } = tokens[0]!
    const lapsed = { tokenId, queueId, userId, at: now, closed: true as const }
    given({ queues: [queueRow({ mode: "closed" }), queueRow({ queueId: "other" })], tokens })
      .at(now)
      .when((rows) => decideClosing(rows, main))
      .thenEvents({ _tag: "QueueTokenLapsed", ...lapsed })
  })

  it.each(["open", "paused", "draining"] as const)("ends none while the queue is %s", (mode) => {
    given({ queues: [queueRow({ mode })], tokens: [tokenRow()] })
      .at(now)
      .when((rows) => decideClosing(rows, main))
      .thenNothing()
  })

  it("refuses to join again, though the waiting token was not loaded to be ended", () => {
    given({ queues: [queueRow({ mode: "closed" })], tokens: [tokenRow()] })
      .at(now)
      .when((rows) => decideJoin(rows, { queueId: main, userId: ada, tokenId: testId(2) }))
      .thenRefused(new QueueClosed({ mode: "closed" }))
    given({ queues: [queueRow({ mode: "closed" })], tokens: [tokenRow({ state: "admitted" })] })
      .at(now)
      .when((rows) => decideJoin(rows, { queueId: main, userId: ada, tokenId: testId(2) }))
      .thenNothing()
  })
})

describe("leave", () => {
  const left = {
    _tag: "QueueTokenLeft" as const,
    tokenId: testId(1),
    queueId: main,
    userId: ada,
    at: now
  }

  /** The payload of a queue token with a valid signature. */
  const payloadOf = (userId: UserId, queueId = main) => ({ tokenId: testId(1), userId, queueId })

  it("ends a waiting token", () => {
    const rows = given({ queues: [queueRow({ waiting: 1 })], tokens: [tokenRow()] })
      .at(now)
      .when((rows) => decideLeave(rows, payloadOf(ada)))
      .thenEvents(left)
    expect(rows.tokens.get(testId(1))).toMatchObject({ state: "left", endedAt: now })
    expect(rows.queues.get(main)).toMatchObject({ waiting: 0, active: 0 })
  })

  it("ends an admitted token", () => {
    const rows = given({
      queues: [queueRow({ active: 1 })],
      tokens: [tokenRow({ state: "admitted" })]
    })
      .at(now)
      .when((rows) => decideLeave(rows, payloadOf(ada)))
      .thenEvents(left)
    expect(rows.queues.get(main)).toMatchObject({ waiting: 0, active: 0 })
  })

  it.each(["left", "completed", "expired"] as const)("changes nothing once %s", (state) => {
    given({ tokens: [tokenRow({ state })] })
      .at(now)
      .when((rows) => decideLeave(rows, payloadOf(ada)))
      .thenNothing()
  })

  it("changes nothing once lapsed", () => {
    given({ tokens: [tokenRow({ state: "admitted", expiresAt: now })] })
      .at(now)
      .when((rows) => decideLeave(rows, payloadOf(ada)))
      .thenNothing()
  })

  it.each([
    ["another user", payloadOf(grace)],
    ["another queue", payloadOf(ada, "other" as QueueId)]
  ])("refuses the queue token of %s for this row, however genuine", (_, payload) => {
    given({ queues: [queueRow({ waiting: 1 })], tokens: [tokenRow()] })
      .at(now)
      .when((rows) => decideLeave(rows, payload))
      .thenRefused(new QueueTokenInvalid())
  })

  it("refuses a queue token whose row does not exist", () => {
    given({})
      .at(now)
      .when((rows) => decideLeave(rows, payloadOf(ada)))
      .thenRefused(new QueueTokenInvalid())
  })
})

describe("expiries", () => {
  it("ends exactly the admitted tokens of the queue that have lapsed", () => {
    const token = (number: bigint, expiresAt: number, queueId = "main") =>
      tokenRow({ number, state: "admitted", userId: `user${number}`, queueId, expiresAt })
    const rows = given({
      queues: [queueRow({ active: 3 })],
      tokens: [
        token(1n, now - 1),
        token(2n, now),
        token(3n, now + 1),
        token(4n, now - 1, "vip"),
        tokenRow({ number: 5n, state: "completed", expiresAt: now - 1 }),
        tokenRow({ number: 6n, state: "waiting" })
      ]
    })
      .at(now)
      .when((rows) => decideExpiries(rows, main))
      .thenEvents(
        ...[1, 2].map((n) => ({
          _tag: "QueueTokenLapsed" as const,
          tokenId: testId(n),
          queueId: main,
          userId: `user${n}` as UserId,
          at: now
        }))
      )
    expect(rows.tokens.get(testId(1))!.state).toBe("expired")
    expect(rows.queues.get(main)!.active).toBe(1)
  })
})

describe("admit", () => {
  const nobody = new Set<never>()
  /** Waiting users; the first is next. */
  const line = (...users: ReadonlyArray<UserId>) => ({
    tokens: users.map((userId, i) => tokenRow({ userId, number: BigInt(i + 1), settings })),
    ahead: users.map((_, i) => [testId(i + 1), i] as const)
  })
  const abc = ["ada", "bob", "cyd"] as Array<UserId>

  it("admits the first tokens in order, up to maxActive", () => {
    const rows = given({
      ...line(...abc),
      queues: [queueRow({ settings, active: 0, waiting: 3 })]
    })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(1, abc[0]!), admitted(2, abc[1]!))
    expect(rows.queues.get(main)).toMatchObject({ active: 2, waiting: 1, admittedLastMinute: 2 })
    expect(rows.ahead(rows.tokens.get(testId(3))!)).toBe(0)
  })

  it("goes by number, whatever the order in which tokens were loaded", () => {
    const { tokens, ahead } = line(...abc)
    given({ tokens: tokens.toReversed(), ahead, queues: [queueRow({ settings, waiting: 3 })] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(1, abc[0]!), admitted(2, abc[1]!))
  })

  it("goes by number beyond 2^53", () => {
    const big = 2n ** 60n
    given({
      queues: [queueRow({ settings: { ...settings, maxActive: 1 }, waiting: 2 })],
      tokens: [
        tokenRow({ userId: "grace", number: big + 1n, tokenId: testId(2) }),
        tokenRow({ userId: "ada", number: big, tokenId: testId(1) })
      ],
      ahead: [
        [testId(1), 0],
        [testId(2), 1]
      ]
    })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(1, ada))
  })

  it("no user while maxActive are inside", () => {
    given({ ...line(ada), queues: [queueRow({ settings, active: 2, waiting: 1 })] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenNothing()
  })

  it("no user while more than maxActive are inside, as after lowering it", () => {
    given({ ...line(ada), queues: [queueRow({ settings, active: 5, waiting: 1 })] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenNothing()
  })

  it("no more than admitPerMinute, whatever room there is", () => {
    const wide = { ...settings, maxActive: 100 }
    const at = (admittedLastMinute: number) =>
      given({
        ...line(...abc),
        queues: [queueRow({ settings: wide, admittedLastMinute, waiting: 3 })]
      })
        .at(now)
        .when((rows) => decideAdmissions(rows, main, nobody))
    at(9).thenEvents(admitted(1, abc[0]!))
    at(10).thenNothing()
    at(11).thenNothing()
  })

  it("no user of one lane in the turn of the other, if the next one there was not loaded", () => {
    const priority = { nextNumber: 9n, cursor: 0n, waiting: 5, headsLoadedTo: 8n }
    const { tokens } = line(...abc)
    const codes = tokens.map((token) => ({ ...token, lane: "priority" as const }))
    const queue = queueRow({
      settings: { ...settings, maxActive: 100, prioritySharePercent: 50 },
      nextNumber: 9n,
      waiting: 5,
      headsLoadedTo: 0n,
      priority,
      laneCredit: 50
    })
    given({ tokens: codes, queues: [queue] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(1, abc[0]!))
  })

  it("the loaded tokens, even if the row counts more in a lane of which all were loaded", () => {
    const { tokens } = line(...abc)
    const codes = tokens.map((token) => ({ ...token, lane: "priority" as const }))
    const priority = { nextNumber: 4n, cursor: 0n, waiting: 3, headsLoadedTo: 3n }
    const queue = queueRow({
      settings: { ...settings, maxActive: 2 },
      nextNumber: 9n,
      cursor: 8n,
      waiting: 1,
      headsLoadedTo: 8n,
      priority
    })
    given({ tokens: codes, queues: [queue] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(1, abc[0]!), admitted(2, abc[1]!))
  })

  it("no user while paused", () => {
    given({ ...line(ada), queues: [queueRow({ settings, mode: "paused", waiting: 1 })] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenNothing()
  })

  it("waiting users while draining", () => {
    given({ ...line(ada), queues: [queueRow({ settings, mode: "draining", waiting: 1 })] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(1, ada))
  })

  it("no user if there is no such queue, and no user of another queue", () => {
    given({ ...line(ada) })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenNothing()
    given({
      queues: [queueRow({ settings })],
      tokens: [tokenRow({ queueId: "vip" })],
      ahead: [[testId(1), 0]]
    })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenNothing()
  })

  it("online users for the session, the others for the claim window", () => {
    given({ ...line(ada, grace), queues: [queueRow({ settings, waiting: 2 })] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, new Set([testId(2)])))
      .thenEvents(admitted(1, ada), admitted(2, grace, true))
  })

  it("no user out of order, even if online", () => {
    const one = { ...settings, maxActive: 1 }
    given({ ...line(ada, grace), queues: [queueRow({ settings: one, waiting: 2 })] })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, new Set([testId(2)])))
      .thenEvents(admitted(1, ada))
  })

  it("no user behind a token that was not loaded", () => {
    // The second and third user are online; the first is not.
    const { tokens, ahead } = line(...abc)
    given({
      tokens: tokens.slice(1),
      ahead,
      queues: [queueRow({ settings, waiting: 3, headsLoadedTo: 0n })]
    })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenNothing()
    // The first is here, the second is not: only the first may go.
    given({
      tokens: [tokens[0]!, tokens[2]!],
      ahead,
      queues: [queueRow({ settings, waiting: 3, headsLoadedTo: 1n })]
    })
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(1, abc[0]!))
  })

  it("a user who joins an empty queue, in the same batch", () => {
    given({ queues: [queueRow({ settings })] }, issued(1, ada))
      .at(now)
      .when((rows) => decideAdmissions(rows, main, new Set([testId(1)])))
      .thenEvents(admitted(1, ada, true))
  })

  it("no user who joins behind tokens that were not loaded", () => {
    given(
      { queues: [queueRow({ settings, waiting: 5, nextNumber: 6n, headsLoadedTo: 0n })] },
      issued(6, ada)
    )
      .at(now)
      .when((rows) => decideAdmissions(rows, main, new Set([testId(6)])))
      .thenNothing()
  })

  it("the next user, if an admitted one leaves in the same batch", () => {
    const one = { ...settings, maxActive: 1 }
    given(
      {
        queues: [queueRow({ settings: one, active: 1, waiting: 1 })],
        tokens: [tokenRow({ state: "admitted" }), tokenRow({ userId: "grace", number: 2n })],
        ahead: [[testId(2), 0]]
      },
      { _tag: "QueueTokenLeft", tokenId: testId(1), queueId: main, userId: ada, at: now }
    )
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(2, grace))
  })

  it("the next user, if the first in line leaves in the same batch", () => {
    const one = { ...settings, maxActive: 1 }
    given(
      { ...line(ada, grace), queues: [queueRow({ settings: one, waiting: 2 })] },
      { _tag: "QueueTokenLeft", tokenId: testId(1), queueId: main, userId: ada, at: now }
    )
      .at(now)
      .when((rows) => decideAdmissions(rows, main, nobody))
      .thenEvents(admitted(2, grace))
  })
})

describe("opening", () => {
  const seed = "5eed".repeat(16)
  const opening = { opensAt: now, seed, openedAt: null }
  const opened = { _tag: "QueueOpened" as const, queueId: main, seed, drawn: 3n, at: now }
  const collected = queueRow({ opening, nextNumber: 4n, waiting: 3 })
  const open = { ...opening, openedAt: now }
  const tokens = (["ada", "bob", "cyd"] as Array<UserId>).map((userId, i) =>
    tokenRow({ userId, number: BigInt(i + 1) })
  )
  const placed = tokens
    .map((token) => ({
      token,
      place: placeOf({ queueId: main, opening: open, drawSize: 3n }, "general", token.number)
    }))
    .sort((a, b) => Number(a.place - b.place))

  it("draws among all who have joined, at that very instant and not before", () => {
    given({ queues: [collected] })
      .at(now - 1)
      .when((rows) => decideOpening(rows, main))
      .thenNothing()
    const rows = given({ queues: [collected] })
      .at(now)
      .when((rows) => decideOpening(rows, main))
      .thenEvents(opened)
    expect(rows.queues.get(main)).toMatchObject({ drawSize: 3n, opening: open })
  })

  it("does not happen once the queue is closed", () => {
    given({ queues: [{ ...collected, mode: "closed" }] })
      .at(now)
      .when((rows) => decideOpening(rows, main))
      .thenNothing()
  })

  it("happens once", () => {
    given({ queues: [queueRow({ opening: open, drawSize: 3n, nextNumber: 4n })] })
      .at(now + 1)
      .when((rows) => decideOpening(rows, main))
      .thenNothing()
    given({ queues: [queueRow()] })
      .at(now)
      .when((rows) => decideOpening(rows, main))
      .thenNothing()
  })

  it("can be moved, or made now, until the queue opens", () => {
    const moved = (opensAt: number) => ({
      _tag: "QueueRescheduled" as const,
      queueId: main,
      opensAt,
      before: now,
      at: now - 10
    })
    for (const [asked, opensAt] of [
      [now + 5_000, now + 5_000],
      [null, now - 10]
    ] as const) {
      const rows = given({ queues: [collected] })
        .at(now - 10)
        .when((rows) => decideReschedule(rows, main, asked))
        .thenEvents(moved(opensAt))
      expect(rows.queues.get(main)!.opening).toEqual({ ...opening, opensAt })
    }
    given({ queues: [collected] })
      .at(now - 10)
      .when((rows) => decideReschedule(rows, main, now))
      .thenNothing()
  })

  it("cannot be moved after it, without one, or if the queue is closed", () => {
    const refused = (
      queues: ReadonlyArray<QueueRow>,
      error: QueueAlreadyOpen | QueueClosed | QueueNotFound
    ) =>
      given({ queues })
        .at(now + 1)
        .when((rows) => decideReschedule(rows, main, null))
        .thenRefused(error)
    refused([queueRow({ opening: open, drawSize: 3n, nextNumber: 4n })], new QueueAlreadyOpen())
    refused([queueRow()], new QueueAlreadyOpen())
    refused([{ ...collected, mode: "closed" }], new QueueClosed({ mode: "closed" }))
    refused([], new QueueNotFound())
  })

  it("admits no user before it, and then by the drawn places", () => {
    given({ queues: [collected], tokens })
      .at(now - 1)
      .when((rows) => decideAdmissions(rows, main, new Set()))
      .thenNothing()
    const rows = new Rows({ queues: [collected], tokens, now })
    evolve(rows, opened)
    const admitted = decideAdmissions(rows, main, new Set()).map(({ tokenId }) => tokenId)
    expect(admitted).toEqual(placed.map(({ token }) => token.tokenId))
  })

  it("admits no user by number if not all drawn tokens were loaded", () => {
    const rows = new Rows({
      queues: [{ ...collected, headsLoadedTo: 2n }],
      tokens: tokens.slice(0, 2),
      now
    })
    evolve(rows, opened)
    expect(decideAdmissions(rows, main, new Set())).toEqual([])
  })
})

describe("two lanes", () => {
  const nobody = new Set<never>()
  const lanes = (share: number, room: number) => {
    const settings = { ...defaultPolicies.queue, maxActive: room, prioritySharePercent: share }
    const line = { nextNumber: 11n, cursor: 0n, waiting: 10, headsLoadedTo: 10n }
    const tokens = (["general", "priority"] as const).flatMap((lane, i) =>
      Array.from({ length: 10 }, (_, n) =>
        tokenRow({
          lane,
          number: BigInt(n + 1),
          tokenId: testId(100 * i + n + 1),
          userId: `${lane[0]}${n + 1}`
        })
      )
    )
    const queue = queueRow({ settings, ...line, priority: line })
    const rows = new Rows({ queues: [queue], tokens, now })
    const events = decideAdmissions(rows, main, nobody)
    for (const event of events) evolve(rows, event)
    return { order: events.map(({ userId }) => userId).join(" "), rows }
  }

  it("take turns by the share of the priority lane", () => {
    expect(lanes(50, 6).order).toBe("g1 p1 g2 p2 g3 p3")
    expect(lanes(25, 8).order).toBe("g1 g2 g3 p1 g4 g5 g6 p2")
    expect(lanes(100, 3).order).toBe("p1 p2 p3")
  })

  it("go on alone if the other is empty, and keep their credit from batch to batch", () => {
    expect(lanes(100, 12).order).toBe("p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 g1 g2")
    const { rows } = lanes(50, 3)
    expect(rows.queues.get(main)).toMatchObject({
      laneCredit: 50,
      cursor: 2n,
      waiting: 8,
      priority: { cursor: 1n, waiting: 9 }
    })
  })
})

describe("absence", () => {
  const settings = { ...defaultPolicies.queue, maxActive: 1, absenceSeconds: 300 }
  const late = now + absentAfterSeconds(300) * 1_000 + 1
  const tokens = [
    tokenRow({ settings, userId: "ada" }),
    tokenRow({ settings, userId: "bob", number: 2n, seenUntil: now + 1 })
  ]
  const at = (presenceKept: boolean, present = new Set<TokenId>()) =>
    given({ queues: [queueRow({ settings, waiting: 2, presenceKept })], tokens })
      .at(late)
      .when((rows) => decideAdmissions(rows, main, present))
  const left = {
    _tag: "QueueTokenLeft" as const,
    tokenId: testId(1),
    queueId: main,
    userId: ada,
    at: late,
    away: true as const
  }
  const letIn = (n: number, userId: string, claimed = false) => ({
    ...admitted(n, userId as UserId, claimed),
    at: late,
    expiresAt: late + (claimed ? 600_000 : 120_000)
  })

  it("of more than the allowed time ends the token at its turn, and the next user is admitted", () => {
    at(true).thenEvents(left, letIn(2, "bob"))
  })

  it("does not count while a presence mark may be on its way", () => {
    given({ queues: [queueRow({ settings, waiting: 2, presenceKept: true })], tokens })
      .at(late - 1)
      .when((rows) => decideAdmissions(rows, main, new Set()))
      .thenEvents({ ...letIn(1, "ada"), at: late - 1, expiresAt: late - 1 + 120_000 })
  })

  it("does not count if nodes have not flushed presence marks throughout", () => {
    at(false).thenEvents(letIn(1, "ada"))
  })

  it("does not count if this node has a mark that it has yet to flush", () => {
    given({ queues: [queueRow({ settings, waiting: 2, presenceKept: true })], tokens })
      .at(late)
      .when((rows) =>
        decideAdmissions(rows, main, new Set(), {}, ({ tokenId }) => tokenId === testId(1))
      )
      .thenEvents(letIn(1, "ada"))
  })

  it("does not count for an online user", () => {
    at(true, new Set<TokenId>([testId(1)])).thenEvents(letIn(1, "ada", true))
  })
})

describe("presence marks", () => {
  it("contain a number from its mark on until they are taken", () => {
    const presence = new Presence()
    const number = 3 * numbersPerBlock + 5
    const payload = { queueId: main, userId: ada, tokenId: testId(1) }
    presence.mark({ ...payload, entry: { lane: "priority", number, issuedAt: 0 } })
    const has = (lane: "general" | "priority", number: number) => presence.has(lane, BigInt(number))
    expect([has("priority", number), has("general", number), has("priority", number + 1)]).toEqual([
      true,
      false,
      false
    ])
    presence.take()
    expect(has("priority", number)).toBe(false)
  })
})

describe("an operator", () => {
  it("creates a queue, once, and the event does not contain its seed", () => {
    const newQueue = { queueId: main, settings, given: settings, opening: null }
    const event = { _tag: "QueueCreated" as const, queueId: main, settings, at: now }
    given({})
      .at(now)
      .when((rows) => decideCreate(rows, newQueue))
      .thenEvents(event)
    const seed = "7".repeat(64)
    const opening = { opensAt: now + 1_000, seed, openedAt: null }
    given({})
      .at(now)
      .when((rows) => decideCreate(rows, { ...newQueue, opening }))
      .thenEvents({ ...event, opening: { opensAt: now + 1_000, commitment: commitmentOf(seed) } })
    given({ queues: [queueRow({ mode: "closed" })] })
      .at(now)
      .when((rows) => decideCreate(rows, newQueue))
      .thenRefused(new AlreadyExists({ kind: "queue" }))
  })

  it("creates a queue again if it is the same: in its opening, and the settings that were given", () => {
    const existing = queueRow({ settings, mode: "paused" })
    const again = (given: Partial<typeof settings>, opening: Opening | null = null) =>
      ({ queueId: main, settings: { ...settings, ...given }, given, opening }) as const
    const create = (queue: QueueRow, asked: ReturnType<typeof again>) =>
      given({ queues: [queue] })
        .at(now)
        .when((rows) => decideCreate(rows, asked))
    const refused = new AlreadyExists({ kind: "queue" })
    const opening = { opensAt: now + 1, seed: "7".repeat(64), openedAt: null }
    create(existing, again({})).thenNothing()
    create(existing, again({ maxActive: settings.maxActive })).thenNothing()
    create(existing, again({ maxActive: settings.maxActive + 1 })).thenRefused(refused)
    create(existing, again({}, opening)).thenRefused(refused)
    create({ ...existing, opening }, again({}, { ...opening, seed: "8" })).thenNothing()
    create({ ...existing, opening }, again({})).thenRefused(refused)
  })

  it("adds codes, and the event says how many", () => {
    given({ queues: [queueRow()] })
      .at(now)
      .when((rows) => decideCodes(rows, main, { codes: 3, uses: 2 }))
      .thenEvents({ _tag: "QueueCodesAdded", queueId: main, codes: 3, uses: 2, at: now })
    given({})
      .at(now)
      .when((rows) => decideCodes(rows, main, { codes: 3, uses: 2 }))
      .thenRefused(new QueueNotFound())
  })

  it("changes the mode, and the event has the old one", () => {
    given({ queues: [queueRow()] })
      .at(now)
      .when((rows) => decideMode(rows, main, "paused"))
      .thenEvents({
        _tag: "QueueModeChanged",
        queueId: main,
        mode: "paused",
        before: "open",
        at: now
      })
    given({ queues: [queueRow({ mode: "paused" })] })
      .at(now)
      .when((rows) => decideMode(rows, main, "paused"))
      .thenNothing()
  })

  it("cannot open a closed queue", () => {
    for (const mode of ["open", "paused", "draining"] as const) {
      given({ queues: [queueRow({ mode: "closed" })] })
        .at(now)
        .when((rows) => decideMode(rows, main, mode))
        .thenRefused(new QueueClosed({ mode: "closed" }))
    }
  })

  it("changes settings, and the event has the old ones", () => {
    const { queue: before } = defaultPolicies
    const after = { ...before, maxActive: 7 }
    const rows = given({ queues: [queueRow()] })
      .at(now)
      .when((rows) => decideConfigure(rows, main, { maxActive: 7 }))
      .thenEvents({ _tag: "QueueConfigured", queueId: main, settings: after, before, at: now })
    expect(rows.queues.get(main)!.settings).toEqual(after)
    given({ queues: [queueRow()] })
      .at(now)
      .when((rows) => decideConfigure(rows, main, { maxActive: before.maxActive }))
      .thenNothing()
  })

  it("is refused for a queue that does not exist", () => {
    given({})
      .at(now)
      .when((rows) => decideMode(rows, main, "open"))
      .thenRefused(new QueueNotFound())
    given({})
      .at(now)
      .when((rows) => decideConfigure(rows, main, {}))
      .thenRefused(new QueueNotFound())
  })
})

describe("the status of a token", () => {
  const status = (fields: Parameters<typeof tokenRow>[0], ahead = 0, at = now) =>
    queueTokenStatus(tokenRow(fields), ahead, at)

  it("waiting: the position and the poll delay", () => {
    expect(status({ state: "waiting" }, 4)).toEqual({
      queueId: "main",
      state: "waiting",
      position: 5,
      ahead: 4,
      estimatedWait: null,
      pollAfterSeconds: 1,
      admittedAt: null,
      expiresAt: null
    })
  })

  it.each([
    [0, 60, 1, 1],
    [59, 60, 7, 23],
    [100, 60, 12, 38],
    [1_000_000, 60, 30, 90],
    [1_000_000, 60_000_000, 1, 1]
  ])(
    "with %i ahead and %i admitted a minute: poll again in %i to %i s",
    (ahead, rate, from, to) => {
      const settings = { ...defaultPolicies.queue, admitPerMinute: rate }
      const hints = Array.from({ length: 500 }, (_, n) => {
        const tokenId = testId(n)
        return status({ state: "waiting", settings, tokenId }, ahead).pollAfterSeconds
      })
      expect(Math.min(...hints)).toBeGreaterThanOrEqual(from)
      expect(Math.max(...hints)).toBeLessThanOrEqual(to)
      // By chance, and all over the range.
      expect(new Set(hints).size).toBeGreaterThan((to - from) * 0.8)
    }
  )

  it("admitted: position 0, begin and end of the session", () => {
    expect(status({ state: "admitted" })).toMatchObject({
      state: "admitted",
      position: 0,
      ahead: 0,
      admittedAt: new Date(now),
      expiresAt: new Date(now + 600_000)
    })
  })

  it("lapsed: expired at that very instant, whatever is stored", () => {
    const expiresAt = now + 600_000
    expect(status({ state: "admitted" }, 0, expiresAt - 1).state).toBe("admitted")
    expect(status({ state: "admitted" }, 0, expiresAt)).toMatchObject({
      state: "expired",
      position: 0,
      expiresAt: null
    })
  })
})
