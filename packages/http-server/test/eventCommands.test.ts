import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { BoxOfficeStore, newWebhookSecret, type StoreUnavailable } from "@boxoffice/core"
import { openBoxOffice, SqlStore } from "@boxoffice/sql-store"
import { Effect } from "effect"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { createTestDatabase, type TestDatabase } from "../../../test-support/database.ts"
import { startWebhooks } from "../src/webhooks.ts"
import { boxoffice } from "./command.ts"

// The operator's commands for events and webhooks, while a node delivers them.

type Deliveries = BoxOfficeStore["Service"]["deliveries"]

let database: TestDatabase
let env: Record<string, string>
let office: Awaited<ReturnType<typeof openBoxOffice>>
const cleanups: Array<() => Promise<unknown>> = []

beforeAll(async () => {
  database = await createTestDatabase()
  env = { DATABASE_URL: database.url }
  office = await openBoxOffice({
    database: database.url,
    migrate: true,
    signingKeys: { k1: "a secret of at least thirty-two bytes" },
    policies: { gate: [] }
  })
  cleanups.push(database.drop, office.close)
}, 60_000)
afterAll(async () => {
  while (cleanups.length > 0) await cleanups.pop()!()
})

const json = async (args: string) => {
  const ended = await boxoffice(`${args} --json`, env)
  expect(ended).toMatchObject({ code: 0, err: "" })
  return JSON.parse(ended.out)
}
const charge = (userId: string) =>
  office.wallet.charge({ userId, amount: { amount: 500n, currency: "KRW" } })

/** Consumes this many events. */
const consume = async (consumer: string, count: number) => {
  const stop = new AbortController()
  let seen = 0
  for await (const _ of office.events.consume(consumer, { signal: stop.signal })) {
    if (++seen === count) stop.abort()
  }
}

test.each([
  ["events --help", ["consumers", "prune", "remove"]],
  ["events prune --help", ["--older-than", "every consumer has passed", "EXAMPLES"]],
  ["deliveries --help", ["dead", "retry"]],
  ["deliveries retry --help", ["<ENDPOINT> [<EVENT...>]", "EXAMPLES"]]
])("%s teaches", async (args, words) => {
  const { code, out, err } = await boxoffice(args)
  expect({ code, err }).toEqual({ code: 0, err: "" })
  for (const word of words) expect(out.replaceAll(/\s+/g, " ")).toContain(word)
})

test.each([
  ["events prune", 64, /--older-than/],
  ["events prune --older-than soon", 64, /30d, 12h, 15m or 90s/],
  ["events prune --older-than 999999d", 1, /olderThanMs/],
  ["events remove", 64, /NAME/],
  ["events remove nobody", 1, /no consumer "nobody".*events consumers/],
  ["events remove x\u0000y", 1, /no consumer/],
  ["events remove webhook:x\u0000y", 1, /no consumer/],
  ["events remove webhook:nobody", 1, /no consumer/],
  ["deliveries dead", 64, /ENDPOINT/],
  ["deliveries dead nope", 1, /no endpoint nope.*events consumers.*webhook:NAME/],
  ["deliveries dead nope --json", 1, /no endpoint nope/],
  ["deliveries retry nope", 1, /no endpoint nope/],
  ["deliveries retry nope 4012-1", 1, /no endpoint nope/],
  ["deliveries dead c/r/m", 64, /letters, digits/],
  ["deliveries dead crm --limit 0", 64, /--limit/],
  ["deliveries retry crm 1", 64, /such as 4012-1/]
])("%s ends with %i and does nothing", async (args, code, why) => {
  const ended = await boxoffice(args, env)
  expect(ended).toMatchObject({ code, out: "", err: expect.stringMatching(why) })
})

test("old events are deleted once every consumer has passed them", async () => {
  expect((await boxoffice("events consumers", env)).out).toBe("There are no consumers of events.\n")
  await charge("ada")
  await charge("bob")
  await consume("mailer", 1)
  expect(await json("events prune --older-than 1d")).toMatchObject({ batches: 0 })
  expect(await json("events prune --older-than 0s")).toEqual({ batches: 1, keeping: ["mailer"] })
  const { out } = await boxoffice("events prune --older-than 0s", env)
  expect(out).toMatch(
    /deleted: 0\.\nEvents are kept for consumers that have yet to pass them: mailer\..*events remove NAME/
  )
  const { consumers } = await json("events consumers")
  expect(consumers).toMatchObject([{ consumer: "mailer", batchesBehind: 1, misplaced: false }])
  expect((await boxoffice("events consumers", env)).out).toMatch(/^mailer +no +1 +20/m)
  await consume("mailer", 1)
  expect(await json("events prune --older-than 0s")).toEqual({ batches: 1, keeping: [] })
}, 60_000)

test("a consumer that no process runs is removed, and one that runs is not", async () => {
  await charge("ada")
  const stop = new AbortController()
  const events = office.events.consume("search", { signal: stop.signal })
  const iterator = events[Symbol.asyncIterator]()
  await iterator.next()
  const active = await boxoffice("events remove search", env)
  expect(active).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/Stop it first/) })
  expect((await json("events consumers")).consumers).toContainEqual(
    expect.objectContaining({ consumer: "search", active: true })
  )
  stop.abort()
  await iterator.next()

  await charge("bob")
  expect((await json("events prune --older-than 0s")).keeping).toContain("search")
  expect(await json("events remove search")).toEqual({ consumer: "search", removed: true })
  expect((await json("events prune --older-than 0s")).keeping).not.toContain("search")
  expect((await boxoffice("events remove search", env)).code).toBe(1)
}, 60_000)

test("with an endpoint of webhooks go its deliveries, and no others", async () => {
  await charge("ada")
  await consume("webhook:old", 1)
  const onDeliveries = <A>(act: (of: Deliveries) => Effect.Effect<A, StoreUnavailable>) =>
    Effect.runPromise(
      Effect.provide(
        Effect.flatMap(BoxOfficeStore, ({ deliveries }) => act(deliveries)),
        SqlStore.layerUrl({ url: database.url })
      )
    )
  const park = (endpoint: string, eventId: string) => {
    const delivery = { eventId, aggregate: "wallet/ada", attempts: 0, body: "{}" }
    return onDeliveries((of) => of.park(endpoint, { ...delivery, delayMs: 0, error: null }))
  }
  for (const eventId of ["1-1", "1-2", "1-3"]) await park("old", eventId)
  const givenUp = { attempts: 1, delayMs: null, error: "HTTP 500" }
  await onDeliveries((of) => of.refused("old", "1-1", givenUp))
  await park("older", "1-1")
  expect(await json("events remove webhook:old")).toEqual({
    consumer: "webhook:old",
    removed: true,
    deliveries: 3
  })
  expect((await boxoffice("events remove webhook:old", env)).code).toBe(1)
  // Its consumer was removed before, and left this one behind.
  const { out } = await boxoffice("events remove webhook:older", env)
  expect(out).toBe(
    "Removed webhook:older. Events are no longer kept for it.\n" +
      "Deleted deliveries to older, waiting or dead: 1.\n"
  )
}, 60_000)

test("dead letters are listed, and tried again by the node that delivers", async () => {
  let works = false
  const accepted: Array<unknown> = []
  const receiver = createServer((request, response) => {
    request.resume().on("end", () => {
      if (works) accepted.push(request.headers["webhook-id"])
      response.writeHead(works ? 204 : 503).end()
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve))
  cleanups.push(async () => receiver.close())
  const webhooks = await startWebhooks(SqlStore.layerUrl({ url: database.url }), [
    {
      name: "crm",
      url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`,
      secrets: [newWebhookSecret()],
      types: ["WalletCharged"],
      attempts: 1,
      allowPrivate: true
    }
  ])
  cleanups.push(webhooks.close)
  await vi.waitFor(
    async () =>
      expect((await boxoffice("deliveries dead crm", env)).out).toBe("crm has no dead letters.\n"),
    10_000
  )
  for (const user of ["eve", "kim", "lee"]) await charge(user)
  await vi.waitFor(async () => expect(await webhooks.deadLetters("crm")).toHaveLength(3), 10_000)

  const { endpoint, deadLetters } = await json("deliveries dead crm")
  expect(endpoint).toBe("crm")
  const letter = deadLetters.find(({ aggregate }: { aggregate: string }) => /eve/.test(aggregate))
  expect(letter).toMatchObject({ aggregate: "wallet/eve", attempts: 1, error: "HTTP 503" })
  expect(JSON.parse(letter.body)).toMatchObject({ type: "WalletCharged" })
  expect((await json("deliveries dead crm --limit 2")).deadLetters).toHaveLength(2)
  const { out } = await boxoffice("deliveries dead crm", env)
  expect(out).toMatch(new RegExp(`^${letter.eventId} +wallet/eve +1 +20.*Z  HTTP 503$`, "m"))
  expect(out).toContain("Next: `boxoffice deliveries retry crm`")

  works = true
  expect(await json(`deliveries retry crm ${letter.eventId} 999999-1`)).toEqual({
    endpoint: "crm",
    retried: 1
  })
  await vi.waitFor(() => expect(accepted).toEqual([letter.eventId]), 10_000)
  const all = await boxoffice("deliveries retry crm", env)
  expect(all.out).toBe("Queued for another attempt by a server: 2 to crm.\n")
  await vi.waitFor(() => expect(accepted).toHaveLength(3), 10_000)
  expect(await json("deliveries retry crm")).toEqual({ endpoint: "crm", retried: 0 })
}, 60_000)
