/** What each event of a queue changes in its row, its tokens and its counts, and what it leaves. */
import { expect, test } from "vitest"
import type { BoxOfficeEvent } from "../src/Events.ts"
import { evolve } from "../src/engine/evolve.ts"
import { Rows } from "../src/engine/Rows.ts"
import type { QueueId, UserId } from "../src/Ids.ts"
import type { QueueRow, TokenRow } from "../src/queue/model.ts"
import { queueRow, testId, testStart, tokenRow } from "../src/testing.ts"

const now = testStart
const queueId = "main" as QueueId
const of = (n: number) => ({ tokenId: testId(n), queueId, userId: "ada" as UserId, at: now })
const expiresAt = now + 120_000

const after = (
  { queue, tokens = [] }: { readonly queue?: QueueRow; readonly tokens?: ReadonlyArray<TokenRow> },
  ...events: ReadonlyArray<BoxOfficeEvent>
) => {
  const rows = new Rows({ now, tokens, queues: queue === undefined ? [] : [queue] })
  for (const event of events) evolve(rows, event)
  return rows
}
const queueIn = (rows: Rows) => rows.queues.get(queueId)!

test("a token is issued as waiting at the end of its lane, and is loaded if the lane was", () => {
  const issued = { _tag: "QueueTokenIssued", ...of(8), number: 8n } as const
  const queue = queueRow({ nextNumber: 8n, waiting: 2, headsLoadedTo: 7n })
  const rows = after({ queue }, issued)
  expect(rows.tokens.get(testId(8))).toEqual(
    tokenRow({ number: 8n, tokenId: testId(8), joinedAt: now })
  )
  expect(queueIn(rows)).toEqual({ ...queue, nextNumber: 9n, waiting: 3, headsLoadedTo: 8n })
  // A lane of which some tokens are not loaded stays so.
  const some = after({ queue: { ...queue, headsLoadedTo: 6n } }, issued)
  expect(queueIn(some).headsLoadedTo).toBe(6n)
})

test("an admission moves the cursor, takes a turn of the lanes, and counts once", () => {
  const queue = queueRow({
    nextNumber: 5n,
    waiting: 3,
    cursor: 1n,
    active: 4,
    admittedLastMinute: 6
  })
  const admitted = { _tag: "QueueTokenAdmitted", ...of(3), claimed: false, expiresAt } as const
  const rows = after({ queue, tokens: [tokenRow({ number: 3n })] }, admitted)
  expect(rows.tokens.get(testId(3))).toMatchObject({
    state: "admitted",
    admittedAt: now,
    claimed: false,
    expiresAt,
    endedAt: null
  })
  expect(queueIn(rows)).toMatchObject({
    waiting: 2,
    cursor: 3n,
    active: 5,
    admittedLastMinute: 7,
    departed: 0n
  })
  const { admissions, departures, exits } = rows.changes()
  expect(admissions).toEqual([{ queueId, admitted: 1 }])
  expect([departures, exits]).toEqual([[], []])
})

test("a waiting token that leaves, or ends, is a departure with the next number of its queue", () => {
  const queue = queueRow({ nextNumber: 9n, waiting: 5, departed: 41n, active: 2 })
  for (const [_tag, state] of [
    ["QueueTokenLeft", "left"],
    ["QueueTokenLapsed", "expired"]
  ] as const) {
    const rows = after({ queue, tokens: [tokenRow({ number: 3n })] }, { _tag, ...of(3) })
    expect(rows.tokens.get(testId(3))).toMatchObject({ state, endedAt: now })
    expect(queueIn(rows)).toMatchObject({ waiting: 4, departed: 42n, active: 2, cursor: 0n })
    const { admissions, departures, exits } = rows.changes()
    expect(departures).toEqual([{ queueId, lane: "general", number: 3n, seq: 42n }])
    expect([admissions, exits]).toEqual([[], []])
  }
})

test("an admitted token that ends makes room, and is no departure", () => {
  const queue = queueRow({ active: 2, departed: 41n })
  const tokens = [tokenRow({ state: "admitted" })]
  for (const _tag of ["QueueTokenCompleted", "QueueTokenLeft", "QueueTokenLapsed"] as const) {
    const rows = after({ queue, tokens }, { _tag, ...of(1) })
    expect(queueIn(rows)).toEqual({ ...queue, active: 1 })
    const { admissions, departures, exits } = rows.changes()
    expect([admissions, departures, exits]).toEqual([[], [], []])
  }
})

test("without the queue's row an admitted token exits, and a waiting one cannot move", () => {
  const exit = after(
    { tokens: [tokenRow({ state: "admitted" })] },
    { _tag: "QueueTokenLeft", ...of(1) }
  )
  expect(exit.changes().exits).toEqual([{ queueId, count: 1 }])
  expect(() => after({ tokens: [tokenRow()] }, { _tag: "QueueTokenLeft", ...of(1) })).toThrow(
    "A waiting token moves only in a batch that locks its queue's row."
  )
})

test("opening, mode and settings change what they name, and nothing else", () => {
  const opening = { opensAt: now + 1_000, seed: "5eed", openedAt: null }
  const queue = queueRow({ opening, nextNumber: 4n, waiting: 3, headsLoadedTo: 3n, cursor: 1n })
  const opened = { _tag: "QueueOpened", queueId, drawn: 3n, seed: "5eed", at: now } as never
  const isOpen = { ...queue, drawSize: 3n, opening: { ...opening, openedAt: now } }
  expect(queueIn(after({ queue }, opened))).toEqual(isOpen)
  // By number only two were loaded: they need not be the heads of the draw.
  expect(queueIn(after({ queue: { ...queue, headsLoadedTo: 2n } }, opened)).headsLoadedTo).toBe(1n)
  const moved = {
    _tag: "QueueRescheduled",
    queueId,
    opensAt: now,
    before: opening.opensAt,
    at: now
  }
  expect(queueIn(after({ queue }, moved as never))).toEqual({
    ...queue,
    opening: { ...opening, opensAt: now }
  })
  const paused = { _tag: "QueueModeChanged", queueId, mode: "paused", before: "open", at: now }
  expect(queueIn(after({ queue }, paused as never))).toEqual({ ...queue, mode: "paused" })
  const settings = { ...queue.settings, maxActive: 7 }
  const configured = { _tag: "QueueConfigured", queueId, settings, before: queue.settings, at: now }
  expect(queueIn(after({ queue }, configured as never))).toEqual({ ...queue, settings })
})
