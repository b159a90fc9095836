import { afterAll, beforeAll, describe, expect, test } from "vitest"
import {
  breaking,
  type Change,
  changesOf,
  deleteOf,
  domainOf,
  holdsFor,
  insertOf,
  locationsOf,
  updateOf,
  type Write,
  writeOf
} from "./schema/candidates.ts"
import {
  type ForeignKey,
  type Rule,
  readTables,
  type Table,
  writable,
  writableOf
} from "./schema/catalogue.ts"
import { type Attack, constraintAttacks, triggerAttacks } from "./schema/handWritten.ts"
import { type LivedDatabase, openLivedDatabase } from "./schema/livedDatabase.ts"
import {
  attempt,
  checkViolation,
  identityIsGenerated,
  noPrivilege,
  notNullViolation,
  type Session
} from "./schema/session.ts"

// Every rule of the schema is attacked by raw SQL as the application's role. The attacks are made
// from the catalogue: a new table, column or rule is attacked too, or fails by its name until an
// attack on it is written in `schema/handWritten.ts`.

let lived: LivedDatabase
let app: Session
let tables: ReadonlyArray<Table>
const counts: Record<string, number> = {}

beforeAll(async () => {
  lived = await openLivedDatabase()
  app = lived.app
  tables = await readTables(lived.admin, lived.role)
})
afterAll(async () => {
  console.log("Attacks by raw SQL, all refused:", counts)
  await lived.drop()
})

const count = (kind: string) => {
  counts[kind] = (counts[kind] ?? 0) + 1
}

/** The refusal; an attack that nothing refuses fails the test by the rule's name. */
const refusalOf = async (kind: string, rule: string, { statement, params }: Write) => {
  count(kind)
  const { refusal, rows } = await attempt(app, statement, params)
  if (refusal === undefined && rows.length > 0) {
    expect.soft(`${statement} ${JSON.stringify(params)}`, `${rule} let this pass`).toBe("refused")
  }
  return refusal
}

const verbsOf = (table: Table) =>
  (["INSERT", "UPDATE"] as const).filter((verb) => table.rights.includes(verb))

const oneByOne = async (attacks: ReadonlyArray<Attack>, kind: string) => {
  for (const { statement, refusedBy } of attacks) {
    const refusal = await refusalOf(kind, refusedBy, { statement, params: [] })
    expect.soft([refusal?.constraint, refusal?.code], statement).toContain(refusedBy)
  }
}

test("every table has rows, so that each of its rules can be attacked", async () => {
  for (const table of tables) {
    expect.soft((await locationsOf(app, table)).length, table.name).toBeGreaterThan(0)
  }
})

describe("a CHECK", () => {
  /** Attacks until the rule itself has refused one: what comes before it may refuse first. */
  const attackBy = async (table: Table, rule: Rule, verb: "INSERT" | "UPDATE") => {
    for (const at of await locationsOf(app, table)) {
      const changes = [...changesOf(table, rule.columns)]
      for (const change of await breaking(app, table, at, rule, changes)) {
        const refusal = await refusalOf("CHECK", rule.name, writeOf[verb](table, at, change))
        if (refusal?.code === checkViolation && refusal.constraint === rule.name) return true
      }
    }
    return false
  }

  test("refuses what breaks it, whichever statement writes it", async () => {
    for (const table of tables) {
      for (const rule of table.checks) {
        for (const verb of verbsOf(table)) {
          if (await attackBy(table, rule, verb)) continue
          expect.soft(constraintAttacks, `${verb} against ${rule.name}`).toHaveProperty(rule.name)
        }
      }
    }
  })
})

test("a rule that no derived attack reaches has its own", async () => {
  for (const attacks of Object.values(constraintAttacks)) await oneByOne(attacks, "by hand")
})

test("a column that is required takes no NULL", async () => {
  for (const table of tables) {
    const locations = await locationsOf(app, table)
    for (const { name, required, computedFrom } of table.columns) {
      if (!required || computedFrom.length > 0) continue
      for (const verb of verbsOf(table)) {
        const codes = new Set<string | undefined>()
        for (const at of locations) {
          const write = writeOf[verb](table, at, { [name]: null })
          const refusal = await refusalOf("NOT NULL", `${table.name}.${name}`, write)
          codes.add(refusal?.column === name ? refusal.code : `another: ${refusal?.code}`)
          if (codes.has(notNullViolation)) break
        }
        const refused = codes.has(notNullViolation) || codes.has(`another: ${identityIsGenerated}`)
        expect.soft(refused, `${verb} of NULL into ${table.name}.${name}`).toBe(true)
      }
    }
  }
})

describe("a foreign key", () => {
  const attackBy = async (table: Table, key: ForeignKey, verb: "INSERT" | "UPDATE") => {
    for (const at of await locationsOf(app, table)) {
      for (const name of writableOf(table, key)) {
        for (const value of domainOf(table, name)) {
          if (value === null) continue
          const fresh = verb === "INSERT" ? await freshFor(table, key, at) : {}
          const change = { ...fresh, [name]: value }
          const { statement, params } = writeOf[verb](table, at, change)
          const { refusal } = await attempt(app, statement, params)
          count("orphan")
          if (refusal?.constraint === key.name) return true
        }
      }
    }
    return false
  }

  test("refuses an orphan", async () => {
    for (const table of tables) {
      for (const key of table.foreignKeys) {
        for (const verb of verbsOf(table)) {
          if (await attackBy(table, key, verb)) continue
          expect.soft(constraintAttacks, `${verb} against ${key.name}`).toHaveProperty(key.name)
        }
      }
    }
  })

  test("keeps its parent, where the role may change or delete that at all", async () => {
    for (const table of tables) {
      for (const key of table.foreignKeys) {
        const parent = tables.find(({ name }) => name === key.parent)!
        for (const at of await locationsOf(app, parent)) {
          const referred = key.columns
            .map((column, i) => `c.${column} = ${key.parent}.${key.parentColumns[i]}`)
            .join(" AND ")
          const children = `EXISTS (SELECT FROM ${table.name} c WHERE ${referred})`
          if (!(await holdsFor(app, parent, at, children))) continue
          const change = { [key.parentColumns[0]!]: absentOf(parent, key.parentColumns[0]!) }
          for (const write of [deleteOf(parent, at), updateOf(parent, at, change)]) {
            const refusal = await refusalOf("parent", key.name, write)
            expect.soft(refusal, `${write.statement} against ${key.name}`).toBeDefined()
          }
        }
      }
    }
  })
})

describe("a unique index", () => {
  /** Whether another index of all rows is of a part of its columns, and so is never broken alone. */
  const follows = (table: Table, rule: Rule) =>
    table.uniques.some(
      (other) =>
        other.name !== rule.name &&
        other.expression === "true" &&
        other.columns.every((name) => rule.columns.includes(name))
    )

  test("refuses a second row, added", async () => {
    for (const table of tables) {
      for (const rule of table.uniques) {
        if (!table.rights.includes("INSERT") || follows(table, rule)) continue
        const refusedBy = new Set<string | undefined>()
        for (const at of await locationsOf(app, table)) {
          if (!(await holdsFor(app, table, at, rule.expression))) continue
          const write = insertOf(table, at, await freshFor(table, rule, at))
          refusedBy.add((await refusalOf("duplicate", rule.name, write))?.constraint)
        }
        // A trigger may refuse some of them before; one at least comes as far as the index.
        expect.soft([...refusedBy], `duplicates of ${table.name}`).toContain(rule.name)
      }
    }
  })

  test("refuses a second row, changed into one that is there", async () => {
    for (const table of tables) {
      if (!table.rights.includes("UPDATE")) continue
      for (const rule of table.uniques) {
        const [first, second] = await rowsOf(table, rule)
        // A table of one row, or a row of its own for each user: nothing to be changed into.
        if (first === undefined || second === undefined) continue
        const [values] = await app.query<{ row: Change }>(
          `SELECT to_jsonb(t) AS row FROM ${table.name} t WHERE ctid = $1::text::tid`,
          [first]
        )
        const change = Object.fromEntries(
          rule.columns.map((name) => [name, values!.row[name]] as const)
        )
        const refusal = await refusalOf("duplicate", rule.name, updateOf(table, second, change))
        expect.soft(refusal, `${table.name} against ${rule.name}`).toBeDefined()
      }
    }
  })

  const rowsOf = async (table: Table, rule: Rule) => {
    const found: Array<string> = []
    for (const at of await locationsOf(app, table)) {
      if (await holdsFor(app, table, at, rule.expression)) found.push(at)
    }
    return found
  }
})

test("each trigger refuses what it is there for", async () => {
  const triggers = tables.flatMap((table) => table.triggers)
  // A new trigger needs an attack in `schema/handWritten.ts`, by its name.
  expect(Object.keys(triggerAttacks).sort()).toEqual([...triggers].sort())
  for (const attacks of Object.values(triggerAttacks)) await oneByOne(attacks, "trigger")
})

describe("a privilege that the role lacks", () => {
  const refusedAll = async (statements: ReadonlyArray<string>) => {
    for (const statement of statements) {
      const refusal = await refusalOf("privilege", noPrivilege, { statement, params: [] })
      expect.soft([noPrivilege, identityIsGenerated], statement).toContain(refusal?.code)
    }
  }
  /** A statement for each right, which the server refuses before it looks at any row. */
  const statementsOf = ({ name }: Table, column: string): Readonly<Record<string, string>> => ({
    SELECT: `SELECT FROM ${name}`,
    INSERT: `INSERT INTO ${name} DEFAULT VALUES`,
    UPDATE: `UPDATE ${name} SET ${column} = ${column}`,
    DELETE: `DELETE FROM ${name}`
  })

  test("refuses the statement, of each table and column", async () => {
    for (const table of tables) {
      for (const column of writable(table)) {
        const statements = Object.entries(statementsOf(table, column))
        await refusedAll(
          statements.filter(([right]) => !table.rights.includes(right)).map(([, text]) => text)
        )
      }
    }
  })

  test("refuses to change the structure, whichever the table", async () => {
    for (const { name, columns, checks, foreignKeys, triggers } of tables) {
      await refusedAll([
        `TRUNCATE ${name} CASCADE`,
        `DROP TABLE ${name} CASCADE`,
        `ALTER TABLE ${name} DISABLE TRIGGER ALL`,
        `ALTER TABLE ${name} ADD COLUMN mine integer`,
        `ALTER TABLE ${name} DROP COLUMN ${columns[0]!.name}`,
        `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`,
        `CREATE INDEX ON ${name} (${columns[0]!.name})`,
        `CREATE RULE mine AS ON INSERT TO ${name} DO INSTEAD NOTHING`,
        `CREATE TABLE mine (LIKE ${name})`,
        ...[...checks, ...foreignKeys].map(
          (rule) => `ALTER TABLE ${name} DROP CONSTRAINT ${rule.name}`
        ),
        ...triggers.map((trigger) => `DROP TRIGGER ${trigger} ON ${name}`)
      ])
    }
  })

  test("refuses to change views, functions, counters and the schema", async () => {
    const objects = await lived.admin.query<{ statement: string }>(`
      SELECT format('CREATE OR REPLACE VIEW %I AS SELECT 1', relname) AS statement FROM pg_class
        WHERE relnamespace = 'boxoffice'::regnamespace AND relkind = 'v'
      UNION ALL SELECT format('DROP FUNCTION %s', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = 'boxoffice'::regnamespace
      UNION ALL SELECT format('SELECT %s(%L)', f, oid::regclass) FROM pg_class,
        unnest(ARRAY['nextval', 'currval']) f
        WHERE relnamespace = 'boxoffice'::regnamespace AND relkind = 'S'
      UNION ALL SELECT format('SELECT setval(%L, 1)', oid::regclass) FROM pg_class
        WHERE relnamespace = 'boxoffice'::regnamespace AND relkind = 'S'`)
    expect(objects.length).toBeGreaterThan(10)
    await refusedAll([
      ...objects.map(({ statement }) => statement),
      "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
      "CREATE SCHEMA mine",
      "DROP SCHEMA boxoffice CASCADE",
      "SET session_replication_role = replica"
    ])
  })

  test("is not lent by a function, but for one", async () => {
    const lending = await lived.admin.query(`
      SELECT proname FROM pg_proc WHERE pronamespace = 'boxoffice'::regnamespace AND prosecdef`)
    // It moves consumers after a restore, and does nothing in the cluster that they are of.
    expect(lending).toEqual([{ proname: "recover_consumers" }])
  })
})

/** A value that no row has. */
const absentOf = (table: Table, name: string): unknown => {
  const { type } = table.columns.find((column) => column.name === name)!
  if (type === "uuid") return crypto.randomUUID()
  if (type === "timestamp with time zone") return "2001-01-01T00:00:00Z"
  return type === "text" ? `absent-${crypto.randomUUID()}` : 900_000_000
}

/**
 * New values of as few columns as there must be, so that a copy of a row breaks no unique index but
 * perhaps the given rule. Numbers of lanes and booleans have no value left.
 */
const freshFor = async (table: Table, rule: Rule, at: string): Promise<Change> => {
  const change: Record<string, unknown> = {}
  for (const other of table.uniques) {
    if (other.columns.some((name) => name in change)) continue
    // The rule itself, or one that it comes before.
    if (rule.columns.every((name) => other.columns.includes(name))) continue
    if (!(await holdsFor(app, table, at, other.expression))) continue
    const name = other.columns.find((name) => !rule.columns.includes(name) && isFresh(table, name))
    if (name !== undefined) change[name] = absentOf(table, name)
  }
  return change
}

const isFresh = (table: Table, name: string): boolean => {
  const { type, computedFrom } = table.columns.find((column) => column.name === name)!
  return computedFrom.length === 0 && !["smallint", "boolean"].includes(type)
}
