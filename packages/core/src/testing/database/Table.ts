/** Tables of row versions, with their indexes and the rules that guard them. */
import { Lockers } from "./rowLocks.ts"
import type { Statement } from "./Statement.ts"
import type { Steps, Transaction } from "./Transaction.ts"

/** One version of a row. An update makes the next one; the lockers are those of the row. */
export class Version<Row> {
  readonly row: Row
  readonly inserter: Transaction
  readonly lockers: Lockers
  deleter: Transaction | undefined
  next: Version<Row> | undefined

  constructor(row: Row, inserter: Transaction, lockers = new Lockers()) {
    this.row = row
    this.inserter = inserter
    this.lockers = lockers
  }
}

/** A key of a row as a text, or `undefined` where the index leaves the row out. */
type KeyOf<Row> = (row: Row) => string | undefined

/** A unique key of a table that rows of others refer to. */
export interface Target {
  readonly table: AnyTable
  readonly index: string
}

export interface Reference<Row> {
  readonly name: string
  /** What the row refers to; `undefined` for nothing. */
  readonly key: KeyOf<Row>
  /** A function, since two tables can refer to each other. */
  readonly to: () => Target
  /** The index of this table by the same key: for what is deleted over there. */
  readonly by?: string
  /** Whether it is checked at COMMIT alone. */
  readonly deferred?: boolean
}

export interface Change<Row> {
  readonly old: Row | undefined
  readonly row: Row | undefined
}

/** A trigger for each row that is inserted (no `old`), updated or deleted (no `row`). */
export interface Trigger<Row> {
  readonly when: (change: Change<Row>) => boolean
  /** Throws to refuse the row. */
  readonly run: (statement: Statement, change: Change<Row>) => Steps<void>
}

export interface Rules<Row, Key extends string, Name extends string> {
  /** Unique keys by the names of their constraints, in the order of their making. */
  readonly unique: Readonly<Record<Key, KeyOf<Row>>>
  /** Unique keys that hold for some rows only. A change of them does not change the row's key. */
  readonly partial?: ReadonlyArray<NoInfer<Key>>
  readonly indexes?: Readonly<Record<Name, KeyOf<Row>>>
  readonly checks?: Readonly<Record<string, (row: Row) => boolean>>
  readonly references?: ReadonlyArray<Reference<Row>>
  readonly before?: ReadonlyArray<Trigger<Row>>
  readonly after?: ReadonlyArray<Trigger<Row>>
  /** Whether a crash empties it. */
  readonly unlogged?: boolean
}

interface Index<Row> {
  readonly name: string
  readonly key: KeyOf<Row>
  readonly isUnique: boolean
  /** Whether other tables can refer to it: then a change of it locks out those that refer. */
  readonly isKey: boolean
  readonly entries: Map<string, Set<Version<Row>>>
}

// biome-ignore lint/suspicious/noExplicitAny: of whichever rows
export type AnyTable = Table<any, any>

/** A table of these rows, and its rules. The names of its keys and indexes are part of its type. */
export const tableOf =
  <Row>() =>
  <Key extends string, Name extends string = never>(
    name: string,
    rules: Rules<Row, Key, Name>
  ): Table<Row, Key | Name> =>
    new Table<Row, Key | Name>(name, rules)

export class Table<Row, Name extends string> {
  readonly name: string
  readonly rules: Rules<Row, string, string>
  readonly versions = new Set<Version<Row>>()
  readonly indexes: ReadonlyArray<Index<Row>>
  readonly checks: ReadonlyArray<readonly [string, (row: Row) => boolean]>
  /** References of other tables to this one. */
  readonly referrers: Array<{ readonly table: AnyTable; readonly reference: Reference<unknown> }> =
    []
  private readonly byName: ReadonlyMap<string, Index<Row>>

  constructor(name: string, rules: Rules<Row, string, string>) {
    this.name = name
    this.rules = rules
    const { unique, partial = [], indexes = {}, checks = {} } = rules
    this.checks = Object.entries(checks)
    const index =
      (isUnique: boolean) =>
      ([name, key]: [string, unknown]): Index<Row> => ({
        name,
        key: key as KeyOf<Row>,
        isUnique,
        isKey: isUnique && !partial.includes(name),
        entries: new Map()
      })
    this.indexes = [
      ...Object.entries(unique).map(index(true)),
      ...Object.entries(indexes).map(index(false))
    ]
    this.byName = new Map(this.indexes.map((each) => [each.name, each]))
  }

  index(name: Name): Index<Row> {
    return this.byName.get(name)!
  }

  /** The versions that an index has for a key, whichever are visible. */
  entries(name: Name, key: string): Iterable<Version<Row>> {
    return this.index(name).entries.get(key) ?? []
  }

  addTo({ key, entries }: Index<Row>, version: Version<Row>): void {
    const of = key(version.row)
    if (of === undefined) return
    const found = entries.get(of)
    if (found === undefined) entries.set(of, new Set([version]))
    else found.add(version)
  }

  /** Takes a version out of the table and of every index that has it. */
  drop(version: Version<Row>): void {
    this.versions.delete(version)
    for (const { key, entries } of this.indexes) {
      const of = key(version.row)
      if (of === undefined) continue
      const found = entries.get(of)
      if (found?.delete(version) && found.size === 0) entries.delete(of)
    }
  }

  clear(): void {
    this.versions.clear()
    for (const { entries } of this.indexes) entries.clear()
  }
}
