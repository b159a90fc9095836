import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openBoxOffice } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Effect, ManagedRuntime, Redacted } from "effect"
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest"
import { createTestDatabase, type TestDatabase } from "../../../test-support/database.ts"
import { boxoffice, boxofficeProcess, freePort, run } from "./command.ts"
import { talkTo } from "./support.ts"

// The operator's commands, on a database that other processes use.

const signingKeys = { k1: "a secret of this test and of nothing else" }

let database: TestDatabase
let env: Record<string, string>
let sql: (statement: string) => Promise<ReadonlyArray<Record<string, unknown>>>
let office: Awaited<ReturnType<typeof openBoxOffice>>
const cleanups: Array<() => Promise<unknown>> = []

beforeAll(async () => {
  database = await createTestDatabase()
  env = { DATABASE_URL: database.url }
  // A node beside the command line: it admits users, and caches what it has read.
  office = await openBoxOffice({ database: database.url, migrate: true, signingKeys })
  const client = ManagedRuntime.make(
    PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 })
  )
  sql = (statement) =>
    client.runPromise(Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe(statement)))
  cleanups.push(database.drop, office.close, () => client.dispose())
}, 60_000)
afterAll(async () => {
  while (cleanups.length > 0) await cleanups.pop()!()
})

const directories: Array<string> = []
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true })
})
const fileOf = async (text: string): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "boxoffice-queue-"))
  directories.push(directory)
  const path = join(directory, "codes.txt")
  await writeFile(path, text)
  return path
}

/** Runs a command that succeeds, and returns the JSON document that it prints. */
const json = async (args: string, input?: string) => {
  const command = `queue ${args} --json`
  const ended =
    input === undefined
      ? await boxoffice(command, env)
      : await boxofficeProcess(command, env, input)
  expect(ended).toMatchObject({ code: 0, err: "" })
  return JSON.parse(ended.out)
}

/** The event types of a queue, the oldest first. */
const eventsOf = async (queueId: string) =>
  (
    await sql(
      `SELECT type, event FROM boxoffice.outbox_event
       WHERE aggregate_kind = 'queue' AND aggregate_id = '${queueId}' ORDER BY batch_id, position`
    )
  ).map(({ type }) => type)

describe("help and errors", () => {
  test.each([
    ["queue --help", ["list", "show", "pause", "resume", "drain", "close", "create", "settings"]],
    ["queue pause --help", ["keep their positions", "<ID>", "EXAMPLES"]],
    ["queue close --help", ["permanently", "--yes", "EXAMPLES"]],
    ["queue settings --help", ["--max-active", "--absence-seconds", "EXAMPLES"]],
    ["queue create --help", ["--opens-at", "BOXOFFICE_QUEUE_MAX_ACTIVE", "EXAMPLES"]],
    ["queue reschedule --help", ["--now", "seed that the published commitment fixed", "EXAMPLES"]],
    ["queue codes --help", ["one a line", "digests", "--uses", "EXAMPLES"]]
  ])("%s teaches", async (args, words) => {
    const { code, out, err } = await boxoffice(args)
    expect({ code, err }).toEqual({ code: 0, err: "" })
    for (const word of words) expect(out.replaceAll(/\s+/g, " ")).toContain(word)
  })

  test.each([
    ["queue explode", 64, /Unknown subcommand/],
    ["queue pause", 64, /ID/],
    ["queue pause no/such/name", 64, /ID/],
    ["queue settings gala --max-active 0", 64, /--max-active/],
    ["queue settings gala --priority-share-percent 101", 64, /--priority-share-percent/],
    ["queue create gala --opens-at tomorrow", 64, /2030-01-01T19:30:00\+09:00/],
    ["queue create gala --opens-at 2030-01-01T12:00:00", 64, /with its offset/],
    ["queue codes gala --uses -1", 64, /--uses/],
    ["queue pause gala", 1, /Which database\?/]
  ])("%s ends with %i and does nothing", async (args, code, why) => {
    const ended = await boxoffice(args)
    expect(ended).toMatchObject({ code, out: "", err: expect.stringMatching(why) })
  })

  test("what cannot be done says what can", async () => {
    await office.queue.create({ queueId: "plain" })
    for (const [args, why] of [
      ["show nowhere", /no queue nowhere in the schema boxoffice.*`boxoffice queue list`/],
      ["pause nowhere", /no queue nowhere/],
      ["create plain --max-active 7", /another queue plain.*`boxoffice queue settings plain`/],
      ["settings plain", /at least one, such as --max-active.*`boxoffice queue show plain`/],
      ["reschedule plain", /either --opens-at or --now/],
      ["reschedule plain --now --opens-at 2030-01-01T12:00:00Z", /either --opens-at or --now/],
      ["reschedule plain --now", /open already.*`boxoffice queue pause plain`/],
      ["codes plain --file /nowhere/x.txt", /cannot be read.*ENOENT/]
    ] as const) {
      const ended = await boxoffice(`queue ${args}`, env)
      expect(ended).toMatchObject({ code: 1, out: "", err: expect.stringMatching(why) })
    }
  }, 60_000)
})

test("a queue's life, as an operator types it", async () => {
  const made = await json("create gala --max-active 1 --claim-seconds 90")
  expect(made).toMatchObject({
    queueId: "gala",
    mode: "open",
    settings: { maxActive: 1, claimSeconds: 90, sessionSeconds: 600 },
    waiting: 0,
    active: 0,
    opening: null
  })
  await office.queue.join({ queueId: "gala", userId: "ada" })
  await office.queue.join({ queueId: "gala", userId: "bob" })
  expect(await json("show gala")).toMatchObject({ waiting: 1, active: 1 })
  const { out } = await boxoffice("queue show gala", env)
  expect(out).toContain("gala is open: users join and are admitted. Waiting: 1. Inside: 1 of 1.")
  expect(out).toContain("\n  --claim-seconds 90\n")

  expect(await json("pause gala")).toMatchObject({ mode: "paused", waiting: 1 })
  const paused = await boxoffice("queue pause gala", env)
  expect(paused.out).toMatch(/gala is paused: .*\nNext: `boxoffice queue resume gala`\.\n/)
  expect(await json("resume gala")).toMatchObject({ mode: "open" })
  expect(await json("drain gala")).toMatchObject({ mode: "draining" })

  const unsure = await boxoffice("queue close gala", env)
  expect(unsure).toMatchObject({ code: 1, out: "" })
  expect(unsure.err).toMatch(
    /permanent, and 1 waiting user loses their token.*gala --yes.*drain gala/
  )
  expect(await json("show gala")).toMatchObject({ mode: "draining" })
  expect(await json("close gala --yes")).toMatchObject({ mode: "closed" })
  const reopened = await boxoffice("queue resume gala", env)
  expect(reopened).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/permanently/) })

  // Pausing a paused queue changes nothing and writes no event.
  expect((await eventsOf("gala")).filter((type) => type === "QueueModeChanged")).toHaveLength(4)
}, 60_000)

test("settings change only what they name, and a server admits the next user", async () => {
  await json("create hall --max-active 1 --admit-per-minute 100")
  await office.queue.join({ queueId: "hall", userId: "ada" })
  await office.queue.join({ queueId: "hall", userId: "bob" })
  const changed = await json("settings hall --max-active 2 --absence-seconds 0")
  expect(changed.settings).toMatchObject({ maxActive: 2, admitPerMinute: 100, absenceSeconds: 0 })
  // The command admits no users, because only a server knows its host's policies.
  expect(changed).toMatchObject({ waiting: 1, active: 1 })
  await office.queue.advance("hall")
  expect(await json("show hall")).toMatchObject({ waiting: 0, active: 2 })
  expect(await eventsOf("hall")).toContain("QueueConfigured")
}, 30_000)

test("a new queue has the settings of the environment, where no flag says otherwise", async () => {
  const variables = {
    ...env,
    BOXOFFICE_QUEUE_MAX_ACTIVE: "7",
    BOXOFFICE_QUEUE_ABSENCE_SECONDS: "0",
    BOXOFFICE_QUEUE_CLAIM_SECONDS: ""
  }
  const made = await boxoffice("queue create house --max-active 8 --json", variables)
  expect(made).toMatchObject({ code: 0, err: "" })
  expect(JSON.parse(made.out).settings).toMatchObject({
    maxActive: 8,
    absenceSeconds: 0,
    claimSeconds: 120
  })
  const wrong = { ...env, BOXOFFICE_QUEUE_MAX_ACTIVE: "0" }
  expect(await boxoffice("queue create wrong", wrong)).toMatchObject({ code: 64, out: "" })
}, 30_000)

test("an opening is moved, and opened at once", async () => {
  const made = await json("create draw --opens-at 2030-01-01T12:00:00+09:00")
  expect(made).toMatchObject({ mode: "collecting", created: true })
  expect(made.opening).toMatchObject({ opensAt: "2030-01-01T03:00:00.000Z", seed: null })
  const { commitment } = made.opening
  const again = await boxoffice("queue create draw --opens-at 2030-01-01T12:00:00+09:00", env)
  expect(again).toMatchObject({ code: 0, err: "" })
  expect(again.out).toMatch(
    /^Nothing to do: .*\n.*collecting: .*opens at 2030-01-01T03:00:00\.000Z/
  )
  expect(again.out).toContain(commitment)
  const moved = await json("reschedule draw --opens-at 2030-01-01T03:30:00Z")
  expect(moved.opening).toMatchObject({ opensAt: "2030-01-01T03:30:00.000Z", commitment })
  expect((await boxoffice("queue list", env)).out).toMatch(
    /^draw +collecting +0 +0 of \d+ +2030-01-01T03:30:00\.000Z$/m
  )
  await office.queue.join({ queueId: "draw", userId: "ada" })
  await json("reschedule draw --now")
  await office.queue.advance("draw")
  const opened = await json("show draw")
  expect(opened.mode).toBe("open")
  expect(opened.opening).toMatchObject({ commitment, drawn: 1, seed: expect.any(String) })
  expect((await boxoffice("queue show draw", env)).out).toContain(opened.opening.seed)
}, 30_000)

test("an opening that has passed is accepted, with a warning", async () => {
  const passed = "--opens-at 2020-01-01T12:00:00Z"
  const warned =
    /^Warning: 2020-01-01T12:00:00\.000Z is in the past, so the queue opens at once\.\n$/
  const made = await boxoffice(`queue create late ${passed} --json`, env)
  expect(made).toMatchObject({ code: 0, err: expect.stringMatching(warned) })
  expect(JSON.parse(made.out)).toMatchObject({ queueId: "late", created: true })
  // A set-up that runs again after the opening is no mistake.
  expect(await boxoffice(`queue create late ${passed}`, env)).toMatchObject({ code: 0, err: "" })
  await json("create later --opens-at 2099-01-01T12:00:00Z")
  const moved = await boxoffice(`queue reschedule later ${passed}`, env)
  expect(moved).toMatchObject({ code: 0, err: expect.stringMatching(warned) })
  expect((await boxoffice("queue close later", env)).err).toContain(
    "0 waiting users lose their tokens"
  )
}, 30_000)

test("lists every queue, however many there are", async () => {
  await sql(
    `INSERT INTO boxoffice.queue (queue_id, max_active, admit_per_minute, claim_seconds,
       session_seconds)
     SELECT 'many-' || lpad(n::text, 3, '0'), 1, 1, 1, 1 FROM generate_series(1, 401) n`
  )
  const { queues } = await json("list")
  const ids = queues.map(({ queueId }: { queueId: string }) => queueId)
  expect(ids.filter((id: string) => id.startsWith("many-"))).toHaveLength(401)
  expect(new Set(ids).size).toBe(ids.length)
  const none = await boxoffice("queue list --schema other", env)
  expect(none).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/boxoffice migrate/) })
}, 30_000)

describe("codes", () => {
  const opens = async (code: string, userId: string) =>
    office.queue.join({ queueId: "club", userId, code }).then(
      () => "joined",
      (error) => error.code as string
    )

  test("come from a file or stdin, are never shown again, and can be withdrawn", async () => {
    await json("create club")
    const secret = ["first-of-two", "second-of-two"]
    const path = await fileOf(`"${secret[0]}"\r\n\n  ${secret[1]}\n`)
    const added = await json(`codes club --file ${path} --uses 2`)
    expect(added).toEqual({ queueId: "club", added: 2, uses: 2 })
    expect(await opens(secret[0]!, "ada")).toBe("joined")
    expect(await opens(secret[1]!, "bob")).toBe("joined")

    const words = await boxofficeProcess("queue codes club", env, "by-standard-input")
    expect(words).toEqual({
      code: 0,
      out: "Codes of club that can be used from now on: 1, each for 1 to join.\n",
      err: ""
    })
    expect(await opens("by-standard-input", "eve")).toBe("joined")
    await json("codes club --uses 0 --file -", secret[0])
    expect(await opens(secret[0]!, "kim")).toBe("queue_code_invalid")
    expect(await opens(secret[1]!, "lee")).toBe("joined")
  }, 60_000)

  test("that cannot be taken are named by their line, and not repeated", async () => {
    await office.queue.create({ queueId: "bad-codes" })
    const refusedWith = async (input: string) => {
      const ended = await boxofficeProcess("queue codes bad-codes", env, input)
      expect(ended).toMatchObject({ code: 1, out: "" })
      return ended.err
    }
    const short = await refusedWith("long-enough\n\ns3cret\n")
    expect(short).toMatch(/No code was added:\n {2}line 3: Expected 8 to 64 visible/)
    expect(short).not.toContain("s3cret")
    const twice = await refusedWith("s3cret-code\ns3cret-code\n")
    expect(twice).toMatch(/differ from each other/)
    expect(twice).not.toContain("s3cret")
    expect(await refusedWith("")).toMatch(/1 to 10,000 codes/)
    expect(await refusedWith("s3cret-code,Ada\n")).toMatch(
      /No code was added:\n {2}line 1: put one code/
    )
    expect(await refusedWith("x\n".repeat(20))).toMatch(/line 5: .*\n {2}and 15 more/)
    expect(await refusedWith("x".repeat(1_100_000))).toMatch(/more than 1048576 bytes/)
    expect(await sql("SELECT * FROM boxoffice.queue_code WHERE queue_id = 'bad-codes'")).toEqual([])
  }, 60_000)
})

test("a running server obeys a pause within a second", async () => {
  const port = await freePort()
  await json("create door --max-active 1000")
  await using server = run(["serve", "--port", String(port)], {
    ...env,
    BOXOFFICE_IDENTITY: "header",
    BOXOFFICE_CHARGES: "user",
    BOXOFFICE_SIGNING_KEYS: `k1:${signingKeys.k1}`
  })
  await server.says("listening")
  const talk = talkTo(`http://127.0.0.1:${port}`)
  const databaseTime = async () =>
    Number((await sql("SELECT extract(epoch FROM clock_timestamp()) * 1000 AS at"))[0]!.at)

  // While the command runs, users poll one node, and the server gets only reads: it learns of the
  // pause by its own reads of the queue, and not from a batch of its own.
  const answers: Array<{ readonly askedAt: number; readonly mode: string }> = []
  let joins = 0
  const joining = (async () => {
    const join = () => office.queue.join({ queueId: "door", userId: `user-${joins}` })
    while (joins++ < 10_000 && (await join().then(Boolean, () => false)));
  })()
  const asking = (async () => {
    const until = performance.now() + 20_000
    while (answers.at(-1)?.mode !== "paused" && performance.now() < until) {
      const askedAt = await databaseTime()
      const { body } = await talk("GET", "/v1/queues/door", { user: "eve" })
      answers.push({ askedAt, mode: body.mode })
    }
  })()
  await vi.waitFor(() => expect(Math.min(joins, answers.length)).toBeGreaterThan(2), 10_000)
  await json("pause door")
  await Promise.all([joining, asking])
  expect(answers.at(-1)!.mode).toBe("paused")

  const [paused] = await sql(
    `SELECT extract(epoch FROM occurred_at) * 1000 AS at FROM boxoffice.outbox_event
     WHERE type = 'QueueModeChanged' AND aggregate_id = 'door'`
  )
  const pausedAt = Number(paused!.at)
  const delays = answers.flatMap(({ mode, askedAt }) => (mode === "open" ? askedAt - pausedAt : []))
  // A second, plus the time of the commit itself on a busy machine.
  expect(Math.max(...delays)).toBeLessThan(1_250)
  // Joins are decided in the database: none succeeded after the pause.
  const [after] = await sql(
    `SELECT count(*) AS tokens, count(*) FILTER (
       WHERE joined_at > to_timestamp(${pausedAt} / 1000.0)) AS late
     FROM boxoffice.queue_token WHERE queue_id = 'door'`
  )
  expect(after).toEqual({ tokens: BigInt(joins - 1), late: 0n })
  const late = await talk("POST", "/v1/queues/door/token", { user: "late" })
  expect(late).toMatchObject({ status: 409, body: { code: "queue_closed" } })
}, 60_000)
