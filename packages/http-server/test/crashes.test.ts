/**
 * Joins while the servers are killed and restarted: each user gets exactly one token, even if
 * responses are lost. `JOINS=10000` sets the number of users.
 */
import { Agent, request } from "node:http"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { expect, onTestFinished, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { freePort, type Running, run } from "./command.ts"
import { adminToken, talkTo } from "./support.ts"

const users = Number(process.env.JOINS ?? 1_000)
const waves = 5
const path = "/v1/queues/main/token"

/** A server in a process of its own, at a port that stays the same over restarts. */
const startServer = async (databaseUrl: string, port: number): Promise<Running> => {
  const server = run(["serve", "--port", String(port)], {
    DATABASE_URL: databaseUrl,
    BOXOFFICE_MIGRATE: "true",
    BOXOFFICE_IDENTITY: "header",
    BOXOFFICE_ADMIN_TOKEN: adminToken,
    BOXOFFICE_CHARGES: "user",
    BOXOFFICE_SIGNING_KEYS: "k1:a secret of this test and of nothing else",
    BOXOFFICE_LOG_LEVEL: "error"
  })
  await server.says("listening on")
  return server
}

/**
 * Joins and returns the token; `undefined` without a response, or with one that says to try again.
 */
const join = (agent: Agent, port: number, user: string): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const options = { agent, port, host: "127.0.0.1", path, method: "POST" }
    const sent = request({ ...options, headers: { "X-User-Id": user } }, (response) => {
      let body = ""
      response.setEncoding("utf8")
      response.on("data", (text) => {
        body += text
      })
      response.on("error", () => resolve(undefined))
      response.on("end", () => {
        if (response.statusCode === 503) return resolve(undefined)
        if (response.statusCode === 200 || response.statusCode === 201) {
          return resolve(JSON.parse(body).token)
        }
        reject(new Error(`${response.statusCode} ${body}`))
      })
    })
    sent.on("error", () => resolve(undefined))
    sent.end()
  })

const numberOf = (token: string): number =>
  JSON.parse(Buffer.from(token.split(".")[2]!, "base64url").toString())[3]

test(`${users} joins, sent ${waves} times over while servers are killed: ${users} places`, {
  timeout: 60_000 + 30 * users
}, async () => {
  const database = await createTestDatabase()
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const ports = [await freePort(), await freePort()]
  const servers: Array<Running> = []
  let restarted: Promise<void> | undefined
  // Also after a timeout of the test: no server may keep running.
  onTestFinished(async () => {
    agent.destroy()
    await restarted?.catch(() => {})
    for (const server of servers) await server[Symbol.asyncDispose]()
    await database.drop()
  })
  for (const port of ports) servers.push(await startServer(database.url, port))
  const talk = talkTo(`http://127.0.0.1:${ports[0]}`)
  const queue = { queueId: "main", settings: { maxActive: 1 } }
  expect((await talk("POST", "/v1/admin/queues", { admin: true, json: queue })).status).toBe(201)

  const tokens = new Map<string, string>()
  let lost = 0
  const ask = async (user: number, wave: number) => {
    const token = await join(agent, ports[(user + wave) % 2]!, `u${user}`)
    if (token === undefined) {
      lost++
      return
    }
    expect(tokens.get(`u${user}`) ?? token, "the same place as before").toBe(token)
    tokens.set(`u${user}`, token)
  }
  for (let wave = 0; wave < waves; wave++) {
    const n = wave % 2
    // Kill the server after this many responses, with other joins in flight, and start it again.
    const killAfter = Math.floor((users * (1 + (wave % 3))) / 5)
    let answered = 0
    const restart = async () => {
      const dead = servers[n]!
      dead.process.kill("SIGKILL")
      await dead.ended
      servers[n] = await startServer(database.url, ports[n]!)
    }
    const asked = Array.from({ length: users }, async (_, user) => {
      await ask(user, wave)
      answered++
      if (answered === killAfter) restarted = restart()
    })
    await Promise.all(asked)
    await restarted
  }
  expect(lost, "joins whose answers were lost").toBeGreaterThan(0)

  // Users without a response join again.
  for (let user = 0; user < users; user++) {
    if (!tokens.has(`u${user}`)) await ask(user, 0)
  }
  expect(tokens.size).toBe(users)
  const numbers = new Set(Array.from(tokens.values(), numberOf))
  expect(numbers.size).toBe(users)
  expect([Math.min(...numbers), Math.max(...numbers)]).toEqual([1, users])

  const client = PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 })
  const counted = Effect.flatMap(PgClient.PgClient, (sql) =>
    sql.unsafe(`SELECT next_number::int AS next, (waiting + active)::int AS there,
      (SELECT count(*)::int FROM boxoffice.queue_token) AS tokens FROM boxoffice.queue`)
  )
  expect(await Effect.runPromise(Effect.provide(counted, client))).toEqual([
    { next: users + 1, there: users, tokens: users }
  ])
  if (process.env.STATS) console.log(`${lost} of ${users * waves} answers were lost`)
})
