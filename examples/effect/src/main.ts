/** Two users want the same seat. Shows layers, a policy of the host, and errors handled by tag. */
import { BoxOffice, defaultPolicies, Policies, QueueTokens } from "@boxoffice/core"
import { SqlStore } from "@boxoffice/sql-store"
import { layerPglite } from "@boxoffice/sql-store/pglite"
import { Console, Effect, Layer, Redacted } from "effect"
import { addGala, performanceId, queueId } from "./gala.ts"

const Store = SqlStore.layer({ migrate: true }).pipe(Layer.provide(layerPglite()))
const secret = Redacted.make("a secret of at least thirty-two bytes")
const Keys = QueueTokens.layer([{ id: "k1", secret }])
const OneMinute = Layer.succeed(Policies, { ...defaultPolicies, holdSeconds: 60 })
const Office = BoxOffice.layer.pipe(Layer.provide([Store, Keys, OneMinute]))

const buy = Effect.fn("buy")(function* (userId: string, seatId: string, secondChoice: string) {
  const { queue, reservations, wallet, payments } = yield* BoxOffice
  const { token: queueToken } = yield* queue.join({ queueId, userId })
  const caller = { userId, queueToken }
  const hold = (seatId: string) =>
    reservations.hold({ ...caller, performanceId, seatIds: [seatId] })

  const { seats, reservationId, holdExpiresInSeconds } = yield* hold(seatId).pipe(
    Effect.catchTag("SeatUnavailable", ({ message }) =>
      Effect.andThen(Console.log(`${userId}: ${message}`), hold(secondChoice))
    )
  )
  yield* Console.log(`${userId}: ${seats[0]?.seatId} for ${holdExpiresInSeconds} s`)

  const pay = payments.pay({ ...caller, reservationId })
  const { balance } = yield* pay.pipe(
    Effect.catchTag("InsufficientBalance", ({ message, required }) =>
      Console.log(`${userId}: ${message}`).pipe(
        Effect.andThen(wallet.charge({ ...caller, amount: required })),
        Effect.andThen(pay)
      )
    )
  )
  yield* Console.log(`${userId}: paid, ${balance.amount} left`)
})

const program = addGala.pipe(
  Effect.andThen(buy("ada", "A1", "A2")),
  Effect.andThen(buy("grace", "A1", "A2"))
)
await Effect.runPromise(Effect.provide(program, Office))
