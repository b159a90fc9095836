/**
 * A database in which every table has rows, made by the engine as the application's role: what it
 * cannot be made to write within a test, such as the letters of a broken endpoint, that role inserts.
 */
import { randomUUID } from "node:crypto"
import { makeBoxOffice } from "@boxoffice/core"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { createTestDatabase } from "../../../../test-support/database.ts"
import { Migrator, SqlStore } from "../../src/index.ts"
import { openSession, type Session } from "./session.ts"

export interface LivedDatabase {
  readonly app: Session
  /** The superuser, who passes every guard by `session_replication_role`. */
  readonly admin: Session
  readonly role: string
  /** Connects as that role. */
  readonly url: string
  readonly drop: () => Promise<void>
}

const password = "not-a-secret"

export const openLivedDatabase = async (): Promise<LivedDatabase> => {
  const database = await createTestDatabase()
  // Roles belong to the whole server, which tests share.
  const suffix = randomUUID().slice(0, 8)
  const [owner, role] = [`owner_${suffix}`, `app_${suffix}`]
  const as = (user: string) =>
    Object.assign(new URL(database.url), { username: user, password }).href
  const name = new URL(database.url).pathname.slice(1)
  // For every session from now on: an idle one may be replaced by another.
  const first = openSession(database.url)
  await first.query(`ALTER DATABASE ${name} SET search_path = boxoffice`)
  await first.close()
  const admin = openSession(database.url)
  await admin.query(`CREATE ROLE ${owner} LOGIN PASSWORD '${password}'`)
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`)
  await admin.query(`GRANT CREATE ON DATABASE ${name} TO ${owner}`)
  await Effect.runPromise(
    Effect.provide(
      Migrator.migrate({ appRole: role }),
      PgClient.layer({ url: Redacted.make(as(owner)), maxConnections: 1 })
    )
  )
  await play(as(role))
  await payLast(as(role))
  const app = openSession(as(role))
  for (const statement of beside) await app.query(statement)
  await admin.query("ANALYZE")
  return {
    app,
    admin,
    role,
    url: as(role),
    drop: async () => {
      await app.close()
      await admin.query(`DROP OWNED BY ${role}`)
      await admin.query(`DROP OWNED BY ${owner} CASCADE`)
      await admin.query(`DROP ROLE ${role}, ${owner}`)
      await admin.close()
      await database.drop()
    }
  }
}

const krw = (amount: bigint) => ({ amount, currency: "KRW" })

/** Queues in every mode, tokens, reservations and seats in every state, wallets, a consumer. */
const play = async (url: string): Promise<void> => {
  await using office = await makeBoxOffice(SqlStore.layerUrl({ url, maxConnections: 4 }), {
    signingKeys: { k1: "a secret of at least thirty-two bytes" },
    policies: {
      holdSeconds: ({ userId }) => (userId === "dan" ? 1 : 600),
      seatsPerUser: 20,
      queueMaxAgeMs: 0,
      gateMaxAgeMs: 0
    },
    sweepEvery: "100 millis"
  })
  const { queue, catalog, wallet, reservations, payments } = office
  await queue.create({ queueId: "main", settings: { maxActive: 100 } })
  await queue.create({ queueId: "narrow", settings: { maxActive: 1, sessionSeconds: 600 } })
  await queue.create({ queueId: "drawn", opensAt: new Date("2999-01-01T00:00:00Z") })
  await queue.create({ queueId: "later", opensAt: new Date("2999-01-01T00:00:00Z") })
  await queue.create({ queueId: "shut", settings: { maxActive: 1 } })
  await queue.create({ queueId: "brief", settings: { sessionSeconds: 1 } })
  await catalog.addShow({
    showId: "gala",
    title: "Gala",
    queueId: "main",
    salesOpenAt: new Date("2020-01-01T00:00:00Z"),
    salesCloseAt: new Date("2999-01-01T00:00:00Z")
  })
  for (const performanceId of ["gala-1", "gala-2"]) {
    await catalog.addPerformance({
      performanceId,
      showId: "gala",
      startsAt: new Date("2999-12-31T10:30:00Z"),
      timeZone: "Asia/Seoul"
    })
    await catalog.addSeats({
      performanceId,
      seats: Array.from({ length: 12 }, (_, i) => ({
        seatId: `A${i + 1}`,
        section: "Stalls",
        row: "A",
        number: String(i + 1),
        // The last two: one is free of charge, and one is blocked.
        price: krw(i === 10 ? 0n : 110_000n),
        blocked: i === 11
      }))
    })
  }
  const performanceId = "gala-1"
  const join = async (userId: string, queueId = "main", code?: string) => {
    const { token } = await queue.join({ queueId, userId, code })
    return { userId, queueToken: token }
  }
  const hold = (user: Awaited<ReturnType<typeof join>>, ...seatIds: ReadonlyArray<string>) =>
    reservations.hold({ ...user, performanceId, seatIds, idempotencyKey: `hold-${user.userId}` })

  for (const userId of ["ada", "bob"]) {
    const user = await join(userId)
    await wallet.charge({ ...user, amount: krw(500_000n), idempotencyKey: `charge-${userId}` })
    const { reservationId } = await hold(user, ...(userId === "ada" ? ["A1", "A2"] : ["A3"]))
    const key = `pay-${userId}`
    const { paymentId } = await payments.pay({ ...user, reservationId, idempotencyKey: key })
    if (userId === "bob") await payments.refund({ paymentId })
  }
  const free = await join("fay")
  await payments.pay({ ...free, reservationId: (await hold(free, "A11")).reservationId })
  // By the end of this function the sweeper has ended both.
  await join("dee", "brief")
  await hold(await join("dan"), "A5")
  const cid = await join("cid")
  await wallet.charge({ ...cid, amount: krw(1_000n) })
  const given = await hold(cid, "A4")
  await reservations.release({ userId: "cid", reservationId: given.reservationId })
  await queue.leave(cid)
  for (const userId of ["hal", "ida"]) {
    const user = await join(userId)
    await wallet.charge({ ...user, amount: krw(400_000n) })
    await hold(user, ...(userId === "hal" ? ["A6", "A7"] : ["A8"]))
  }
  await queue.addCodes({ queueId: "narrow", codes: ["members-only-1"], uses: 3 })
  for (const userId of ["joe", "kim", "lea"]) await join(userId, "narrow")
  await queue.leave(await join("mia", "narrow"))
  await join("ned", "narrow", "members-only-1")
  for (const userId of ["oli", "pam", "quy"]) await join(userId, "drawn")
  await queue.reschedule("drawn", new Date(Date.now() + 50))
  await new Promise((resolve) => setTimeout(resolve, 200))
  await join("ray", "drawn")
  await join("sam", "later")
  for (const userId of ["tom", "uma"]) await join(userId, "shut")
  await queue.setMode("shut", "closed")
  await queue.setMode("later", "paused")
  await new Promise((resolve) => setTimeout(resolve, 1_500))
}

/** A payment that no batch of its queue has followed: its exit is still to be taken off the counts. */
const payLast = async (url: string): Promise<void> => {
  await using office = await makeBoxOffice(SqlStore.layerUrl({ url, maxConnections: 4 }), {
    signingKeys: { k1: "a secret of at least thirty-two bytes" }
  })
  const { token } = await office.queue.join({ queueId: "main", userId: "vic" })
  const user = { userId: "vic", queueToken: token }
  await office.wallet.charge({ ...user, amount: krw(110_000n) })
  const { reservationId } = await office.reservations.hold({
    ...user,
    performanceId: "gala-2",
    seatIds: ["A1"]
  })
  await office.payments.pay({ ...user, reservationId })
}

const beside = [
  `INSERT INTO queue_presence SELECT queue_id, 0, 0, now(), repeat('0', 4096)::bit(4096) FROM queue`,
  `INSERT INTO event_consumer (consumer, cluster, seen, batch_id, position, highest, leased_until,
     moved_at) VALUES ('mailer', 'here', '3:3:', 0, 0, 0, now(), now())`,
  `INSERT INTO webhook_delivery (endpoint, event_id, aggregate, body, state, attempts, next_at,
     parked_at) VALUES ('crm', '1-1', 'wallet/ada', '{}', 'waiting', 1, now(), now()),
     ('crm', '1-2', 'wallet/bob', '{}', 'dead', 12, now(), now())`,
  `INSERT INTO cleared VALUES ('outbox', '2020-01-01'), ('reservation', '2020-01-01')`,
  `INSERT INTO server_life VALUES (true, gen_random_uuid()) ON CONFLICT DO NOTHING`
]
