/** Each operation's documentation names every code that it can refuse with, and no other. */
import { readFileSync } from "node:fs"
import { expect, expectTypeOf, test } from "vitest"
import type { BoxOfficeResults, Outcome } from "../src/index.ts"

type Answered<Operation> = Operation extends (...args: infer _) => Promise<infer A>
  ? A
  : Operation extends (...args: infer _) => AsyncIterable<infer A>
    ? A
    : never
type CodeOf<Operation> =
  Answered<Operation> extends Outcome<unknown, infer E>
    ? E extends { readonly code: infer Code extends string }
      ? Code
      : never
    : never
/** The codes of every operation, as their types have them. */
type Typed = {
  [Group in keyof BoxOfficeResults]: {
    [Name in keyof BoxOfficeResults[Group]]: CodeOf<BoxOfficeResults[Group][Name]>
  }
}
/** The same, as the list below has them. */
type Listed = {
  -readonly [Group in keyof typeof codes]: {
    -readonly [Name in keyof (typeof codes)[Group]]: keyof (typeof codes)[Group][Name]
  }
}

const store = { store_unavailable: true } as const
const faults = { ...store, request_invalid: true } as const
const busy = { overloaded: true } as const
const gate = {
  queue_token_required: true,
  queue_token_invalid: true,
  queue_token_wrong_queue: true,
  queue_token_waiting: true,
  queue_token_expired: true,
  policy_failed: true
} as const
const place = {
  ...faults,
  ...busy,
  queue_token_required: true,
  queue_token_invalid: true,
  queue_token_wrong_queue: true
} as const
const once = { idempotency_key_reused: true } as const

const codes = {
  queue: {
    join: {
      ...faults,
      ...busy,
      ...once,
      queue_not_found: true,
      queue_closed: true,
      queue_code_invalid: true
    },
    status: place,
    changes: place,
    leave: place,
    create: { ...{ ...faults, ...once }, already_exists: true },
    get: { ...store, queue_not_found: true },
    notice: { ...store, ...busy, queue_not_found: true },
    list: faults,
    configure: { ...{ ...faults, ...busy, ...once }, queue_not_found: true },
    setMode: { ...{ ...faults, ...busy, ...once }, queue_not_found: true, queue_closed: true },
    reschedule: {
      ...{ ...faults, ...busy, ...once },
      queue_not_found: true,
      queue_closed: true,
      queue_already_open: true
    },
    addCodes: { ...{ ...faults, ...once }, queue_not_found: true },
    advance: { ...store, ...busy }
  },
  catalog: {
    shows: faults,
    show: { ...store, show_not_found: true },
    availableDates: { ...faults, ...busy, ...gate, show_not_found: true },
    availableSeats: { ...faults, ...busy, ...gate, performance_not_found: true },
    performances: { ...store, show_not_found: true },
    addShow: { ...{ ...faults, ...once }, already_exists: true, queue_not_found: true },
    addPerformance: { ...{ ...faults, ...once }, already_exists: true, show_not_found: true },
    addSeats: { ...{ ...faults, ...once }, already_exists: true, performance_not_found: true }
  },
  reservations: {
    hold: {
      ...{ ...faults, ...busy, ...gate, ...once },
      performance_not_found: true,
      seat_not_found: true,
      seat_unavailable: true,
      limit_exceeded: true
    },
    release: {
      ...{ ...faults, ...busy },
      reservation_not_found: true,
      reservation_not_payable: true
    },
    get: { ...faults, reservation_not_found: true },
    list: faults,
    expire: { ...store, ...busy }
  },
  wallet: {
    charge: {
      ...{ ...faults, ...busy, ...gate, ...once },
      limit_exceeded: true,
      currency_mismatch: true
    },
    balance: { ...faults, ...busy, ...gate },
    entries: faults
  },
  payments: {
    pay: {
      ...{ ...faults, ...busy, ...gate, ...once },
      reservation_not_found: true,
      reservation_not_payable: true,
      hold_expired: true,
      insufficient_balance: true,
      currency_mismatch: true
    },
    refund: {
      ...{ ...faults, ...busy, ...once },
      payment_not_found: true,
      reservation_not_payable: true,
      refund_refused: true,
      policy_failed: true
    }
  }
} as const

test("the list of codes is that of the types, neither more nor less", () => {
  expectTypeOf<Listed>().toEqualTypeOf<{
    -readonly [Group in keyof Typed]: { -readonly [Name in keyof Typed[Group]]: Typed[Group][Name] }
  }>()
})

const known = new Set(
  Object.values(codes).flatMap((group) => Object.values(group).flatMap((of) => Object.keys(of)))
)

/** The codes that a text names; `queue_token_*` stands for all of them. */
const namedIn = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/`(\w+|queue_token_\*)`/g), ([, name]) => name!).flatMap((name) =>
    name === "queue_token_*"
      ? Object.keys(gate).filter((code) => code.startsWith("queue_token_"))
      : known.has(name)
        ? [name]
        : []
  )

const groups = Object.entries(codes)
test.each(
  groups.flatMap(([group, of]) =>
    Object.entries(of).map(([name, codes]) => ({ group, name, codes }))
  )
)("$group.$name says what it can refuse with", ({ group, name, codes }) => {
  const source = readFileSync(new URL(`../src/promises/${group}.ts`, import.meta.url), "utf8")
  const [, ofAll, body] = source.match(
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport interface Promised\w+ \{\n([\s\S]*?)\n\}/
  )!
  const [, own] = body!.match(
    new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\n  readonly ${name}:`)
  )!
  // An example shows some of them; the interface's words about the gate are for those it is at.
  const text = own!.split("@example")[0]!
  const shared = namedIn(ofAll!.split("The gate's")[0]!)
  expect([...new Set([...namedIn(text), ...shared])].sort()).toEqual(Object.keys(codes).sort())
})
