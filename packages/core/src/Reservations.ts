/** Holding seats for a while, and releasing them. See `reservation/decide.ts` for the rules. */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import {
  type EngineFault,
  IdempotencyConflict,
  type Overloaded,
  type RequestInvalid,
  type StoreUnavailable
} from "./Errors.ts"
import type { SeatsHeld } from "./Events.ts"
import { BatchSettings, makeCommandBatchers } from "./engine/Command.ts"
import { reservationIdOf } from "./engine/CommandIds.ts"
import { evolve, evolveAll } from "./engine/evolve.ts"
import type { CommandOptions, OutcomeFromEffects } from "./engine/Idempotency.ts"
import {
  callerFields,
  checkInput,
  IdempotencyKey,
  Name,
  PageLimit,
  pageLimitDefault
} from "./engine/input.ts"
import { seatCountsPerBatch } from "./engine/LoadPlan.ts"
import { pageOf } from "./engine/page.ts"
import type { Rows } from "./engine/Rows.ts"
import { type Caller, checkInBatch, type GateError } from "./Gate.ts"
import { decideSessionOfHold } from "./gate/decide.ts"
import { makeGatedCommand, needsMoreRows, type Running } from "./gate/gatedCommand.ts"
import { isUuid, type PerformanceId, type ReservationId, type SeatId, UserId } from "./Ids.ts"
import { Policies } from "./Policies.ts"
import {
  decideExpiry,
  decideHold,
  decideRelease,
  type Hold,
  type HoldRefusal
} from "./reservation/decide.ts"
import { ReservationNotFound, type ReservationNotPayable } from "./reservation/errors.ts"
import { type Reservation, ReservationCursor, toReservation } from "./reservation/model.ts"
import type { QueueTokenPayload } from "./token/format.ts"

export interface HoldInput extends Caller, CommandOptions {
  readonly performanceId: string
  /** Different seats of that performance, 1 to 200. */
  readonly seatIds: ReadonlyArray<string>
}

export interface ReservationsPage {
  readonly items: ReadonlyArray<Reservation>
  /** Where the next page begins; `null` on the last. */
  readonly next: ReservationCursor | null
}

export type HoldError = GateError | HoldRefusal | IdempotencyConflict | EngineFault
export type ReleaseError = ReservationNotFound | ReservationNotPayable | EngineFault

export class Reservations extends Context.Service<
  Reservations,
  {
    /** Holds all of the seats for the policies' `holdSeconds`, or none of them. */
    readonly hold: (input: HoldInput) => Effect.Effect<Reservation, HoldError>
    /** Releases a hold. Releasing it again changes nothing. */
    readonly release: (input: {
      readonly userId: string
      readonly reservationId: string
    }) => Effect.Effect<void, ReleaseError>
    readonly get: (input: {
      readonly userId: string
      readonly reservationId: string
    }) => Effect.Effect<Reservation, ReservationNotFound | RequestInvalid | StoreUnavailable>
    /** The user's reservations, newest first. */
    readonly list: (input: {
      readonly userId: string
      readonly limit?: number | undefined
      readonly after?: ReservationCursor | undefined
    }) => Effect.Effect<ReservationsPage, RequestInvalid | StoreUnavailable>
    /** Records that holds have lapsed. Their seats were free from that moment. For the sweeper. */
    readonly expire: (
      reservationIds: ReadonlyArray<ReservationId>
    ) => Effect.Effect<void, Overloaded | StoreUnavailable>
  }
>()("@boxoffice/core/Reservations") {
  static readonly layer = Layer.effect(
    Reservations,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const policies = yield* Policies
      const settings = yield* BatchSettings
      const holdEnds = yield* makeCommandBatchers<Result.Result<void, ReleaseError>>(
        store,
        settings
      )

      const hold = yield* makeGatedCommand(
        "Reservations.hold",
        {
          operation: "hold",
          input: checkHold,
          about: ({ performanceId }) => ({ performanceId }),
          content: ({ performanceId, seatIds }) => [performanceId, ...seatIds.toSorted()],
          key: ({ performanceId, seatIds }) => `${performanceId}\n${seatIds[0]}`,
          plan: (plan, { input, commandId, isKeyed, payload, isWide }) => {
            // If the command ran before, its own hold has the seats, and `decide` would refuse it. So
            // `fromEffects` looks for that hold.
            if (isKeyed) plan.reservations.add(reservationIdOf(commandId))
            if (payload !== undefined) {
              const tokens = isWide ? plan.tokens : plan.tokensToRead
              tokens.add(payload.tokenId)
            }
            plan.addSeats(input.performanceId, input.seatIds)
            plan.addSeatCount(input.performanceId, input.userId)
          },
          check: (rows, { input, payload }) => {
            const performanceId = input.performanceId as PerformanceId
            return checkInBatch(rows, payload, rows.performances.get(performanceId)?.queueId)
          },
          fromEffects: (rows, command) => holdFromEffects(rows, holdOf(command)),
          decide: (
            rows,
            command
          ): Result.Result<Reservation, HoldRefusal> | typeof needsMoreRows => {
            const asked = holdOf(command)
            const held = decideHold(rows, asked, policies)
            if (Result.isFailure(held)) return Result.fail(held.failure)
            // Most sessions outlast the hold, so the batch only reads the token. A session that
            // would end first is extended by this command, in a batch that locks the token.
            const session = sessionOf(rows, command.payload, held.success)
            if (session.length > 0 && !command.isWide) return needsMoreRows
            evolveAll(rows, [...session, held.success])
            return Result.succeed(reservationIn(rows, asked.reservationId))
          }
        },
        { batchSize: Math.min(settings.batchSize, seatCountsPerBatch) }
      )

      const release = Effect.fn("Reservations.release")(function* (input: {
        readonly userId: string
        readonly reservationId: string
      }) {
        const { userId, reservationId } = yield* checkNamed(input)
        const released = yield* holdEnds.submit({
          key: reservationId,
          plan: (plan) => plan.addReservation(reservationId),
          decide: (rows) =>
            Result.map(
              decideRelease(rows, { userId, reservationId: reservationId as ReservationId }),
              (event) => event && evolve(rows, event)
            )
        })
        return yield* Effect.fromResult(released)
      })

      const expireOne = (reservationId: ReservationId) =>
        holdEnds.submit({
          key: reservationId,
          plan: (plan) => plan.addReservation(reservationId),
          decide: (rows) => {
            const event = decideExpiry(rows, reservationId)
            if (event !== undefined) evolve(rows, event)
            return Result.succeed(undefined)
          }
        })

      const get = Effect.fn("Reservations.get")(function* (input: {
        readonly userId: string
        readonly reservationId: string
      }) {
        const { userId, reservationId } = yield* checkNamed(input)
        if (!isUuid(reservationId)) return yield* new ReservationNotFound()
        const { now, reservations } = yield* store.reservation(reservationId as ReservationId)
        const row = reservations[0]
        // Guard reservation-own: without " || row.userId !== userId", reservationsService.test "seen by their owner alone" fails.
        if (row === undefined || row.userId !== userId) return yield* new ReservationNotFound()
        return toReservation(row, now)
      })

      const list = Effect.fn("Reservations.list")(function* (input: {
        readonly userId: string
        readonly limit?: number | undefined
        readonly after?: ReservationCursor | undefined
      }) {
        const { userId, limit = pageLimitDefault, after } = yield* checkList(input)
        const { now, reservations } = yield* store.reservations(userId, {
          limit: limit + 1,
          after: after && { ...after, reservationId: after.reservationId as ReservationId }
        })
        const page = pageOf(reservations, limit, ({ heldAt, reservationId }) => ({
          heldAt,
          reservationId
        }))
        return { ...page, items: page.items.map((row) => toReservation(row, now)) }
      })

      const expire = (reservationIds: ReadonlyArray<ReservationId>) =>
        Effect.forEach(reservationIds, expireOne, { concurrency: "unbounded", discard: true })

      return Reservations.of({ hold, release, get, list, expire })
    })
  )
}

const holdOf = ({ input, commandId }: Running<CheckedHold>): Hold => ({
  reservationId: reservationIdOf(commandId),
  userId: input.userId,
  performanceId: input.performanceId as PerformanceId,
  seatIds: input.seatIds as ReadonlyArray<SeatId>
})

/** A hold of an earlier call with the same key, as it stands now. */
const holdFromEffects = (rows: Rows, asked: Hold): OutcomeFromEffects<Reservation> | undefined => {
  const made = rows.reservations.get(asked.reservationId)
  if (made === undefined) return undefined
  const seatIds = new Set(made.seats.map(({ seatId }) => seatId))
  const isTheSame =
    made.userId === asked.userId &&
    made.performanceId === asked.performanceId &&
    seatIds.size === asked.seatIds.length &&
    // Guard hold-by-key-seats: with "true" for "asked.seatIds.every(…has(seatId))", sql-store/forgottenKeys.test "as good without its record" fails.
    asked.seatIds.every((seatId) => seatIds.has(seatId))
  return isTheSame
    ? Result.succeed(reservationIn(rows, asked.reservationId))
    : Result.fail(new IdempotencyConflict())
}

const sessionOf = (
  rows: Rows,
  payload: QueueTokenPayload | undefined,
  { holdExpiresAt }: SeatsHeld
) => {
  const token = payload && rows.token(payload.tokenId)
  return token === undefined ? [] : decideSessionOfHold(token, holdExpiresAt, rows.now)
}

const reservationIn = (rows: Rows, reservationId: ReservationId): Reservation =>
  toReservation(rows.reservations.get(reservationId)!, rows.now)

const checkHold = checkInput(
  Schema.Struct({
    ...callerFields,
    performanceId: Name,
    seatIds: Schema.Array(Name).check(Schema.isBetweenLength(1, 200), Schema.isUnique()),
    idempotencyKey: Schema.optional(IdempotencyKey)
  })
)

type CheckedHold = Effect.Success<ReturnType<typeof checkHold>>

const checkNamed = checkInput(Schema.Struct({ userId: UserId, reservationId: Name }))

const checkList = checkInput(
  Schema.Struct({
    userId: UserId,
    limit: Schema.optional(PageLimit),
    after: Schema.optional(ReservationCursor)
  })
)
