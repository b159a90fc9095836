/**
 * The catalogue service: shows, performances and seats, and which of them can still be booked.
 *
 * Reads of dates and seat maps are shared by the users of a node: see `catalog/sharedReads.ts`.
 */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { BoxOfficeStore, type PerformanceReading } from "./BoxOfficeStore.ts"
import { decideAddPerformance, decideAddSeats, decideAddShow } from "./catalog/decide.ts"
import { type AlreadyExists, PerformanceNotFound, ShowNotFound } from "./catalog/errors.ts"
import { type AvailableDates, NewSeat, Performance, type SeatMap, Show } from "./catalog/model.ts"
import { makeCatalogReads } from "./catalog/sharedReads.ts"
import {
  type EngineFault,
  type IdempotencyConflict,
  RequestInvalid,
  type StoreUnavailable
} from "./Errors.ts"
import {
  type CommandIdentity,
  type CommandOptions,
  operatorCommandIdentity,
  planOutcome,
  runOnce,
  toEffect
} from "./engine/Idempotency.ts"
import {
  callerFields,
  checkInput,
  checkKey,
  Name,
  PageLimit,
  pageLimitDefault
} from "./engine/input.ts"
import { LoadPlan } from "./engine/LoadPlan.ts"
import { pageOf } from "./engine/page.ts"
import type { Rows } from "./engine/Rows.ts"
import { traced } from "./engine/tracing.ts"
import { type Caller, Gate, type GateError } from "./Gate.ts"
import { afterCommit, HostTransaction } from "./HostTransaction.ts"
import { isCatalogKey, PerformanceId, ShowId } from "./Ids.ts"
import { GivenInstant } from "./Instant.ts"
import { Policies } from "./Policies.ts"
import type { QueueNotFound } from "./queue/errors.ts"

export interface DatesInput extends Caller {
  readonly showId: string
}

export interface SeatsInput extends Caller {
  readonly performanceId: string
  /** `all` gives every seat with its status; the default gives those that can be booked. */
  readonly status?: "available" | "all" | undefined
}

export interface ShowsPage {
  readonly items: ReadonlyArray<Show>
  readonly next: ShowId | null
}

/** An input with unbranded ids: the host gives plain strings, which the service checks. */
type Plain<Row> = {
  readonly [Key in keyof Row]: Row[Key] extends string ? string : Row[Key]
}
export interface ShowInput
  extends Omit<Plain<Show>, "salesOpenAt" | "salesCloseAt">,
    CommandOptions {
  /** Seats can be booked from this instant on; at once if it is `null` or left out. */
  readonly salesOpenAt?: Date | null | undefined
  /** Seats can be booked before this instant; until the start if it is `null` or left out. */
  readonly salesCloseAt?: Date | null | undefined
}
export type PerformanceInput = Plain<Performance> & CommandOptions
export type SeatInput = Plain<NewSeat>
export interface SeatsToAddInput extends CommandOptions {
  readonly performanceId: string
  readonly seats: ReadonlyArray<SeatInput>
}

/** The item, and whether this call created it. */
export type Added<Item> = Item & { readonly created: boolean }

/** The result of adding seats: `added` counts those that did not exist before. */
export interface AddedSeats {
  readonly performanceId: PerformanceId
  readonly added: number
  readonly created: boolean
}

type AdditionError = AlreadyExists | IdempotencyConflict | RequestInvalid | StoreUnavailable
export type AddShowError = QueueNotFound | AdditionError
export type AddPerformanceError = ShowNotFound | AdditionError
export type AddSeatsError = PerformanceNotFound | AdditionError

/** What is on sale: an operator adds shows, performances and seats; users read dates and seat maps. */
export class Catalog extends Context.Service<
  Catalog,
  {
    /** All shows, by id. Not gated, so that a client can find its queue. */
    readonly shows: (page: {
      readonly limit?: number | undefined
      readonly after?: string | undefined
    }) => Effect.Effect<ShowsPage, RequestInvalid | StoreUnavailable>
    readonly show: (showId: string) => Effect.Effect<Show, ShowNotFound | StoreUnavailable>
    /** The dates of a show that have a bookable seat, in the local time of each performance. */
    readonly availableDates: (
      input: DatesInput
    ) => Effect.Effect<AvailableDates, GateError | ShowNotFound | EngineFault>
    /** The bookable seats of a performance, or with `status: "all"` every seat with its status. */
    readonly availableSeats: (
      input: SeatsInput
    ) => Effect.Effect<SeatMap, GateError | PerformanceNotFound | EngineFault>

    /** Every performance of a show, bookable or not, by start. For operators. */
    readonly performances: (
      showId: string
    ) => Effect.Effect<ReadonlyArray<PerformanceReading>, ShowNotFound | StoreUnavailable>

    // Adding an item that exists with the same values succeeds with `created: false`. If its id
    // belongs to an item with other values, the call is refused with `AlreadyExists`.

    readonly addShow: (show: ShowInput) => Effect.Effect<Added<Show>, AddShowError>
    readonly addPerformance: (
      performance: PerformanceInput
    ) => Effect.Effect<Added<Performance>, AddPerformanceError>
    /**
     * Adds the seats that do not exist yet, all or none, 1 to 100,000 at a time. They keep the
     * order of the array.
     */
    readonly addSeats: (input: SeatsToAddInput) => Effect.Effect<AddedSeats, AddSeatsError>
  }
>()("@boxoffice/core/Catalog") {
  static readonly layer = Layer.effect(
    Catalog,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const gate = yield* Gate
      const policies = yield* Policies

      const shows = Effect.fn("Catalog.shows")(function* (input: {
        readonly limit?: number | undefined
        readonly after?: string | undefined
      }) {
        const { limit = pageLimitDefault, after } = yield* checkPage(input)
        const rows = yield* store.shows({ limit: limit + 1, after })
        return pageOf(rows, limit, ({ showId }) => showId)
      })

      const show = Effect.fn("Catalog.show")(function* (showId: string) {
        const found = isCatalogKey(showId) ? yield* store.show(showId as ShowId) : undefined
        if (found === undefined) return yield* new ShowNotFound()
        return found
      })

      const performances = Effect.fn("Catalog.performances")(function* (showId: string) {
        const read = isCatalogKey(showId) ? yield* store.performances(showId as ShowId) : undefined
        if (read === undefined) return yield* new ShowNotFound()
        return read.performances
      })

      const reads = yield* makeCatalogReads

      const readDates = Effect.fnUntraced(function* (input: DatesInput) {
        const { showId, ...caller } = yield* checkDates(input)
        const about = isCatalogKey(showId) ? { showId: showId as ShowId } : undefined
        yield* gate.requireForRead("dates", caller, about)
        const dates = about && (yield* reads.dates(about.showId))
        if (dates === undefined) return yield* new ShowNotFound()
        return dates
      })

      const readSeats = Effect.fnUntraced(function* (input: SeatsInput) {
        const { performanceId, status, ...caller } = yield* checkSeats(input)
        const id = performanceId as PerformanceId
        const exists = isCatalogKey(id)
        yield* gate.requireForRead("seats", caller, exists ? { performanceId: id } : undefined)
        const map = exists ? yield* reads.seatMap(id, status === "all") : undefined
        if (map === undefined) return yield* new PerformanceNotFound()
        return map
      })

      // The fast path of most calls: the node has passed the token and read the same show a moment
      // ago. The verified token proves the user id, and the cached reading proves that the show or
      // performance exists, so no input is left to check. Inside a host's transaction, a shared
      // reading must not be used.

      const availableDates = (input: DatesInput) =>
        Effect.withFiber((fiber) => {
          const showId = input.showId as ShowId
          const isShared = fiber.getRef(HostTransaction) === undefined
          const isKnown = isShared && gate.passesFromCache("dates", input, { showId })
          const dates = isKnown ? reads.peekDates(showId) : undefined
          return dates === undefined ? readDates(input) : Effect.succeed(dates)
        }).pipe(traced("Catalog.availableDates"))

      const availableSeats = (input: SeatsInput) =>
        Effect.withFiber((fiber) => {
          const { status = "available" } = input
          const performanceId = input.performanceId as PerformanceId
          const isKnown =
            fiber.getRef(HostTransaction) === undefined &&
            (status === "available" || status === "all") &&
            gate.passesFromCache("seats", input, { performanceId })
          const map = isKnown ? reads.peekSeatMap(performanceId, status === "all") : undefined
          return map === undefined ? readSeats(input) : Effect.succeed(map)
        }).pipe(traced("Catalog.availableSeats"))

      /**
       * Repeats the recorded outcome of a command, or decides it on the planned rows and records
       * it.
       */
      const add = Effect.fnUntraced(function* <A, E>(
        input: CommandOptions,
        command: CommandIdentity,
        planRows: (plan: LoadPlan) => void,
        decide: (rows: Rows) => Result.Result<A, E>
      ) {
        const plan = new LoadPlan()
        planOutcome(plan, command)
        planRows(plan)
        const outcome = yield* store.transact(plan, (rows) =>
          runOnce(rows, command, () => decide(rows))
        )
        return yield* toEffect<A, E>(outcome, input)
      })

      const addShow = Effect.fn("Catalog.addShow")(function* (input: ShowInput) {
        const { idempotencyKey } = yield* checkKey(input)
        const {
          showId,
          title,
          queueId,
          salesOpenAt = null,
          salesCloseAt = null
        } = yield* checkShow(input)
        const show: Show = { showId, title, queueId, salesOpenAt, salesCloseAt }
        if (salesOpenAt !== null && salesCloseAt !== null && salesCloseAt <= salesOpenAt) {
          const message = "sales must open before they close"
          return yield* new RequestInvalid({ errors: [{ path: "salesCloseAt", message }] })
        }
        const sales = `${salesOpenAt?.getTime()} ${salesCloseAt?.getTime()}`
        const content = [showId, title, queueId, sales]
        const command = operatorCommandIdentity("addShow", idempotencyKey, content)
        const planRows = (plan: LoadPlan) => {
          plan.queues.add(queueId)
          plan.shows.add(showId)
        }
        return yield* add(input, command, planRows, (rows) =>
          Result.map(decideAddShow(rows, show), (created): Added<Show> => {
            if (created) rows.addShow(show)
            return { ...show, created }
          })
        )
      })

      const addPerformance = Effect.fn("Catalog.addPerformance")(function* (
        input: PerformanceInput
      ) {
        const { idempotencyKey } = yield* checkKey(input)
        const performance = yield* checkPerformance(input)
        const { performanceId, showId, startsAt, timeZone } = performance
        const content = [performanceId, showId, String(startsAt.getTime()), timeZone]
        const command = operatorCommandIdentity("addPerformance", idempotencyKey, content)
        const planRows = (plan: LoadPlan) => {
          plan.shows.add(showId)
          plan.performances.add(performanceId)
        }
        const added = yield* add(input, command, planRows, (rows) =>
          Result.map(decideAddPerformance(rows, performance), (created): Added<Performance> => {
            if (created) rows.addPerformance(performance)
            return { ...performance, created }
          })
        )
        yield* afterCommit(Effect.sync(() => reads.forget(added.performanceId, added.showId)))
        return added
      })

      const addSeats = Effect.fn("Catalog.addSeats")(function* (input: SeatsToAddInput) {
        const { idempotencyKey } = yield* checkKey(input)
        const { performanceId, seats } = yield* checkNewSeats(input)
        const content = idempotencyKey === undefined ? [] : [performanceId, textOf(seats)]
        const command = operatorCommandIdentity("addSeats", idempotencyKey, content)
        const planRows = (plan: LoadPlan) => {
          plan.performances.add(performanceId)
          plan.seatsToRead.push({ performanceId, seatIds: seats.map(({ seatId }) => seatId) })
        }
        let showId: ShowId | undefined
        const added = yield* add(input, command, planRows, (rows) => {
          showId = rows.storedPerformances.get(performanceId)?.showId
          const decided = decideAddSeats(rows, performanceId, seats, policies.currency)
          return Result.map(decided, (toAdd): AddedSeats => {
            rows.addSeats(performanceId, toAdd.seats)
            const added = toAdd.seats.length
            return { performanceId, added, created: added > 0 }
          })
        })
        yield* afterCommit(Effect.sync(() => reads.forget(performanceId, showId)))
        return added
      })

      return Catalog.of({
        shows,
        show,
        availableDates,
        availableSeats,
        performances,
        addShow,
        addPerformance,
        addSeats
      })
    })
  )
}

/** The seats as one text for a digest. A field that is left out has its default in it. */
const textOf = (seats: ReadonlyArray<NewSeat>): string =>
  JSON.stringify(
    seats.map(({ seatId, section, row, number, price, blocked = false }) => [
      [seatId, section, row, number],
      [price.amount.toString(), price.currency, blocked]
    ])
  )

const checkPage = checkInput(
  Schema.Struct({ limit: Schema.optional(PageLimit), after: Schema.optional(ShowId) })
)
const checkDates = checkInput(Schema.Struct({ ...callerFields, showId: Name }))
const checkSeats = checkInput(
  Schema.Struct({
    ...callerFields,
    performanceId: Name,
    status: Schema.optional(Schema.Literals(["available", "all"]))
  })
)
const checkShow = checkInput(
  Schema.Struct({
    ...Show.fields,
    salesOpenAt: Schema.optional(Schema.NullOr(GivenInstant)),
    salesCloseAt: Schema.optional(Schema.NullOr(GivenInstant))
  })
)
const checkPerformance = checkInput(
  Schema.Struct({ ...Performance.fields, startsAt: GivenInstant })
)
const checkNewSeats = checkInput(
  Schema.Struct({
    performanceId: PerformanceId,
    seats: Schema.Array(NewSeat).check(
      Schema.isBetweenLength(1, 100_000),
      Schema.makeFilter(
        (seats) =>
          new Set(seats.map((seat) => seat.seatId)).size === seats.length ||
          "expected different seat ids"
      ),
      Schema.makeFilter(
        (seats) =>
          new Set(seats.map((seat) => seat.price.currency)).size <= 1 ||
          "expected prices in one currency"
      )
    )
  })
)
