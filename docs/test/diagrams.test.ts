import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, describe, expect, test } from "vitest"
import { codeBlocks, pages } from "./markdown.ts"
import {
  type Answer,
  type Call,
  type Office,
  openOffice,
  performanceId,
  queueId,
  seatIds,
  showId
} from "./office.ts"
import { parseSequence } from "./sequence.ts"

let office: Office
afterEach(() => office?.close())

interface Settings {
  readonly maxActive?: number
  readonly sessionSeconds?: number
}

/** Opens an office with something to sell. */
const open = async (settings: Settings = {}, holdSeconds?: number) => {
  office = await openOffice(holdSeconds)
  await office.asAdmin("POST", "/v1/admin/queues", { queueId, settings })
  await office.asAdmin("POST", "/v1/admin/shows", { showId, title: "Gala", queueId })
  await office.asAdmin("POST", `/v1/admin/shows/${showId}/performances`, {
    performanceId,
    startsAt: "2099-12-31T10:30:00.000Z",
    timeZone: "Asia/Seoul"
  })
  const price = { amount: 1_000, currency: "KRW" }
  const place = { section: "Stalls", row: "A", number: "1", price }
  await office.asAdmin("POST", `/v1/admin/performances/${performanceId}/seats`, {
    seats: seatIds.map((seatId) => ({ seatId, ...place }))
  })
}

interface User {
  readonly name: string
  readonly token: string
}

const queuePath = `/v1/queues/${queueId}/token`
const callAs = ({ name, token }: User, call: Call) =>
  office.call({
    ...call,
    headers: { "x-user-id": name, ...(token && { "queue-token": token }), ...call.headers }
  })
const stranger: User = { name: "nobody", token: "" }
const postJoin = (name: string) => callAs({ name, token: "" }, { method: "POST", path: queuePath })
const join = async (name: string): Promise<User> => {
  const { body } = await postJoin(name)
  return { name, token: String(body.token) }
}
/** Lets one user in, and gives the next in line. */
const joinBehind = async () => {
  await open({ maxActive: 1 })
  const first = await join("first")
  return { first, waiting: await join("waiting") }
}

const get = (path: string) => (user: User) => callAs(user, { method: "GET", path })
const post = (path: string, key: string, body: unknown) => (user: User) =>
  callAs(user, { method: "POST", path, body, headers: { "idempotency-key": key } })
const hold = (key = "hold") =>
  post("/v1/reservations", key, { performanceId, seatIds: [seatIds[0]] })
const charge = (amount = 5_000, key = "charge") =>
  post("/v1/wallet/charges", key, { amount, currency: "KRW" })
const pay = (reservationId: unknown, key = "pay") => post("/v1/payments", key, { reservationId })

type Scenarios = Readonly<Record<string, () => Promise<Answer>>>

/** What a gated read can meet. */
const reading = (path: string): Scenarios => ({
  "no token, or not this user's": async () => {
    await open()
    return get(path)(stranger)
  },
  "a token / not admitted": async () => get(path)((await joinBehind()).waiting),
  "a token / passed the gate less than a second ago": async () => {
    await open()
    const user = await join("ada")
    await get(path)(user)
    return get(path)(user)
  },
  "a token / admitted / a tenth of the session has passed": async () => {
    await open({ sessionSeconds: 10 })
    const user = await join("ada")
    await sleep(1_100)
    return get(path)(user)
  },
  "a token / admitted": async () => {
    await open()
    return get(path)(await join("ada"))
  }
})

/** What every gated change can meet. */
const changing = (change: (user: User) => Promise<Answer>): Scenarios => ({
  "no token, or not this user's": async () => {
    await open()
    return change(stranger)
  },
  "a token / the same key before": async () => {
    await open()
    const user = await join("ada")
    await change(user)
    const again = await change(user)
    expect(again.headers.get("idempotency-replayed")).toBe("true")
    return again
  },
  "a token / not admitted": async () => change((await joinBehind()).waiting)
})

/** A user with a hold, and so much money. */
const holder = async (money: number, holdSeconds?: number) => {
  await open({}, holdSeconds)
  const user = await join("ada")
  if (money > 0) await charge(money)(user)
  return { user, reservationId: (await hold()(user)).body.reservationId }
}

const scenarios: Readonly<Record<string, ReadonlyArray<Scenarios>>> = {
  "docs/apis/1-queue-token.md": [
    {
      "the user has a token": async () => {
        await open()
        await join("ada")
        return postJoin("ada")
      },
      "a new token, and room": async () => {
        await open()
        return postJoin("ada")
      },
      "a new token, and no room": async () => {
        await joinBehind()
        return postJoin("ada")
      },
      "the queue is closed": async () => {
        await open()
        await office.asAdmin("POST", `/v1/admin/queues/${queueId}/pause`)
        return postJoin("ada")
      }
    },
    {
      "no token, or not this user's": async () => {
        await open()
        return get(queuePath)(stranger)
      },
      "waiting, and the node has a fresh snapshot": async () => {
        const { waiting } = await joinBehind()
        await get(queuePath)(waiting)
        return get(queuePath)(waiting)
      },
      "waiting, and the node has no fresh snapshot": async () =>
        get(queuePath)((await joinBehind()).waiting),
      "a session has lapsed, and it is the turn of this user": async () => {
        await open({ maxActive: 1, sessionSeconds: 2 })
        await join("first")
        const waiting = await join("waiting")
        await sleep(2_100)
        return get(queuePath)(waiting)
      }
    }
  ],
  "docs/apis/2-available-dates.md": [reading(`/v1/shows/${showId}/dates`)],
  "docs/apis/3-available-seats.md": [reading(`/v1/performances/${performanceId}/seats`)],
  "docs/apis/4-reserve.md": [
    {
      ...changing(hold()),
      "a token / a seat is not available": async () => {
        await open()
        await hold()(await join("grace"))
        return hold()(await join("ada"))
      },
      "a token / every seat is free": async () => {
        await open()
        return hold()(await join("ada"))
      }
    }
  ],
  "docs/apis/5-charge.md": [
    {
      ...changing(charge()),
      "a token / more than the wallet may contain": async () => {
        await open()
        return charge(10_000_001)(await join("ada"))
      },
      "a token / it fits": async () => {
        await open()
        return charge()(await join("ada"))
      }
    }
  ],
  "docs/apis/6-balance.md": [reading("/v1/wallet")],
  "docs/apis/7-pay.md": [
    {
      ...changing(pay("00000000-0000-7000-8000-000000000000")),
      "a token / the same key before": async () => {
        const { user, reservationId } = await holder(5_000)
        await pay(reservationId)(user)
        const again = await pay(reservationId)(user)
        expect(again.headers.get("idempotency-replayed")).toBe("true")
        return again
      },
      "a token / the hold has lapsed": async () => {
        const { user, reservationId } = await holder(5_000, 1)
        await sleep(1_100)
        return pay(reservationId)(user)
      },
      "a token / the balance is too low": async () => {
        const { user, reservationId } = await holder(0)
        return pay(reservationId)(user)
      },
      "a token / the balance covers it": async () => {
        const { user, reservationId } = await holder(5_000)
        return pay(reservationId)(user)
      }
    }
  ]
}

const drawn = pages
  .filter((page) => page.startsWith("docs/apis/"))
  .flatMap((page) =>
    codeBlocks(page)
      .filter(({ language }) => language === "mermaid")
      // What the service was designed by is not what it does today.
      .filter(({ text }) => !text.startsWith("%% original design\n"))
      .map(({ text }, index) => ({ page, index, sequence: parseSequence(text) }))
  )

test("the seven APIs have diagrams, of the same participants", () => {
  expect(new Set(drawn.map(({ page }) => page))).toEqual(new Set(Object.keys(scenarios)))
  for (const { sequence } of drawn) {
    expect(sequence.participants).toEqual(["User", "API", "Service", "Batcher", "DB"])
  }
})

describe.each(drawn)("$page, diagram $index", ({ page, index, sequence }) => {
  const played = scenarios[page]![index]!

  test("every path is played", () => {
    expect(sequence.paths.map(({ name }) => name).sort()).toEqual(Object.keys(played).sort())
  })

  test.each(sequence.paths)("$name", async ({ name, steps }) => {
    const answer = await played[name]!()
    const [asked] = steps
    const method = asked!.split(" ")[3]!
    const said = answer.body.code ?? { 200: "OK", 201: "Created" }[answer.status]
    expect([
      `User -> API: ${method} ${answer.route}`,
      ...answer.steps,
      `API -> User: ${answer.status} ${said}`
    ]).toEqual(steps)
  })
})
