/** Demo data: a show with three performances in one hall; and the commands to buy a seat. */
import { Catalog, Queue } from "@boxoffice/core"
import {
  AlreadyExists,
  type NewSeat,
  PerformanceId,
  QueueId,
  SeatId,
  ShowId
} from "@boxoffice/core/schema"
import { Clock, Effect } from "effect"

const queueId = QueueId.make("main")
export const showId = ShowId.make("gala")
const day = 86_400_000

/** Each section with its rows, the seats of each row, and their price in won. */
const hall = [
  { id: "A", section: "Floor A", rows: 5, seats: 20, price: 165_000n },
  { id: "B", section: "Floor B", rows: 6, seats: 20, price: 143_000n },
  { id: "C", section: "Floor C", rows: 6, seats: 20, price: 121_000n },
  { id: "BALCONY", section: "Balcony", rows: 4, seats: 24, price: 99_000n }
] as const

// The seats at the sound desk.
const isBlocked = (id: string, row: number, number: number): boolean =>
  id === "C" && row === 6 && number >= 9 && number <= 12

const seats: ReadonlyArray<NewSeat> = hall.flatMap(({ id, section, rows, seats, price }) =>
  Array.from({ length: rows * seats }, (_, index) => {
    const row = Math.floor(index / seats) + 1
    const number = (index % seats) + 1
    return {
      seatId: SeatId.make(`${id}-${row}-${number}`),
      section,
      row: String(row),
      number: String(number),
      price: { amount: price, currency: "KRW" },
      ...(isBlocked(id, row, number) && { blocked: true })
    }
  })
)

const ignoreExisting = <A, E, R>(adding: Effect.Effect<A, E | AlreadyExists, R>) =>
  Effect.catchIf(
    Effect.asVoid(adding),
    (error): error is AlreadyExists & E => error instanceof AlreadyExists,
    () => Effect.void
  )

/** Adds the missing demo data. Returns a performance in the future, for the instructions. */
export const seedDemo = Effect.gen(function* () {
  const queue = yield* Queue
  const catalog = yield* Catalog
  const now = yield* Clock.currentTimeMillis

  yield* queue.create({ queueId }).pipe(ignoreExisting)
  yield* catalog
    .addShow({
      showId,
      title: "Winter Gala: Seoul Philharmonic",
      queueId
    })
    .pipe(ignoreExisting)

  const known = yield* catalog.performances(showId)
  const next = known.find(({ startsAt }) => startsAt > now + day)
  // If all performances of kept data are in the past, it gets three new ones.
  const missing = next === undefined ? 3 : Math.max(0, 3 - known.length)
  for (let i = 0; i < missing; i++) {
    const performanceId = PerformanceId.make(`gala-${known.length + i + 1}`)
    const startsAt = sevenInSeoul(now + (21 + 7 * i) * day)
    yield* catalog
      .addPerformance({ performanceId, showId, startsAt, timeZone: "Asia/Seoul" })
      .pipe(ignoreExisting)
  }
  for (const { performanceId, totalSeats } of yield* catalog.performances(showId)) {
    if (totalSeats === 0) yield* catalog.addSeats({ performanceId, seats }).pipe(ignoreExisting)
  }
  return next?.performanceId ?? PerformanceId.make(`gala-${known.length + 1}`)
})

/** 19:00 in Seoul, nine hours ahead of UTC, on the day of an instant. */
const sevenInSeoul = (instant: number): Date =>
  new Date(Math.floor(instant / day) * day + (19 - 9) * 3_600_000)

/** Commands to paste, one per line, for the seven APIs in order. */
export const instructions = (options: {
  readonly url: string
  readonly performanceId: string
}): string => {
  const { url, performanceId } = options
  const user = `-H 'X-User-Id: ada'`
  const token = `${user} -H "Queue-Token: $TOKEN"`
  const json = `-H 'Content-Type: application/json'`
  const pick = (name: string) => `sed -n 's/.*"${name}":"\\([^"]*\\)".*/\\1/p'`
  const firstSeat = `sed -n 's/.*"seats":\\[{"seatId":"\\([^"]*\\)".*/\\1/p'`
  const steps = [
    [
      "Join the queue",
      `TOKEN=$(curl -sS -X POST ${user} ${url}/v1/queues/${queueId}/token | ${pick("token")}); echo "$TOKEN"`
    ],
    ["Dates with a free seat", `curl -sS ${token} ${url}/v1/shows/${showId}/dates; echo`],
    [
      "Free seats; the first one is yours",
      `SEAT=$(curl -sS ${token} ${url}/v1/performances/${performanceId}/seats | ${firstSeat}); echo "$SEAT"`
    ],
    [
      "Hold it",
      `RESERVATION=$(curl -sS ${token} ${json} -d "{\\"performanceId\\":\\"${performanceId}\\",\\"seatIds\\":[\\"$SEAT\\"]}" ${url}/v1/reservations | ${pick("reservationId")}); echo "$RESERVATION"`
    ],
    [
      "Charge the wallet: in the demo every user can, without paying (BOXOFFICE_CHARGES=user)",
      `curl -sS ${token} ${json} -H "Idempotency-Key: charge-$RESERVATION" -d '{"amount":200000,"currency":"KRW"}' ${url}/v1/wallet/charges; echo`
    ],
    ["The balance", `curl -sS ${token} ${url}/v1/wallet; echo`],
    [
      "Pay",
      `curl -sS ${token} ${json} -H "Idempotency-Key: pay-$RESERVATION" -d "{\\"reservationId\\":\\"$RESERVATION\\"}" ${url}/v1/payments; echo`
    ]
  ]
  return [
    `Box Office listens on ${url} (reference: ${url}/docs). Ctrl-C ends it.`,
    "",
    "Buy a seat through the seven APIs: paste these in another terminal, in order.",
    "",
    ...steps.flatMap(([title, command], index) => [`# ${index + 1}. ${title}`, command, ""])
  ].join("\n")
}
