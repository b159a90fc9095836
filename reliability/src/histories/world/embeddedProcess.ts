/** The process of an embedded engine: it runs what the harness asks, and consumes events. */
import { commandIdOf } from "@boxoffice/core/store"
import { type OpenBoxOffice, openBoxOffice } from "@boxoffice/sql-store"
import type { Asked, Operation } from "../history.ts"
import type { FromEmbedded, ToEmbedded } from "./embedded.ts"
import type { Reply } from "./node.ts"
import { currency, drawnQueue, gated, holdSeconds, signingKey, waits } from "./settings.ts"
import { seatsToAdd } from "./setUp.ts"

const stop = new AbortController()
process.on("disconnect", () => process.exit(1))

const office = await openBoxOffice({
  database: process.env.LINE_URL!,
  maxConnections: 6,
  preparedStatements: process.env.PREPARED_STATEMENTS !== "off",
  waits,
  signingKeys: { k1: signingKey },
  policies: { gate: gated, holdSeconds, currency },
  sweepEvery: 1_000
})
process.on("SIGTERM", async () => {
  stop.abort()
  await office.close()
  process.exit(0)
})

const tell = (message: FromEmbedded) => {
  if (process.connected) process.send!(message)
}
tell({ open: true })

/** The operations of a server that set a mode. */
const modeOperations: Readonly<Record<string, string>> = {
  open: "resumeQueue",
  paused: "pauseQueue",
  draining: "drainQueue"
}

const run = (office: OpenBoxOffice, asked: Asked, onReplay: () => void): Promise<unknown> => {
  const { user: userId, key: idempotencyKey, input } = asked
  const { queueId = "", queueToken = "", performanceId = "", reservationId = "" } = input
  const caller = { userId, queueToken }
  const command = { idempotencyKey, onReplay }
  // A server gives each of its mode operations keys of its own. A client that sends one request to nodes
  // of both kinds has one command only if this node derives its key as they do.
  const modeKey =
    idempotencyKey &&
    input.mode &&
    commandIdOf("operator", modeOperations[input.mode]!, idempotencyKey)
  const modeCommand = { ...command, idempotencyKey: modeKey }
  const operations: Record<Exclude<Operation, "watch">, () => Promise<unknown>> = {
    join: () => office.queue.join({ queueId, userId, code: input.code, ...command }),
    poll: () => office.queue.status(caller),
    leave: () => office.queue.leave(caller),
    seats: () => office.catalog.availableSeats({ ...caller, performanceId, status: "all" }),
    hold: () =>
      office.reservations.hold({ ...caller, ...command, performanceId, seatIds: input.seatIds! }),
    reservation: () => office.reservations.get({ userId, reservationId }),
    release: () => office.reservations.release({ userId, reservationId }),
    charge: () =>
      office.wallet.charge({
        ...caller,
        ...command,
        amount: { amount: BigInt(input.amount!), currency }
      }),
    balance: () => office.wallet.balance(caller),
    pay: () => office.payments.pay({ ...caller, ...command, reservationId }),
    refund: () => office.payments.refund({ paymentId: input.paymentId!, ...command }),
    setMode: () => office.queue.setMode(queueId, input.mode as "open", modeCommand),
    queue: () => office.queue.get(queueId),
    createQueue: () =>
      office.queue.create({
        queueId,
        settings: drawnQueue,
        opensAt: new Date(input.opensAt!),
        ...command
      }),
    notice: () => office.queue.notice(queueId),
    addSeats: () =>
      office.catalog.addSeats({
        performanceId,
        seats: seatsToAdd(input.seatIds!).map((seat) => ({
          ...seat,
          price: { amount: BigInt(seat.price.amount), currency }
        })),
        ...command
      })
  }
  return operations[asked.operation as keyof typeof operations]()
}

const answer = async (id: number, work: (onReplay: () => void) => Promise<unknown>) => {
  const told = { replayed: false }
  const onReplay = () => {
    told.replayed = true
  }
  const reply: Reply = await work(onReplay).then(
    (body) => ({ body: body ?? {} }),
    (error) => ({ code: String(error?.code ?? error), body: error })
  )
  // As JSON: amounts are numbers there, as in the answers of a server.
  tell({
    answer: id,
    reply: JSON.parse(JSON.stringify({ ...reply, ...(told.replayed && told) }))
  })
}

const handled = new Map<number, () => void>()
process.on("message", (message: ToEmbedded) => {
  if ("ask" in message) void answer(message.ask, (onReplay) => run(office, message.asked, onReplay))
  else if ("ping" in message) void answer(message.ping, () => office.ping())
  else handled.get(message.handled)?.()
})

let events = 0
while (!stop.signal.aborted) {
  try {
    const feed = office.events.consume(process.env.CONSUMER!, {
      leaseMs: 3_000,
      signal: stop.signal
    })
    for await (const { id, aggregate, event } of feed) {
      const number = ++events
      await new Promise<void>((resolve) => {
        handled.set(number, resolve)
        tell({ event: number, id, aggregate, type: event._tag })
      })
      handled.delete(number)
    }
  } catch (error) {
    console.error("the consumer stopped", error)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}
