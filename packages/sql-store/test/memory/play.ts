/** Plays a history of steps on both databases, and compares what each step does. */
import pg from "pg"
import { type Running, SteppedSession } from "../../../../test-support/stepper.ts"
import { Database } from "../../../core/src/testing/database/Database.ts"
import { isVisibleIn, parseSnapshot } from "../../../core/src/testing/database/snapshots.ts"
import { type Answer, makeTables, type Step, sqlOf, statementOf, tablesInSql } from "./steps.ts"

/** The outcome of a step, as both databases can tell it. */
type Outcome = { readonly rows: unknown } | { readonly error: string } | "waits"

export interface Played {
  /** What happened, a line for each step. */
  readonly story: ReadonlyArray<string>
  /** What differed; `undefined` if nothing did. */
  readonly difference: string | undefined
}

/** A session of Postgres. At most one of its statements is under way. */
class ServerSession {
  readonly pid: number
  outcome: Outcome = { rows: [] }
  private readonly client: pg.Client
  private pending: Promise<void> = Promise.resolve()

  private constructor(client: pg.Client, pid: number) {
    this.client = client
    this.pid = pid
  }

  static async open(url: string): Promise<ServerSession> {
    const client = new pg.Client(url)
    await client.connect()
    // So that a deadlock takes no second to show. Some roles may not set it.
    await client.query("SET deadlock_timeout = '20ms'").catch(() => {})
    const { rows } = await client.query("SELECT pg_backend_pid() AS pid")
    return new ServerSession(client, rows[0].pid)
  }

  send(sql: string): void {
    this.outcome = "waits"
    this.pending = this.client.query({ text: sql, rowMode: "array" }).then(
      ({ rows }) => {
        this.outcome = { rows }
      },
      async ({ code, constraint }: { readonly code: string; readonly constraint?: string }) => {
        // Postgres tells the error before it undoes the transaction and frees its locks.
        await this.client.query("")
        this.outcome = { error: `${code} ${constraint ?? ""}`.trim() }
      }
    )
  }

  get answered(): Promise<void> {
    return this.pending
  }

  close(): Promise<void> {
    return this.client.end()
  }
}

/** An empty database, which each history finds as the one before left it: empty again. */
export const openServer = async (url: string) => {
  const monitor = new pg.Client(url)
  await monitor.connect()
  await monitor.query(tablesInSql)
  const sessions = await Promise.all([0, 1, 2].map(() => ServerSession.open(url)))

  /** Waits until a session waits for a lock, or has answered. */
  const settled = async (session: ServerSession) => {
    while (session.outcome === "waits") {
      const waiting = await monitor.query("SELECT FROM pg_locks WHERE pid = $1 AND NOT granted", [
        session.pid
      ])
      if (waiting.rowCount! > 0) return
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  return {
    sessions,
    settled,
    cancel: (pid: number) => monitor.query("SELECT pg_cancel_backend($1)", [pid]),
    reset: () =>
      monitor.query(
        `TRUNCATE parent, child; ALTER SEQUENCE numbers RESTART;
        INSERT INTO parent SELECT n, n, 2 FROM generate_series(0, 1) n`
      ),
    rows: async () =>
      (
        await monitor.query({
          text: "SELECT id, code, value FROM parent ORDER BY id",
          rowMode: "array"
        })
      ).rows,
    close: () => Promise.all([monitor.end(), ...sessions.map((session) => session.close())])
  }
}
export type Server = Awaited<ReturnType<typeof openServer>>

export const play = async (
  server: Server,
  history: ReadonlyArray<Step>,
  count: (what: string) => void
): Promise<Played> => {
  await server.reset()
  const database = new Database({ now: () => 0 })
  const tables = makeTables(database)
  const own = [0, 1, 2].map(() => new SteppedSession(database))
  const { parents } = tables
  for (const id of [0, 1]) {
    own[0]!.statement((statement) => statement.insert(parents, { id, code: id, value: 2 }))
  }
  const story: Array<string> = []
  const running: Array<Running<unknown> | undefined> = [undefined, undefined, undefined]
  const isIn = [false, false, false]
  /** The ids of marked transactions, of both databases. */
  const marks: Array<readonly [number, number]> = []

  const outcomeOf = (session: number): Outcome => {
    const step = running[session]?.now() ?? { answer: [] }
    if (step === "waits") return step
    if ("error" in step) return { error: `${step.error} ${step.constraint ?? ""}`.trim() }
    return { rows: step.answer ?? [] }
  }

  const finish = async (difference: string | undefined): Promise<Played> => {
    // Those that wait first, so that none of them goes on.
    for (const { session } of own) if (session.waitingFor !== undefined) session.end()
    for (const { session } of own) session.end()
    for (const session of server.sessions) await cancel(server, session)
    for (const session of server.sessions) {
      session.send("ROLLBACK")
      await session.answered
    }
    return { story, difference }
  }

  for (const { session, action } of history) {
    const mine = own[session]!
    const theirs = server.sessions[session]!
    if (outcomeOf(session) === "waits") continue
    const waitedBefore = [0, 1, 2].filter((each) => outcomeOf(each) === "waits")
    const waits = own.map((each) => each.session.waitingFor)
    if (action._tag === "begin") {
      if (isIn[session]) continue
      mine.begin()
      theirs.send("BEGIN")
      running[session] = undefined
      isIn[session] = true
    } else if (action._tag === "commit" || action._tag === "rollback") {
      if (!isIn[session]) continue
      isIn[session] = false
      theirs.send(action._tag)
      if (action._tag === "commit") running[session] = mine.commit()
      else {
        mine.rollback()
        running[session] = undefined
      }
    } else {
      if (action._tag === "mark" && !isIn[session]) continue
      theirs.send(sqlOf(action))
      running[session] = mine.statement(statementOf(tables, action))
    }
    const line = `session ${session}: ${JSON.stringify(action)}`
    const expected = outcomeOf(session)
    count(`${action._tag}: ${kindOf(expected)}`)
    story.push(`${line} → ${JSON.stringify(expected)}`)
    if (isDeadlock(expected)) {
      // Postgres may choose another session of the circle.
      const isFound = () => server.sessions.some(({ outcome }) => isDeadlock(outcome))
      const isRunning = () => server.sessions.some(({ outcome }) => outcome === "waits")
      while (!isFound() && isRunning()) await new Promise((resolve) => setTimeout(resolve, 2))
      return finish(isFound() ? undefined : `${line}: Postgres has found no deadlock`)
    }
    const woken = waitedBefore.filter((each) => outcomeOf(each) !== "waits")
    for (const each of woken) {
      story.push(`  session ${each} goes on → ${JSON.stringify(outcomeOf(each))}`)
      count(`after a wait: ${kindOf(outcomeOf(each))}`)
    }
    // Which of two gets a lock first depends on the speed of both, if the row has a new version.
    const moved = waitedBefore.filter((each) => own[each]!.session.waitingFor !== waits[each])
    if (moved.length > 1) return finish(undefined)
    for (const each of [session, ...waitedBefore]) {
      const mine = outcomeOf(each)
      const theirs = server.sessions[each]!
      if (mine === "waits") await server.settled(theirs)
      else await theirs.answered
      const answers = [mine, theirs.outcome] as const
      const [told, real] =
        each === session && !isError(mine) && mine !== "waits" && !isError(theirs.outcome)
          ? comparable(action._tag, answers, marks)
          : answers.map((answer) => JSON.stringify(answer))
      if (told !== real) {
        return finish(`session ${each}, after ${line}\n  memory:   ${told}\n  Postgres: ${real}`)
      }
    }
  }
  const played = await finish(undefined)
  const rows = JSON.stringify(await server.rows())
  const committed = database
    .committed(parents)
    .map((row) => [row.id, row.code, row.value])
    .sort((a, b) => a[0]! - b[0]!)
  return JSON.stringify(committed) === rows
    ? played
    : {
        ...played,
        difference: `the rows\n  memory:   ${JSON.stringify(committed)}\n  Postgres: ${rows}`
      }
}

/** Ids of transactions differ between the databases, and what they say of each other does not. */
const comparable = (
  tag: Step["action"]["_tag"],
  [mine, theirs]: readonly [Outcome, Outcome],
  marks: Array<readonly [number, number]>
): ReadonlyArray<string> => {
  const first = (outcome: Outcome) => String(((outcome as { rows: Answer }).rows[0] ?? [])[0])
  if (tag === "mark") {
    marks.push([Number(first(mine)), Number(first(theirs))])
    return ["marked", "marked"]
  }
  if (tag === "snapshot") {
    const [own, real] = [parseSnapshot(first(mine)), parseSnapshot(first(theirs))]
    return [
      JSON.stringify(marks.map(([xid]) => isVisibleIn(own, xid))),
      JSON.stringify(marks.map(([, xid]) => isVisibleIn(real, xid)))
    ]
  }
  return [JSON.stringify(mine), JSON.stringify(theirs)]
}

const isError = (outcome: Outcome): outcome is { readonly error: string } =>
  outcome !== "waits" && "error" in outcome

const isDeadlock = (outcome: Outcome): boolean =>
  isError(outcome) && outcome.error.startsWith("40P01")

const kindOf = (outcome: Outcome): string =>
  outcome === "waits" ? "waits" : isError(outcome) ? outcome.error : "answers"

/** Ends a wait that the history has left. */
const cancel = async (server: Server, session: ServerSession): Promise<void> => {
  if (session.outcome !== "waits") return
  await server.cancel(session.pid)
  await session.answered
}
