import { spawnSync } from "node:child_process"
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { commitmentOf, QueueTokens } from "@boxoffice/core"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { afterEach, describe, expect, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { boxoffice, boxofficeProcess } from "./command.ts"

// The command line as a script uses it: its output, its streams and its exit codes. Most tests run
// in this process; the tests of "a process" check that a process behaves the same.

const cleanups: Array<() => Promise<unknown>> = []
afterEach(async () => {
  while (cleanups.length > 0) await cleanups.pop()!()
})

const emptyDatabase = async () => {
  const database = await createTestDatabase()
  cleanups.push(database.drop)
  const sql = (statement: string) =>
    Effect.runPromise(
      Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe(statement)).pipe(
        Effect.provide(PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 }))
      )
    )
  return { url: database.url, sql }
}

const { PATH = "" } = process.env

describe("boxoffice", () => {
  test.each([
    [
      "",
      [
        "demo",
        "simulate",
        "plan",
        "migrate",
        "doctor",
        "seed",
        "serve",
        "queue",
        "events",
        "deliveries"
      ]
    ],
    ["--help", ["DATABASE_URL", "boxoffice demo"]],
    ["plan --help", ["psql", "--empty", "--app-role", "EXAMPLES"]],
    ["migrate --help", ["one transaction", "EXAMPLES"]],
    ["doctor --help", ["Ends with 2", "--json", "EXAMPLES"]],
    ["seed --help", ["adds nothing", "EXAMPLES"]],
    ["simulate --help", ["touches no other", "--keep", "EXAMPLES"]],
    ["verify-lottery --help", ["Ends with 2", "--commitment", "EXAMPLES"]]
  ])("%s teaches", async (args, words) => {
    const { code, out, err } = await boxoffice(args)
    expect({ code, err }).toEqual({ code: 0, err: "" })
    for (const word of words) expect(out.replaceAll(/\s+/g, " ")).toContain(word)
  })

  test.each([
    ["explode", 64, /Unknown subcommand "explode"[\s\S]*boxoffice --help/],
    ["plan --nope", 64, /Unrecognized flag: --nope[\s\S]*boxoffice plan --help/],
    ["simulate --users 0", 64, /--users: "0"\. Expected a value /],
    ["migrate --lock-timeout -1 --url postgres://x/y", 64, /--lock-timeout/],
    ["migrate", 1, /Which database\? Set DATABASE_URL=/],
    ["doctor --url mysql://u:s3cret@h/x", 1, /expected postgres:/],
    ["plan --empty --schema Pg_Big", 1, /cannot name the schema/],
    [
      "doctor --url postgres://u:s3cret@127.0.0.1:1/x",
      1,
      /ECONNREFUSED[\s\S]*Is the server running/
    ]
  ])("%s ends with %i, says why on stderr, and nothing else", async (args, code, why) => {
    const ended = await boxoffice(args)
    expect(ended).toMatchObject({ code, out: "", err: expect.stringMatching(why) })
    expect(ended.err).not.toContain("s3cret")
  })

  test("says what to do about a wrong password, and does not print it", async () => {
    const { url } = await emptyDatabase()
    const wrong = new URL(url)
    wrong.password = "s3cret-and-wrong"
    const ended = await boxoffice("migrate", { DATABASE_URL: wrong.href })
    expect(ended).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringMatching(/password authentication failed[\s\S]*Check user and password/)
    })
    expect(ended.err).not.toContain("s3cret")
  })
})

describe("a process", () => {
  test("prints to its own streams, and ends by itself with the code of the answer", async () => {
    const { url } = await emptyDatabase()
    const env = { DATABASE_URL: url }
    for (const [args, expected] of [
      ["seed", { code: 1, out: "", err: /migrate it/ }],
      ["migrate", { code: 0, out: /went from version 0 to/, err: /0001_schema\.sql \.\.\./ }],
      ["doctor --strict", { code: 2, out: /superuser/, err: "" }],
      ["-- plan", { code: 0, out: /nothing to do/, err: "" }],
      ["explode", { code: 64, out: "", err: /Unknown subcommand/ }]
    ] as const) {
      const ended = await boxofficeProcess(args, env)
      expect(ended, args).toEqual({
        code: expected.code,
        out: expected.out && expect.stringMatching(expected.out),
        err: expected.err && expect.stringMatching(expected.err)
      })
      expect(await boxoffice(args.replace("-- ", ""), env), args).toMatchObject(
        args === "migrate" ? { code: 0, err: "" } : ended
      )
    }
  })
})

describe("verify-lottery", () => {
  const seed = "7".repeat(64)
  const commitment = commitmentOf(seed)
  const notice = (opening: object | null) => ({ queueId: "gala", mode: "open", opening })
  const opened = { opensAt: "2030-01-01T12:00:00.000Z", commitment, seed, drawn: 1_000 }
  const fileOf = async (content: unknown): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), "boxoffice-draw-"))
    cleanups.push(() => rm(directory, { recursive: true }))
    const path = join(directory, "notice.json")
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content))
    return path
  }

  test("recomputes one place and everyone's, by a file or flag by flag", async () => {
    const path = await fileOf(notice(opened))
    // These places are those that the script of the documentation computes.
    for (const [number, place] of [
      [1, 882],
      [2, 434],
      [1_000, 259]
    ]) {
      const one = await boxoffice(`verify-lottery --file ${path} --number ${number} --json`)
      expect(one).toMatchObject({ code: 0, err: "" })
      expect(JSON.parse(one.out)).toEqual({
        queueId: "gala",
        commitment,
        seed,
        drawn: 1_000,
        kept: true,
        places: [{ number, place }]
      })
    }
    const flags = `--queue gala --seed ${seed} --commitment ${commitment} --drawn 1000`
    const all = await boxoffice(`verify-lottery ${flags}`)
    expect(all).toMatchObject({ code: 0, err: "" })
    const [verdict, , ...lines] = all.out.trim().split("\n")
    expect(verdict).toBe("The seed of gala matches the commitment. Drawn: 1000.")
    expect(lines.slice(0, 2)).toEqual(["1\t882", "2\t434"])
    const places = lines.map((line) => Number(line.split("\t")[1]))
    expect(places.sort((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1))
  }, 30_000)

  const token = (number: number, lane: "general" | "priority" = "general", queueId = "gala") =>
    Effect.runSync(
      Effect.map(QueueTokens, (tickets) =>
        tickets.sign({
          queueId: queueId as never,
          userId: "ada" as never,
          tokenId: "0190a0c0-0000-7000-8000-000000000000" as never,
          entry: { lane, number, issuedAt: 1_893_456_000 }
        })
      ).pipe(
        Effect.provide(QueueTokens.layer([{ id: "k1", secret: Redacted.make("s".repeat(32)) }]))
      )
    )

  test("the holder of a token sees their own number and place", async () => {
    const path = await fileOf(notice(opened))
    const words = await boxofficeProcess(
      `verify-lottery --file ${path} --token -`,
      {},
      `${token(2)}\n`
    )
    expect(words).toEqual({
      code: 0,
      out: "The seed of gala matches the commitment. Drawn: 1000.\nnumber\tplace\n2\t434\n",
      err: ""
    })
    const asJson = await boxofficeProcess(
      `verify-lottery --file - --token ${token(1_000)} --json`,
      {},
      JSON.stringify(notice(opened))
    )
    expect(asJson).toMatchObject({ code: 0, err: "" })
    expect(JSON.parse(asJson.out).places).toEqual([{ number: 1_000, place: 259 }])
  })

  test.each([
    ["of another queue", token(1, "general", "other"), "", /of the queue other, and not of gala/],
    ["of the priority lane", token(1, "priority"), "", /the priority lane is not drawn/],
    [
      "of one who came later",
      token(1_001),
      "",
      /number 1001, and 1000 were drawn.*order of arrival/
    ],
    ["that is none", "bo1.k1.e30.x", "", /no queue token/],
    ["beside a number", token(1), "--number 1", /either --token or --number/]
  ])("a token %s has no place to check", async (_, text, flags, why) => {
    const path = await fileOf(notice(opened))
    const ended = await boxofficeProcess(
      `verify-lottery --file ${path} --token - ${flags}`,
      {},
      text
    )
    expect(ended).toMatchObject({ code: 1, out: "", err: expect.stringMatching(why) })
    expect(ended.err).not.toContain(text)
  })

  test("ends with 2 where the seed does not match the commitment", async () => {
    const path = await fileOf(notice(opened))
    // The commitment that the user noted before takes precedence over the file of the server.
    const noted = commitmentOf("8".repeat(64))
    const ended = await boxoffice(`verify-lottery --file ${path} --commitment ${noted}`)
    expect(ended).toMatchObject({ code: 2, err: "" })
    expect(ended.out).toBe(
      `The seed of gala does NOT match the commitment.\npublished: ${noted}\nof the seed: ${commitment}\n`
    )
    const asJson = await boxoffice(`verify-lottery --file ${path} --commitment ${noted} --json`)
    expect(asJson).toMatchObject({ code: 2, err: "" })
    expect(JSON.parse(asJson.out)).toMatchObject({ kept: false, places: [] })
  })

  test.each([
    ["what has not opened", notice({ ...opened, seed: null, drawn: null }), "", /not opened yet/],
    ["a queue without a draw", notice(null), "", /gala has no draw/],
    ["something else", "{", "", /is not what GET/],
    ["a seed that is none", notice({ ...opened, seed: "7" }), "", /64 hex digits/],
    ["a number that did not take part", notice(opened), "--number 1001", /did not take part/]
  ])("%s cannot be checked", async (_, content, flags, why) => {
    const ended = await boxoffice(`verify-lottery --file ${await fileOf(content)} ${flags}`)
    expect(ended).toMatchObject({ code: 1, out: "", err: expect.stringMatching(why) })
  })

  test.each([
    ["verify-lottery", 1, /--file with the response of GET.*--queue, --seed, --drawn and --comm/],
    [
      "verify-lottery --seed 7777777777777777777777777777777777777777777777777777777777777777",
      1,
      /--queue is missing/
    ],
    ["verify-lottery --file - --token -", 1, /Only one of --file and --token/],
    ["verify-lottery --file /nowhere/x.json", 1, /cannot be read/],
    ["verify-lottery --seed 77", 64, /--seed/],
    ["verify-lottery --drawn 10000001", 64, /--drawn/]
  ])("%s ends with %i", async (args, code, why) => {
    expect(await boxoffice(args)).toMatchObject({ code, out: "", err: expect.stringMatching(why) })
  })
})

describe("plan, migrate, doctor, seed", () => {
  test("one after the other, as a person would", async () => {
    const { url } = await emptyDatabase()
    const env = { DATABASE_URL: url }
    const before = await boxoffice("doctor", env)
    expect(before).toMatchObject({ code: 2, out: expect.stringContaining("boxoffice migrate") })
    const planned = await boxoffice("plan", env)
    expect(planned).toMatchObject({ code: 0, err: "", out: expect.stringContaining("BEGIN;") })
    const unready = await boxoffice("seed", env)
    expect(unready).toMatchObject({ code: 1, out: "", err: expect.stringContaining("migrate it") })

    const migrated = await boxoffice("migrate", env)
    expect(migrated).toMatchObject({ code: 0, err: expect.stringContaining("0001_schema.sql ...") })
    expect(migrated.out).toMatch(/The schema boxoffice went from version 0 to \d+\.\n/)
    expect(await boxoffice("migrate", env)).toMatchObject({
      code: 0,
      err: "",
      out: "The schema boxoffice is up to date.\n"
    })
    expect((await boxoffice("plan", env)).out).toContain("nothing to do")
    // The superuser of the test server causes a warning, which fails only with --strict.
    expect(await boxoffice("doctor", env)).toMatchObject({ code: 0, err: "" })
    expect(await boxoffice("doctor --strict", env)).toMatchObject({ code: 2 })

    const seeded = await boxoffice("seed --json", env)
    expect(seeded).toMatchObject({ code: 0, err: "" })
    expect(JSON.parse(seeded.out).performances).toHaveLength(3)
    // Running it again adds nothing.
    expect((await boxoffice("seed --json", env)).out).toBe(seeded.out)
    expect((await boxoffice("seed", env)).out).toContain("436 seats")
  }, 60_000)

  test("in another schema, by flags, as JSON", async () => {
    const { url, sql } = await emptyDatabase()
    const at = `--url ${url} --schema tickets --json`
    const planned = JSON.parse((await boxoffice(`plan ${at}`)).out)
    expect(planned).toMatchObject({ schema: "tickets", from: 0, isEmpty: false })
    expect(Object.keys(planned).sort()).toEqual(
      ["from", "isEmpty", "migrations", "schema", "sql", "to"].sort()
    )
    expect(JSON.parse((await boxoffice(`migrate ${at}`)).out)).toMatchObject({
      schema: "tickets",
      from: 0,
      to: planned.to,
      applied: expect.arrayContaining(["schema"])
    })
    await sql("DROP INDEX tickets.performance_by_show")
    const examined = await boxoffice(`doctor ${at}`)
    const report = JSON.parse(examined.out)
    expect(examined.code).toBe(2)
    expect(Object.keys(report).sort()).toEqual(
      ["expectedVersion", "findings", "healthy", "schema", "serverVersion", "version"].sort()
    )
    expect(report).toMatchObject({ healthy: false, schema: "tickets" })
    expect(report.findings[0]).toEqual({
      level: "problem",
      code: "index_missing",
      subject: "index performance_by_show of performance",
      message: "The index performance_by_show of performance is missing.",
      remedy: expect.any(String),
      sql:
        "CREATE INDEX CONCURRENTLY performance_by_show ON tickets.performance " +
        "USING btree (show_id, starts_at, performance_id)"
    })
    // Text without colours, because stdout is a pipe.
    const words = await boxoffice(`doctor ${at.replace(" --json", "")}`)
    expect(words.out).toContain("problem index performance_by_show of performance\n  The index")
    expect(words.out).not.toContain("\u001b")
  }, 60_000)

  test("a newer schema is refused in words", async () => {
    const { url, sql } = await emptyDatabase()
    const env = { DATABASE_URL: url }
    await boxoffice("migrate", env)
    await sql("INSERT INTO boxoffice.migration (version, name) VALUES (99, 'later')")
    for (const command of ["migrate", "plan", "seed"]) {
      const ended = await boxoffice(command, env)
      expect(ended).toMatchObject({ code: 1, out: "" })
      expect(ended.err).toMatch(/is at version 99.*newer.*Update the package/)
    }
    expect(await boxoffice("doctor", env)).toMatchObject({ code: 2 })
  }, 60_000)

  test("a role that is not there is named", async () => {
    const { url } = await emptyDatabase()
    const ended = await boxoffice("migrate --app-role nobody_at_all", { DATABASE_URL: url })
    expect(ended).toMatchObject({ code: 1, out: "" })
    expect(ended.err).toMatch(/role "nobody_at_all" does not exist[\s\S]*CREATE ROLE/)
  }, 30_000)

  const hasPsql = spawnSync("psql", ["--version"], { env: { PATH } }).status === 0

  test.runIf(hasPsql)(
    "the plan is piped to psql",
    async () => {
      const { url } = await emptyDatabase()
      const env = { DATABASE_URL: url }
      const { out } = await boxoffice("plan", env)
      const psql = spawnSync("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", url], {
        input: out,
        encoding: "utf8"
      })
      expect(psql).toMatchObject({ status: 0, stderr: "" })
      expect((await boxoffice("plan", env)).out).toContain("nothing to do")
    },
    30_000
  )
})

describe("simulate", () => {
  const small = "--users 60 --seats 20 --max-active 30 --arrival-seconds 1 --hold-seconds 2"

  test("plays on a database, and leaves it as it was", async () => {
    const { url, sql } = await emptyDatabase()
    const directory = await mkdtemp(join(tmpdir(), "boxoffice-simulation-"))
    cleanups.push(() => rm(directory, { recursive: true, force: true }))
    const schemas =
      "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
    const before = await sql(schemas)
    const ended = await boxofficeProcess(`simulate ${small} --json --report ${directory}`, {
      DATABASE_URL: url,
      // The simulation refuses the schema with the real tables.
      BOXOFFICE_SCHEMA: "public"
    })
    expect(ended.err).not.toContain("Error")
    expect(ended.code).toBe(0)
    const result = JSON.parse(ended.out)
    expect(result).toMatchObject({ users: 60, seats: 20, holds: true, failures: {} })
    expect(result.sold).toBeGreaterThan(0)
    const checked = new Set(result.checks.map((check: { invariant: string }) => check.invariant))
    expect(checked.size).toBe(13)
    expect(await sql(schemas)).toEqual(before)
    expect((await readdir(directory)).sort()).toEqual([
      "simulation-rates.svg",
      "simulation-sale.svg",
      "simulation.json",
      "simulation.md"
    ])
  }, 90_000)

  test("does not touch a schema that is not there to play in", async () => {
    const { url, sql } = await emptyDatabase()
    const env = { DATABASE_URL: url }
    await boxoffice("migrate", env)
    await boxoffice("seed", env)
    for (const schema of ["boxoffice", "public"]) {
      const ended = await boxoffice(`simulate ${small} --schema ${schema}`, env)
      expect(ended).toMatchObject({ code: 1, out: "", err: expect.stringContaining("untouched") })
    }
    expect(await sql("SELECT count(*) AS shows FROM boxoffice.show")).toEqual([{ shows: 1n }])
  }, 60_000)

  test("keeps its schema with --keep, and uses it again", async () => {
    const { url, sql } = await emptyDatabase()
    const env = { DATABASE_URL: url }
    for (const _ of ["first", "again"]) {
      expect((await boxofficeProcess(`simulate ${small} --schema play --keep`, env)).out).toContain(
        "every invariant holds"
      )
    }
    expect(await sql("SELECT count(*) AS shows FROM play.show")).toEqual([{ shows: 1n }])
  }, 120_000)

  test("with no database at all, plays on an embedded one", async () => {
    const ended = await boxofficeProcess(`simulate ${small}`)
    expect(ended).toMatchObject({ code: 0, out: expect.stringContaining("every invariant holds") })
    expect(ended.err).toContain("embedded Postgres")
  }, 90_000)
})
