/** A host with Effect, as far as the type-checker is concerned: see `typeBudget.test.ts`. */
import {
  BoxOffice,
  type BoxOfficeStore,
  type HoldError,
  layerOf,
  type PayError,
  type PoliciesInvalid,
  Reservations,
  type SigningKeysInvalid,
  Wallet
} from "@boxoffice/core"
import { Effect, Layer, Stream } from "effect"

export const buy = Effect.fn("buy")(function* (userId: string) {
  const { queue, catalog, payments } = yield* BoxOffice
  const reservations = yield* Reservations
  const wallet = yield* Wallet
  const { token: queueToken } = yield* queue.join({ queueId: "main", userId })
  const caller = { userId, queueToken }
  yield* queue.changes(caller).pipe(
    Stream.takeUntil(({ state }) => state === "admitted"),
    Stream.runDrain
  )
  const { dates } = yield* catalog.availableDates({ ...caller, showId: "gala" })
  const performanceId = dates[0]!.performances[0]!.performanceId
  const { seats } = yield* catalog.availableSeats({ ...caller, performanceId })
  const seatIds = seats.slice(0, 2).map(({ seatId }) => seatId)
  const { reservationId, amount } = yield* reservations
    .hold({ ...caller, performanceId, seatIds })
    .pipe(
      Effect.catchTag("SeatUnavailable", ({ conflicts }) =>
        reservations.hold({
          ...caller,
          performanceId,
          seatIds: seatIds.filter((seatId) => conflicts.every((taken) => taken.seatId !== seatId))
        })
      )
    )
  yield* wallet.charge({ ...caller, amount })
  return yield* payments.pay({ ...caller, reservationId }).pipe(
    Effect.catchTags({
      HoldExpired: ({ expiredAt }) => Effect.succeed(expiredAt),
      InsufficientBalance: ({ available }) => Effect.succeed(available)
    })
  )
})

export const errors = (error: HoldError | PayError): string => error.code

export const program = (
  store: Layer.Layer<BoxOfficeStore>
): Effect.Effect<
  unknown,
  Effect.Error<ReturnType<typeof buy>> | SigningKeysInvalid | PoliciesInvalid
> =>
  Effect.provide(
    buy("ada"),
    layerOf({ signingKeys: { k1: "secret" }, policies: { gate: [] } }).pipe(Layer.provide(store))
  )
