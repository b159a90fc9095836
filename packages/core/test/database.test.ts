/** The rules of the database in memory, one by one. What Postgres does is in `likePostgres.test.ts`. */
import { describe, expect, test } from "vitest"
import { SteppedSession } from "../../../test-support/stepper.ts"
import { Database } from "../src/testing/database/Database.ts"
import type { Statement } from "../src/testing/database/Statement.ts"
import { isVisibleIn, parseSnapshot } from "../src/testing/database/snapshots.ts"
import { type Table, type Target, tableOf } from "../src/testing/database/Table.ts"

interface Account {
  readonly id: number
  readonly name: string
  readonly balance: number
}
interface Entry {
  readonly id: number
  readonly account: number
}

const openBank = ({ random = 0 }: { readonly random?: number } = {}) => {
  const violations: Array<string> = []
  const database = new Database({
    now: () => 0,
    random: () => random,
    onViolation: (name) => violations.push(name)
  })
  const accounts = tableOf<Account>()("account", {
    unique: { account_pkey: (row) => `${row.id}`, account_name_once: (row) => row.name },
    checks: { account_not_negative: ({ balance }) => balance >= 0 }
  })
  const entries = tableOf<Entry>()("entry", {
    unique: { entry_pkey: (row) => `${row.id}` },
    indexes: { byAccount: (row) => `${row.account}` },
    references: [
      {
        name: "entry_of_account",
        key: (row) => `${row.account}`,
        to: (): Target => ({ table: accounts, index: "account_pkey" }),
        by: "byAccount"
      }
    ]
  })
  const lives = tableOf<{ readonly name: string }>()("life", {
    unique: { life_pkey: () => "one" },
    unlogged: true
  })
  database.add([accounts, entries, lives])
  const ids = database.sequence()
  const open = () => new SteppedSession(database)
  const seed = open()
  for (const id of [1, 2, 3]) seed.statement((s) => s.insert(accounts, account(id)))
  return { database, accounts, entries, lives, ids, open, violations }
}

const account = (id: number, balance = 10): Account => ({ id, name: `n${id}`, balance })

const get = (accounts: Table<Account, "account_pkey" | "account_name_once">, id: number) =>
  function* (statement: Statement) {
    return statement.get(accounts, "account_pkey", `${id}`)?.row.balance
  }

/** Adds to a balance, if the account is there. */
const add = (
  accounts: Table<Account, "account_pkey" | "account_name_once">,
  id: number,
  amount: number,
  recheck?: (row: Account) => boolean
) =>
  function* (statement: Statement) {
    const found = statement.get(accounts, "account_pkey", `${id}`)
    if (found === undefined || recheck?.(found.row) === false) return undefined
    const change = (row: Account) => ({ ...row, balance: row.balance + amount })
    return (yield* statement.update(accounts, found, change, recheck))?.row.balance
  }

const remove = (accounts: Table<Account, "account_pkey" | "account_name_once">, id: number) =>
  function* (statement: Statement) {
    const found = statement.get(accounts, "account_pkey", `${id}`)
    return found && (yield* statement.remove(accounts, found))?.row.id
  }

const lock = (
  accounts: Table<Account, "account_pkey" | "account_name_once">,
  id: number,
  mode: Parameters<Statement["lock"]>[1],
  skipLocked = false
) =>
  function* (statement: Statement) {
    const found = statement.get(accounts, "account_pkey", `${id}`)
    return found && (yield* statement.lock(found, mode, { skipLocked }))?.row.balance
  }

describe("a statement", () => {
  test("sees what was committed when it began, and its own transaction's changes", () => {
    const { accounts, open } = openBank()
    const [one, two] = [open(), open()]
    one.begin()
    one.statement(add(accounts, 1, 5))
    expect(one.statement(get(accounts, 1)).now()).toEqual({ answer: 15 })
    expect(two.statement(get(accounts, 1)).now()).toEqual({ answer: 10 })
    one.commit()
    expect(two.statement(get(accounts, 1)).now()).toEqual({ answer: 15 })
  })

  test("of a transaction that goes on sees what was committed meanwhile", () => {
    const { accounts, open } = openBank()
    const [one, two] = [open(), open()]
    two.begin()
    expect(two.statement(get(accounts, 1)).now()).toEqual({ answer: 10 })
    one.statement(add(accounts, 1, 5))
    expect(two.statement(get(accounts, 1)).now()).toEqual({ answer: 15 })
  })

  test("that fails undoes its transaction and frees its locks at once", () => {
    const { accounts, open, violations } = openBank()
    const [one, two] = [open(), open()]
    one.begin()
    one.statement(add(accounts, 1, 5))
    const failed = one.statement(add(accounts, 2, -99))
    expect(failed.now()).toEqual({ error: "23514", constraint: "account_not_negative" })
    expect(violations).toEqual(["account_not_negative"])
    expect(two.statement(add(accounts, 1, 1)).now()).toEqual({ answer: 11 })
    expect(one.statement(get(accounts, 1)).now()).toMatchObject({ error: "25P02" })
    one.commit()
    expect(one.statement(get(accounts, 1)).now()).toEqual({ answer: 11 })
  })

  test("sees an old version for as long as it runs, and the version is dropped after it", () => {
    const { database, accounts, open } = openBank()
    const [one, two, three] = [open(), open(), open()]
    one.begin()
    one.statement(lock(accounts, 2, "UPDATE"))
    const reading = two.statement(function* (statement) {
      yield* lock(accounts, 2, "UPDATE")(statement)
      return statement.get(accounts, "account_pkey", "1")?.row.balance
    })
    three.statement(add(accounts, 1, 5))
    expect(accounts.versions.size).toBe(4)
    one.commit()
    expect(reading.now()).toEqual({ answer: 10 })
    three.statement(add(accounts, 3, 0))
    expect(accounts.versions.size).toBe(3)
    expect(database.open.size).toBe(0)
  })
})

describe("a row lock", () => {
  test.each([
    ["KEY SHARE", "NO KEY UPDATE", "passes"],
    ["KEY SHARE", "UPDATE", "waits"],
    ["SHARE", "SHARE", "passes"],
    ["SHARE", "KEY SHARE", "passes"],
    ["SHARE", "NO KEY UPDATE", "waits"],
    ["NO KEY UPDATE", "NO KEY UPDATE", "waits"],
    ["NO KEY UPDATE", "KEY SHARE", "passes"],
    ["UPDATE", "KEY SHARE", "waits"]
  ] as const)("%s, then %s: %s", (first, second, outcome) => {
    const { accounts, open } = openBank()
    const [one, two] = [open(), open()]
    one.begin()
    one.statement(lock(accounts, 1, first))
    const locking = two.statement(lock(accounts, 1, second))
    expect(locking.now()).toEqual(outcome === "waits" ? "waits" : { answer: 10 })
    one.commit()
    expect(locking.now()).toEqual({ answer: 10 })
  })

  test("after the wait has the newest version of the row", () => {
    const { accounts, open } = openBank()
    const [one, two] = [open(), open()]
    one.begin()
    one.statement(add(accounts, 1, 5))
    const locking = two.statement(lock(accounts, 1, "NO KEY UPDATE"))
    expect(locking.now()).toBe("waits")
    one.commit()
    expect(locking.now()).toEqual({ answer: 15 })
  })

  test("after the wait leaves out a row that does not meet the condition any more, or is gone", () => {
    const { accounts, open } = openBank()
    const [one, two, three] = [open(), open(), open()]
    one.begin()
    one.statement(add(accounts, 1, -8))
    one.statement(remove(accounts, 2))
    const spending = two.statement(add(accounts, 1, -5, ({ balance }) => balance >= 5))
    const removed = three.statement(add(accounts, 2, 1))
    one.commit()
    expect(spending.now()).toEqual({ answer: undefined })
    expect(removed.now()).toEqual({ answer: undefined })
  })

  test("goes on with the row as it was if the other transaction rolls back", () => {
    const { accounts, open } = openBank()
    const [one, two] = [open(), open()]
    one.begin()
    one.statement(remove(accounts, 1))
    const adding = two.statement(add(accounts, 1, 1))
    one.rollback()
    expect(adding.now()).toEqual({ answer: 11 })
  })

  test("is skipped where the statement skips locked rows", () => {
    const { accounts, open } = openBank()
    const [one, two] = [open(), open()]
    one.begin()
    one.statement(lock(accounts, 1, "NO KEY UPDATE"))
    expect(two.statement(lock(accounts, 1, "UPDATE", true)).now()).toEqual({ answer: undefined })
    expect(two.statement(lock(accounts, 2, "UPDATE", true)).now()).toEqual({ answer: 10 })
  })

  test("of an update stands on the row's next version as well", () => {
    const { accounts, open } = openBank()
    const [one, two, three] = [open(), open(), open()]
    one.begin()
    one.statement(lock(accounts, 1, "KEY SHARE"))
    two.statement(add(accounts, 1, 5))
    const removing = three.statement(remove(accounts, 1))
    expect(removing.now()).toBe("waits")
    one.commit()
    expect(removing.now()).toEqual({ answer: 1 })
  })

  test("is given in the order of asking", () => {
    const { accounts, open } = openBank()
    const [one, two, three] = [open(), open(), open()]
    one.begin()
    two.begin()
    one.statement(lock(accounts, 1, "UPDATE"))
    const second = two.statement(lock(accounts, 1, "UPDATE"))
    const third = three.statement(lock(accounts, 1, "UPDATE"))
    one.commit()
    expect([second.now(), third.now()]).toEqual([{ answer: 10 }, "waits"])
    two.commit()
    expect(third.now()).toEqual({ answer: 10 })
  })

  test("that closes a circle of waits is a deadlock", () => {
    const { accounts, open } = openBank()
    const [one, two] = [open(), open()]
    one.begin()
    two.begin()
    one.statement(lock(accounts, 1, "UPDATE"))
    two.statement(lock(accounts, 2, "UPDATE"))
    const first = one.statement(lock(accounts, 2, "UPDATE"))
    const second = two.statement(lock(accounts, 1, "UPDATE"))
    expect(second.now()).toMatchObject({ error: "40P01" })
    expect(first.now()).toEqual({ answer: 10 })
  })
})

describe("an insert of a key that another transaction has inserted", () => {
  const insert =
    (row: Account, onConflict?: Parameters<Statement["insert"]>[2]) =>
    ({ accounts }: ReturnType<typeof openBank>) =>
      function* (statement: Statement) {
        const inserted = yield* statement.insert<Account>(accounts, row, onConflict as never)
        return inserted?.row.balance
      }

  test("waits, and fails once that has committed", () => {
    const bank = openBank()
    const [one, two] = [bank.open(), bank.open()]
    one.begin()
    one.statement(insert(account(4))(bank))
    const inserting = two.statement(insert(account(4))(bank))
    expect(inserting.now()).toBe("waits")
    one.commit()
    expect(inserting.now()).toEqual({ error: "23505", constraint: "account_pkey" })
  })

  test("waits, and succeeds once that has rolled back", () => {
    const bank = openBank()
    const [one, two] = [bank.open(), bank.open()]
    one.begin()
    one.statement(insert(account(4))(bank))
    const inserting = two.statement(insert(account(4, 7))(bank))
    one.rollback()
    expect(inserting.now()).toEqual({ answer: 7 })
  })

  test("names the second key where that is the one taken", () => {
    const bank = openBank()
    const failed = bank.open().statement(insert({ ...account(4), name: "n1" })(bank))
    expect(failed.now()).toEqual({ error: "23505", constraint: "account_name_once" })
  })

  test("does nothing ON CONFLICT DO NOTHING, even if its snapshot does not show the row", () => {
    const bank = openBank()
    const [one, two] = [bank.open(), bank.open()]
    one.begin()
    one.statement(insert(account(4))(bank))
    const inserting = two.statement(insert(account(4), { index: "account_pkey" })(bank))
    expect(inserting.now()).toBe("waits")
    one.commit()
    expect(inserting.now()).toEqual({ answer: undefined })
  })

  test("updates the newest version ON CONFLICT DO UPDATE", () => {
    const bank = openBank()
    const [one, two] = [bank.open(), bank.open()]
    one.begin()
    one.statement(add(bank.accounts, 1, 5))
    const update = (row: unknown) => ({
      ...(row as Account),
      balance: (row as Account).balance * 2
    })
    const upserting = two.statement(insert(account(1), { index: "account_pkey", update })(bank))
    expect(upserting.now()).toBe("waits")
    one.commit()
    expect(upserting.now()).toEqual({ answer: 30 })
  })

  test("succeeds where the row was deleted, and waits while that is not committed", () => {
    const bank = openBank()
    const [one, two] = [bank.open(), bank.open()]
    one.begin()
    one.statement(remove(bank.accounts, 1))
    const inserting = two.statement(insert(account(1, 3))(bank))
    expect(inserting.now()).toBe("waits")
    one.commit()
    expect(inserting.now()).toEqual({ answer: 3 })
  })
})

describe("a reference", () => {
  test("needs its row, keeps it, and does not stand in the way of its updates", () => {
    const { accounts, entries, open } = openBank()
    const [one, two, three] = [open(), open(), open()]
    const entry = (id: number, of: number) => (statement: Statement) =>
      statement.insert(entries, { id, account: of })
    expect(one.statement(entry(1, 9)).now()).toMatchObject({ constraint: "entry_of_account" })
    one.begin()
    one.statement(entry(1, 1))
    expect(two.statement(add(accounts, 1, 5)).now()).toEqual({ answer: 15 })
    const removing = three.statement(remove(accounts, 1))
    expect(removing.now()).toBe("waits")
    one.commit()
    expect(removing.now()).toEqual({ error: "23503", constraint: "entry_of_account" })
  })
})

describe("advisory locks", () => {
  test("are shared or not, are given in order, and end with the transaction", () => {
    const { database, open } = openBank()
    const [one, two, three] = [open(), open(), open()]
    const take = (mode: "shared" | "exclusive") =>
      function* ({ transaction }: Statement) {
        yield* database.advisory.take(transaction, "name", mode)
        return "has it"
      }
    for (const session of [one, two, three]) session.begin()
    expect(one.statement(take("shared")).now()).toEqual({ answer: "has it" })
    const exclusive = two.statement(take("exclusive"))
    const behind = three.statement(take("shared"))
    expect([exclusive.now(), behind.now()]).toEqual(["waits", "waits"])
    one.rollback()
    expect([exclusive.now(), behind.now()]).toEqual([{ answer: "has it" }, "waits"])
    two.commit()
    expect(behind.now()).toEqual({ answer: "has it" })
  })
})

describe("ids", () => {
  test("of transactions are used up by those that roll back, and not by those that only read", () => {
    const { accounts, open } = openBank()
    const [one, two] = [open(), open()]
    const xid = () =>
      two.statement(function* (statement) {
        return statement.xid()
      })
    const { answer: before } = xid().now() as { readonly answer: number }
    one.statement(get(accounts, 1))
    one.begin()
    one.statement(add(accounts, 1, 1))
    one.rollback()
    expect(xid().now()).toEqual({ answer: before + 2 })
  })

  test("of a snapshot say which transactions were over, whatever their order", () => {
    const { database, accounts, open } = openBank()
    const [one, two, three] = [open(), open(), open()]
    const begin = (session: SteppedSession, id: number) => {
      session.begin()
      session.statement(add(accounts, id, 1))
      return session.session.transaction!.xid
    }
    const xids = [begin(one, 1), begin(two, 2), begin(three, 3)] as const
    two.commit()
    const snapshot = database.snapshot()
    expect(snapshot).toBe(`${xids[0]}:${xids[1] + 1}:${xids[0]}`)
    one.commit()
    const isOver = (xid: number) => isVisibleIn(parseSnapshot(snapshot), xid)
    expect(xids.map(isOver)).toEqual([false, true, false])
  })
})

describe("a crash", () => {
  const grow = ({ accounts, ids, open }: ReturnType<typeof openBank>) => {
    const session = open()
    session.begin()
    session.statement(add(accounts, 1, 5))
    const numbered = session.statement(function* (statement) {
      return statement.next(ids)
    })
    return { session, number: numbered.now(), xid: session.session.transaction!.xid }
  }

  test("leaves what was committed, undoes the rest, and frees its locks", () => {
    const bank = openBank()
    const { session } = grow(bank)
    bank.open().statement(add(bank.accounts, 2, 1))
    bank.database.crash()
    expect(session.commit().now()).toMatchObject({ error: "57P01" })
    const after = bank.open()
    expect(after.statement(get(bank.accounts, 1)).now()).toEqual({ answer: 10 })
    expect(after.statement(add(bank.accounts, 1, 1)).now()).toEqual({ answer: 11 })
    expect(after.statement(get(bank.accounts, 2)).now()).toEqual({ answer: 11 })
  })

  test("gives ids again that were not durable, of transactions and of sequences", () => {
    const bank = openBank()
    const before = grow(bank)
    bank.database.crash()
    const after = grow(bank)
    expect(after.xid).toBe(before.xid)
    expect(after.number).toEqual(before.number)
    expect(bank.database.statusOf(before.xid)).toBe("in progress")
  })

  test("skips the values that a durable record of a sequence covers", () => {
    const bank = openBank()
    const before = grow(bank)
    expect(before.number).toEqual({ answer: 1n })
    bank.open().statement(add(bank.accounts, 2, 1))
    bank.database.crash()
    const after = grow(bank)
    expect(after.number).toEqual({ answer: 34n })
    expect(after.xid).toBe(before.xid + 2)
    expect(bank.database.statusOf(before.xid)).toBe("aborted")
  })

  test("may find more durable than was flushed", () => {
    const bank = openBank({ random: 0.99 })
    const before = grow(bank)
    bank.database.crash()
    const after = grow(bank)
    expect(after.xid).toBe(before.xid + 1)
    expect(after.number).toEqual({ answer: 34n })
  })

  test("after COMMIT was written finds it committed, though its client never learned it", () => {
    const bank = openBank()
    const { session } = grow(bank)
    const steps = session.session.commit()
    expect(steps.next().value).toEqual({ point: "before COMMIT is written" })
    expect(steps.next().value).toEqual({ point: "before COMMIT shows" })
    expect(bank.open().statement(get(bank.accounts, 1)).now()).toEqual({ answer: 10 })
    bank.database.crash()
    expect(() => steps.next()).toThrow("terminating connection")
    expect(bank.open().statement(get(bank.accounts, 1)).now()).toEqual({ answer: 15 })
  })

  test("empties unlogged tables", () => {
    const { database, lives, open } = openBank()
    open().statement((s) => s.insert(lives, { name: "first" }))
    expect(database.committed(lives)).toEqual([{ name: "first" }])
    database.crash()
    expect(database.committed(lives)).toEqual([])
  })

  test("ends the waits of statements", () => {
    const bank = openBank()
    grow(bank)
    const waiting = bank.open().statement(add(bank.accounts, 1, 1))
    expect(waiting.now()).toBe("waits")
    bank.database.crash()
    expect(waiting.now()).toMatchObject({ error: "57P01" })
  })
})

test("a read-only server refuses writes and locks, and a session of that time keeps refusing", () => {
  const { database, accounts, open } = openBank()
  const before = open()
  database.isReadOnly = true
  const meanwhile = open()
  for (const session of [before, meanwhile]) {
    expect(session.statement(get(accounts, 1)).now()).toEqual({ answer: 10 })
    expect(session.statement(add(accounts, 1, 1)).now()).toMatchObject({ error: "25006" })
    expect(session.statement(lock(accounts, 1, "KEY SHARE")).now()).toMatchObject({
      error: "25006"
    })
  }
  database.isReadOnly = false
  expect(before.statement(add(accounts, 1, 1)).now()).toEqual({ answer: 11 })
  expect(meanwhile.statement(add(accounts, 1, 1)).now()).toMatchObject({ error: "25006" })
})
