/**
 * Webhooks to a receiver on this machine: signed, in order, with retries, and never to private
 * addresses.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, LookupFunction } from "node:net"
import {
  BoxOfficeStore,
  type Money,
  makeBoxOffice,
  newWebhookSecret,
  type RecordedEvent,
  verifyWebhook
} from "@boxoffice/core"
import { layerMemory } from "@boxoffice/core/testing"
import { SqlStore } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { afterEach, describe, expect, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { AddressRefused, isPublic, publicLookup } from "../src/webhooks/address.ts"
import { post, retryAfterMs } from "../src/webhooks/post.ts"
import { startWebhooks, type WebhookEndpoint } from "../src/webhooks.ts"
import { boxoffice, run } from "./command.ts"

const cleanups: Array<() => Promise<unknown>> = []
afterEach(async () => {
  while (cleanups.length > 0) await cleanups.pop()!()
})
const atEnd = (cleanup: () => Promise<unknown>) => cleanups.push(cleanup)

const secret = newWebhookSecret()

type Respond = (recorded: RecordedEvent, response: ServerResponse) => void

/** A receiver on this machine, which verifies each delivery and responds as the test sets. */
const openReceiver = async (respond: Respond = (_, response) => response.end()) => {
  const received: Array<RecordedEvent> = []
  const server = createServer(async (request, response) => {
    try {
      const recorded = await receive(request)
      received.push(recorded)
      respond(recorded, response)
    } catch (error) {
      response.writeHead(400).end(String(error))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  atEnd(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { received, url: `http://127.0.0.1:${port}/hooks`, port }
}

const receive = async (request: IncomingMessage): Promise<RecordedEvent> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return verifyWebhook({ headers: request.headers, body: Buffer.concat(chunks), secrets: [secret] })
}

const amountOf = ({ event }: RecordedEvent): string =>
  "amount" in event ? `${event.userId} ${(event.amount as Money).amount}` : event._tag
const amountsOf = (received: ReadonlyArray<RecordedEvent>, user: string) =>
  received.map(amountOf).filter((text) => text.startsWith(user))

const openStore = async (layer = layerMemory) => {
  const service = await Effect.runPromise(Effect.provide(BoxOfficeStore, layer))
  const store = Layer.succeed(BoxOfficeStore, service)
  const office = await makeBoxOffice(store, {
    signingKeys: { test: "webhooks webhooks webhooks webhooks" },
    policies: { gate: [] }
  })
  atEnd(office.close)
  const start = async (endpoint: Partial<WebhookEndpoint> & { readonly url: string }) => {
    const webhooks = await startWebhooks(store, [
      {
        name: "crm",
        secrets: [secret],
        from: "beginning",
        allowPrivate: true,
        retryMs: 1,
        ...endpoint
      }
    ])
    atEnd(webhooks.close)
    return webhooks
  }
  const charge = (userId: string, amount: number) =>
    office.wallet.charge({ userId, amount: { amount: BigInt(amount), currency: "KRW" } })
  return { store, service, office, start, charge }
}

describe("delivering", () => {
  test("every event arrives signed, typed and in order", async () => {
    const { received, url } = await openReceiver()
    const { start, charge } = await openStore()
    await charge("ada", 1)
    await start({ url })
    for (const amount of [2, 3]) await charge("ada", amount)
    await expect.poll(() => received.map(amountOf)).toEqual(["ada 1", "ada 2", "ada 3"])
    expect(received[0]).toMatchObject({ id: "1-1", aggregate: { kind: "wallet", id: "ada" } })
  })

  test("what fails keeps back its own aggregate, and no other, and arrives in order in the end", async () => {
    let failures = 3
    const { received, url } = await openReceiver((recorded, response) => {
      const fails = recorded.aggregate.id === "ada" && failures-- > 0
      response.writeHead(fails ? 503 : 204).end()
    })
    const { start, charge } = await openStore()
    for (const amount of [1, 2, 3]) {
      await charge("ada", amount)
      await charge("bob", amount)
    }
    await start({ url })
    await expect.poll(() => received.length, { timeout: 10_000 }).toBe(9)
    expect(amountsOf(received, "bob")).toEqual(["bob 1", "bob 2", "bob 3"])
    const tried = amountsOf(received, "ada")
    expect(tried).toEqual(["ada 1", "ada 1", "ada 1", "ada 1", "ada 2", "ada 3"])
    const lastOfBob = received.findLastIndex(({ aggregate }) => aggregate.id === "bob")
    const secondOfAda = received.findIndex((recorded) => amountOf(recorded) === "ada 2")
    expect(lastOfBob).toBeLessThan(secondOfAda)
  }, 20_000)

  test("with one attempt, a delivery is given up after it", async () => {
    const { received, url } = await openReceiver((_, response) => {
      response.writeHead(500).end("no")
    })
    const { start, charge } = await openStore()
    for (const amount of [1, 2]) await charge("ada", amount)
    const webhooks = await start({ url, attempts: 1 })
    await expect
      .poll(async () => (await webhooks.deadLetters("crm")).map(({ attempts }) => attempts))
      .toEqual([1, 1])
    // The first delivery was a dead letter, so it no longer delayed the second one.
    expect(amountsOf(received, "ada")).toEqual(["ada 1", "ada 2"])
  }, 20_000)

  test("an event that is never accepted becomes a dead letter, to be listed, delivered again or discarded", async () => {
    let broken = true
    const { received, url } = await openReceiver((recorded, response) => {
      response.writeHead(broken && amountOf(recorded) !== "ada 3" ? 500 : 200).end("no")
    })
    const { start, charge } = await openStore()
    for (const amount of [1, 2, 3]) await charge("ada", amount)
    const webhooks = await start({ url, attempts: 2 })
    await expect
      .poll(async () => (await webhooks.deadLetters("crm")).length, { timeout: 10_000 })
      .toBe(2)
    const [first, second] = await webhooks.deadLetters("crm")
    expect(first).toMatchObject({
      eventId: "1-1",
      aggregate: "wallet/ada",
      attempts: 2,
      error: "HTTP 500"
    })
    // The delivery behind them was no longer delayed.
    await expect.poll(() => amountsOf(received, "ada").at(-1), { timeout: 10_000 }).toBe("ada 3")
    const page = { after: first!.deliveryId, limit: 1 }
    expect(await webhooks.deadLetters("crm", page)).toEqual([second])
    broken = false
    expect(await webhooks.discard("crm", [second!.eventId])).toBe(1)
    expect(await webhooks.redeliver("crm")).toBe(1)
    await expect.poll(() => amountsOf(received, "ada").at(-1), { timeout: 10_000 }).toBe("ada 1")
    await expect.poll(() => webhooks.deadLetters("crm")).toEqual([])
  }, 30_000)

  test("what an operator brings back comes out of order, and nothing else does", async () => {
    const refused = new Set(["ada 1", "ada 2"])
    const { received, url } = await openReceiver((recorded, response) => {
      response.writeHead(refused.has(amountOf(recorded)) ? 500 : 200).end()
    })
    const { start, charge } = await openStore()
    const webhooks = await start({ url, attempts: 2, retryMs: 3_000 })
    await charge("ada", 1)
    await expect.poll(async () => (await webhooks.deadLetters("crm")).length).toBe(1)
    await charge("ada", 2)
    await expect.poll(() => amountsOf(received, "ada").at(-1)).toBe("ada 2")
    refused.delete("ada 1")
    await webhooks.redeliver("crm")
    await expect.poll(() => amountsOf(received, "ada").at(-1)).toBe("ada 1")
    refused.delete("ada 2")
    await charge("ada", 3)
    await expect.poll(() => amountsOf(received, "ada").at(-1)).toBe("ada 3")
    expect(amountsOf(received, "ada").slice(-2)).toEqual(["ada 2", "ada 3"])
  })

  test("an endpoint goes on that was set back over a thousand dead letters", async () => {
    let isDown = true
    const { received, url } = await openReceiver((_, response) => {
      response.writeHead(isDown ? 500 : 200).end()
    })
    const { office, start, charge } = await openStore()
    for (let n = 0; n < 1_100; n++) await charge(`user${n}`, 1)
    await start({ url, attempts: 2, concurrency: 64 })
    await expect.poll(() => received.length).toBe(2_200)
    const consumers = async () => (await office.events.consumers())[0]?.batchesBehind
    await expect.poll(consumers).toBe(0)
    await office.events.reset("webhook:crm", "beginning")
    await expect.poll(consumers).toBe(0)
    isDown = false
    await charge("late", 7)
    await expect.poll(() => received.map(amountOf)).toContain("late 7")
  })

  test("an endpoint goes on whose parked deliveries another node has made", async () => {
    const { received, url } = await openReceiver()
    const { service, start, charge } = await openStore()
    const { deliveries } = service
    const ids = Array.from({ length: 1_000 }, (_, n) => `other-${n}`)
    const each = (work: (eventId: string) => Effect.Effect<unknown, unknown>) =>
      Effect.runPromise(Effect.forEach(ids, work, { discard: true }))
    const parked = { body: "{}", attempts: 1, delayMs: 3_600_000, error: "HTTP 500" }
    await each((eventId) => deliveries.park("crm", { eventId, aggregate: eventId, ...parked }))
    await charge("ada", 1)
    // The node has read that as many are parked as may be, and takes no more.
    await start({ url })
    await new Promise((done) => setTimeout(done, 1_000))
    expect(received).toEqual([])
    await each((eventId) => deliveries.accepted("crm", eventId))
    await expect.poll(() => received.map(amountOf)).toContain("ada 1")
  })

  test("an event that another node parks meanwhile keeps back its aggregate here, too", async () => {
    let isDown = true
    let parkOnTheOther = async (_: RecordedEvent) => {}
    const { received, url } = await openReceiver((recorded, response) => {
      const status = isDown ? 500 : 200
      void parkOnTheOther(recorded).then(() => response.writeHead(status).end())
    })
    const { service, start, charge } = await openStore()
    // The other node has lost its lease, does not know it yet, and delivers the same event.
    parkOnTheOther = async ({ id, aggregate }) => {
      const other = { eventId: id, aggregate: `${aggregate.kind}/${aggregate.id}`, attempts: 1 }
      const parked = { ...other, body: "{}", delayMs: 3_600_000, error: "HTTP 500" }
      await Effect.runPromise(service.deliveries.park("crm", parked))
    }
    for (const amount of [1, 2, 3]) await charge("ada", amount)
    await charge("bob", 4)
    await start({ url, retryMs: 60_000 })
    await expect.poll(() => received.map(amountOf)).toContain("bob 4")
    isDown = false
    parkOnTheOther = async () => {}
    await charge("bob", 5)
    await charge("eve", 6)
    await expect.poll(() => received.map(amountOf)).toContain("eve 6")
    expect(amountsOf(received, "ada")).toEqual(["ada 1"])
  })

  test("retries that are due and fresh events take turns, and no aggregate loses its order", async () => {
    const users = Array.from({ length: 200 }, (_, n) => `user${n}`)
    const refused = new Set(users.slice(0, 20))
    const { received, url } = await openReceiver(({ aggregate }, response) => {
      const isRefused = refused.delete(aggregate.id)
      setTimeout(() => response.writeHead(isRefused ? 503 : 200).end(), 10)
    })
    const { start, charge } = await openStore()
    for (const user of users) await charge(user, 1)
    await charge("user0", 2)
    await start({ url, concurrency: 1 })
    await expect.poll(() => received.length).toBe(users.length + 21)
    expect(amountsOf(received, "user0 ")).toEqual(["user0 1", "user0 1", "user0 2"])
    const seen = new Set<string>()
    const isRetry = received.map(({ id }) => seen.has(id) || !seen.add(id))
    // The runner has looked for retries after half a second, while most fresh events were waiting.
    const [first, last] = [isRetry.indexOf(true), isRetry.lastIndexOf(true)]
    expect(first).toBeLessThan(100)
    expect(last).toBeLessThan(isRetry.length - 20)
    expect(isRetry.slice(first, last).filter((retry) => !retry).length).toBeGreaterThan(10)
  }, 20_000)

  test("it goes on where it stopped, parked ones first", async () => {
    let away = true
    const { received, url } = await openReceiver((_, response) => {
      response.writeHead(away ? 503 : 200).end()
    })
    const { start, charge } = await openStore()
    for (const amount of [1, 2]) await charge("ada", amount)
    const before = await start({ url, retryMs: 50 })
    await expect.poll(() => received.length).toBeGreaterThan(0)
    await before.close()
    away = false
    const until = received.length
    await charge("ada", 3)
    await start({ url })
    const later = () => received.slice(until).map(amountOf)
    await expect.poll(later, { timeout: 10_000 }).toEqual(["ada 1", "ada 2", "ada 3"])
  }, 20_000)

  test("only the kinds that are asked for", async () => {
    const { received, url } = await openReceiver()
    const { office, start, charge } = await openStore()
    await office.queue.create({ queueId: "main" })
    await office.queue.join({ queueId: "main", userId: "ada" })
    await charge("ada", 1)
    await start({ url, types: ["WalletCharged"] })
    await expect.poll(() => received.map(({ event }) => event._tag)).toEqual(["WalletCharged"])
  })

  test.each([
    ["http where it must be https", { url: "http://a.example/", allowPrivate: false }],
    ["no URL", { url: "a.example" }],
    ["a password in it", { url: "https://me:secret@a.example/" }],
    ["another scheme", { url: "file:///etc/passwd" }],
    ["no secret", { url: "https://a.example/", secrets: [] }],
    ["a weak secret", { url: "https://a.example/", secrets: ["whsec_abc"] }],
    ["a name that does not fit", { url: "https://a.example/", name: "a b" }],
    ["no attempts", { url: "https://a.example/", attempts: 0 }],
    ["too many attempts", { url: "https://a.example/", attempts: 101 }]
  ])("an endpoint with %s is refused", async (_, endpoint) => {
    const { start } = await openStore()
    await expect(start(endpoint)).rejects.toMatchObject({ _tag: "WebhookEndpointInvalid" })
  })

  const good = { name: "crm", url: "https://crm.example/hooks", secrets: [secret] }
  test.each<[unknown, string]>([
    [undefined, "Webhook endpoint list: a list is expected"],
    [[null], "Webhook endpoint without a name: its options: expected an object"],
    [[{ ...good, name: undefined }], "without a name: its name is invalid: expected 1 to 48"],
    [[{ ...good, url: undefined }], "crm: its URL cannot be read"],
    [[{ ...good, secrets: undefined }], "crm: it needs 1 to 8 secrets"],
    [[{ ...good, secrets: [undefined] }], "crm: it needs 1 to 8 secrets"],
    [[{ ...good, types: [] }], "crm: types must list at least one type of events"],
    [
      [{ ...good, types: ["Nope"] }],
      'crm: types lists "Nope", which is no type of events; the types are Queue'
    ],
    [[{ ...good, from: "yesterday" }], 'crm: from must be "beginning" or "now"'],
    [[{ ...good, allowPrivate: "false" }], "crm: allowPrivate must be true or false"],
    [
      [{ ...good, retries: 3 }],
      '"retries" is not known among its options. Did you mean "retryMs"?'
    ],
    [[good, { ...good, url: "https://other.example/" }], "crm: another endpoint has the same name"]
  ])("%o are refused, by what is wrong", async (endpoints, message) => {
    const error = await startWebhooks(layerMemory, endpoints as never).catch((error) => error)
    expect(error).toMatchObject({ _tag: "WebhookEndpointInvalid" })
    expect(error.message).toContain(message)
    expect(error.message).not.toContain(secret)
  })

  test("once they are closed, everything is refused as by a closed engine", async () => {
    const webhooks = await startWebhooks(layerMemory, [good])
    await Promise.all([webhooks.close(), webhooks.close()])
    const { deadLetters, redeliver, discard } = webhooks
    for (const asked of [deadLetters, redeliver, discard]) {
      await expect(asked("crm")).rejects.toMatchObject({
        _tag: "StoreUnavailable",
        retryable: false,
        message: "These webhooks are closed: open them again."
      })
    }
    await expect(startWebhooks({} as never, [good])).rejects.toThrow("The store: expected a layer")
  })

  test("a store that was opened for those that are refused is closed again", async () => {
    const ends: Array<string> = []
    const store = (name: string) =>
      Layer.provideMerge(
        layerMemory,
        Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => ends.push(name))))
      )
    await expect(startWebhooks(store("webhooks"), [good, good])).rejects.toThrow(
      "has the same name"
    )
    const options = { signingKeys: { test: "too short" } }
    await expect(makeBoxOffice(store("engine"), options)).rejects.toThrow("under 32 bytes")
    expect(ends).toEqual(["webhooks", "engine"])
  })
})

describe("on a server", () => {
  test("a receiver that hangs holds no connection, and delays no other delivery", async () => {
    const database = await createTestDatabase()
    atEnd(database.drop)
    const hung = await openReceiver(() => {})
    const { layerUrl } = SqlStore
    const store = layerUrl({ url: database.url, migrate: true, maxConnections: 2 })
    const office = await makeBoxOffice(store, {
      signingKeys: { test: "webhooks webhooks webhooks webhooks" },
      policies: { gate: [] }
    })
    atEnd(office.close)
    const charge = (userId: string) =>
      office.wallet.charge({ userId, amount: { amount: 1n, currency: "KRW" } })
    const endpoint = { name: "crm", url: hung.url, secrets: [secret], allowPrivate: true }
    const nodes = await Promise.all(
      [1, 2].map(() =>
        startWebhooks(layerUrl({ url: database.url, maxConnections: 2 }), [
          { ...endpoint, from: "beginning", concurrency: 4 }
        ])
      )
    )
    for (const node of nodes) atEnd(node.close)
    for (let n = 0; n < 4; n++) await charge(`user${n}`)
    await expect.poll(() => hung.received.length, { timeout: 10_000 }).toBe(4)
    const busy = await Effect.runPromise(
      Effect.provide(
        Effect.flatMap(
          PgClient.PgClient,
          (sql) => sql<{ count: bigint }>`SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`
        ),
        PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 })
      )
    )
    expect(busy).toEqual([{ count: 0n }])
    await Promise.all(Array.from({ length: 50 }, (_, n) => charge(`other${n}`)))
    // Of two nodes, one delivers.
    expect(hung.received).toHaveLength(4)
    expect(new Set(hung.received.map(({ id }) => id)).size).toBe(4)
  }, 30_000)
})

test("a server delivers to the endpoints of its configuration", async () => {
  const database = await createTestDatabase()
  atEnd(database.drop)
  const { received, url } = await openReceiver()
  const endpoint = { name: "crm", url, secretVariables: ["CRM_SECRET"], allowPrivate: true }
  const env = { DATABASE_URL: database.url }
  await using server = run(["serve", "--port", "0"], {
    ...env,
    BOXOFFICE_MIGRATE: "true",
    BOXOFFICE_CHARGES: "user",
    BOXOFFICE_SIGNING_KEYS: "k1:a secret of this test and of nothing else",
    BOXOFFICE_WEBHOOKS: JSON.stringify([{ ...endpoint, from: "beginning" }]),
    CRM_SECRET: secret
  })
  await server.says("listening")
  expect(await boxoffice("queue create gala", env)).toMatchObject({ code: 0 })
  const types = () => received.map(({ event }) => event._tag)
  await expect.poll(types, { timeout: 10_000 }).toEqual(["QueueCreated"])
  server.process.kill("SIGTERM")
  expect(await server.ended).toBe(0)
}, 30_000)

describe("one POST", () => {
  const send = (url: string, options: Partial<Parameters<typeof post>[0]> = {}) =>
    Effect.runPromise(
      post({
        url: new URL(url),
        headers: {},
        body: "{}",
        timeoutMs: 2_000,
        allowPrivate: true,
        ...options
      })
    )
  const serve = async (handle: (request: IncomingMessage, response: ServerResponse) => void) => {
    let requests = 0
    const server = createServer((request, response) => {
      requests++
      handle(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    atEnd(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    const { port } = server.address() as AddressInfo
    return { port, url: `http://127.0.0.1:${port}/`, requests: () => requests }
  }

  test("follows no redirect", async () => {
    const target = await serve((_, response) => response.end())
    const { url } = await serve((_, response) =>
      response.writeHead(307, { location: target.url }).end()
    )
    expect(await send(url)).toMatchObject({ accepted: false, summary: "HTTP 307" })
    expect(target.requests()).toBe(0)
  })

  test("ends within its time, however slowly the answer comes", async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write("."), 20)
      response.on("close", () => clearInterval(drip))
    })
    const answer = await send(url, { timeoutMs: 200 })
    expect(answer).toMatchObject({ accepted: false, summary: "no answer within 200 ms" })
  })

  test("reads no more of the answer than it has to", async () => {
    let closed = false
    const { url } = await serve((_, response) => {
      response.writeHead(200)
      const pour = () => response.write("x".repeat(65_536)) && setImmediate(pour)
      response.on("close", () => {
        closed = true
      })
      response.on("drain", pour)
      pour()
    })
    expect(await send(url)).toMatchObject({ accepted: true, summary: "HTTP 200" })
    await expect.poll(() => closed).toBe(true)
  })

  test("hears when it is asked to wait, within reason", async () => {
    const { url } = await serve((request, response) =>
      response.writeHead(429, { "retry-after": String(request.headers["x-wait"]) }).end()
    )
    const wait = async (seconds: string) =>
      (await send(url, { headers: { "x-wait": seconds } })).retryAfterMs
    expect(await wait("7")).toBe(7_000)
    expect(await wait("9999999")).toBe(3_600_000)
    expect(await wait("tomorrow")).toBeUndefined()
  })

  test("says what the network said", async () => {
    const { url } = await serve((request) => request.socket.destroy())
    expect(await send(url)).toMatchObject({ accepted: false, summary: "socket hang up" })
  })

  test.each([
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0.0.0.0:PORT/",
    "http://[::1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://localhost:PORT/",
    "http://169.254.169.254/latest/meta-data/"
  ])("%s is not gone to", async (template) => {
    const { port, requests } = await serve((_, response) => response.end())
    const answer = await send(template.replace("PORT", String(port)), { allowPrivate: false })
    expect(answer).toMatchObject({
      accepted: false,
      summary: expect.stringContaining("not a public address")
    })
    expect(requests()).toBe(0)
  })

  test("goes where the name was found to lead, though it leads elsewhere a moment later", async () => {
    const { port, requests } = await serve((_, response) => response.end())
    let asked = 0
    // The name server returns another address each time.
    const lookup: LookupFunction = publicLookup((_host, done) =>
      done(null, [{ address: asked++ === 0 ? "203.0.114.1" : "127.0.0.1", family: 4 }])
    )
    const url = `http://rebinding.example:${port}/`
    const first = await send(url, { allowPrivate: false, lookup, timeoutMs: 100 })
    expect(asked).toBe(1)
    expect(first.accepted).toBe(false)
    const second = await send(url, { allowPrivate: false, lookup })
    expect(second.summary).toContain("not a public address")
    expect(requests()).toBe(0)
  })
})

describe("addresses", () => {
  test.each([
    ["8.8.8.8", true],
    ["1.1.1.1", true],
    ["2606:4700:4700::1111", true],
    ["10.1.2.3", false],
    ["100.64.0.1", false],
    ["127.255.255.255", false],
    ["169.254.169.254", false],
    ["172.31.255.255", false],
    ["172.32.0.1", true],
    ["192.168.1.1", false],
    ["198.19.0.1", false],
    ["224.0.0.1", false],
    ["255.255.255.255", false],
    ["::", false],
    ["::1", false],
    ["::ffff:8.8.8.8", false],
    ["64:ff9b::a00:1", false],
    ["fd00:ec2::254", false],
    ["fe80::1", false],
    ["fe80::1%eth0", false],
    ["ff02::1", false],
    ["2001:db8::1", false],
    ["2002:7f00:1::", false],
    ["2001::1", false],
    ["name.example", false]
  ])("%s is public: %s", (address, expected) => expect(isPublic(address)).toBe(expected))

  test("a name with one address that is not public is refused, and so is one with none", async () => {
    const ask = (...addresses: ReadonlyArray<string>) =>
      new Promise((resolve) =>
        publicLookup((_host, done) =>
          done(
            null,
            addresses.map((address) => ({ address, family: 4 }))
          )
        )("a.example", { all: true }, (error, found) => resolve(error ?? found))
      )
    expect(await ask("8.8.8.8", "8.8.4.4")).toMatchObject([
      { address: "8.8.8.8" },
      { address: "8.8.4.4" }
    ])
    expect(await ask("8.8.8.8", "10.0.0.1")).toBeInstanceOf(AddressRefused)
    expect(await ask()).toBeInstanceOf(AddressRefused)
  })
})

test.each([
  ["120", 120_000],
  ["0", undefined],
  ["Sun, 06 Nov 1994 08:49:47 GMT", 10_000],
  ["Sunday, 06-Nov-94 08:49:47 GMT", 10_000],
  ["Sun Nov  6 08:49:47 1994", 10_000],
  ["Sun, 06 Nov 1994 08:49:27 GMT", undefined],
  ["99999999999", 3_600_000],
  ["0x10", undefined],
  ["1e3", undefined],
  ["-5", undefined],
  [" ", undefined],
  ["07/04/2030", undefined],
  ["2030-01-01T00:00:00Z", undefined]
])("an endpoint asks for a pause: %s", (header, expected) => {
  expect(retryAfterMs(header, Date.parse("1994-11-06T08:49:37Z"))).toBe(expected)
})
