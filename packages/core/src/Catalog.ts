/** What is on sale, and which of it can still be booked. */
import { Context, Effect, Layer, Schema } from "effect"
import { AlreadyExists, PerformanceNotFound, ShowNotFound } from "./catalog/errors.ts"
import { makeFreshCatalog } from "./catalog/fresh.ts"
import { type AvailableDates, NewSeat, Performance, type SeatMap, Show } from "./catalog/model.ts"
import { type Overloaded, RequestInvalid, type StoreUnavailable } from "./Errors.ts"
import { type Caller, Gate, type GateRefusal } from "./Gate.ts"
import { afterCommit, HostTransaction } from "./HostTransaction.ts"
import { isCatalogKey, PerformanceId, ShowId, UserId } from "./Ids.ts"
import { checkInput, Name, PageLimit, pageLimitDefault } from "./Input.ts"
import { Policies } from "./Policies.ts"
import { QueueNotFound } from "./queue/errors.ts"
import { span } from "./Span.ts"
import { BoxOfficeStore, type PerformanceReading } from "./Store.ts"

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

/** A host's own names come as plain text, and are checked. */
type Plain<Row> = {
  readonly [Key in keyof Row]: Row[Key] extends string ? string : Row[Key]
}
export type ShowInput = Plain<Show>
export type PerformanceInput = Plain<Performance>
export type SeatInput = Plain<NewSeat>

type Faults = RequestInvalid | Overloaded | StoreUnavailable

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
    ) => Effect.Effect<AvailableDates, GateRefusal | ShowNotFound | Faults>
    readonly availableSeats: (
      input: SeatsInput
    ) => Effect.Effect<SeatMap, GateRefusal | PerformanceNotFound | Faults>

    /** Every performance of a show, bookable or not, by start. For operators. */
    readonly performances: (
      showId: string
    ) => Effect.Effect<ReadonlyArray<PerformanceReading>, ShowNotFound | StoreUnavailable>
    readonly addShow: (
      show: ShowInput
    ) => Effect.Effect<Show, AlreadyExists | QueueNotFound | RequestInvalid | StoreUnavailable>
    readonly addPerformance: (
      performance: PerformanceInput
    ) => Effect.Effect<
      Performance,
      AlreadyExists | ShowNotFound | RequestInvalid | StoreUnavailable
    >
    /** Adds seats, all or none, 1 to 100,000 at a time. They keep the order they come in. */
    readonly addSeats: (input: {
      readonly performanceId: string
      readonly seats: ReadonlyArray<SeatInput>
    }) => Effect.Effect<
      void,
      AlreadyExists | PerformanceNotFound | RequestInvalid | StoreUnavailable
    >
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
        const items = rows.slice(0, limit)
        return { items, next: rows.length > limit ? items.at(-1)!.showId : null }
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

      const fresh = yield* makeFreshCatalog

      const readDates = Effect.fnUntraced(function* (input: DatesInput) {
        const { showId, ...caller } = yield* checkDates(input)
        const about = isCatalogKey(showId) ? { showId: showId as ShowId } : undefined
        yield* gate.passToRead("dates", caller, about)
        const dates = about && (yield* fresh.dates(about.showId))
        if (dates === undefined) return yield* new ShowNotFound()
        return dates
      })

      const readSeats = Effect.fnUntraced(function* (input: SeatsInput) {
        const { performanceId, status, ...caller } = yield* checkSeats(input)
        const id = performanceId as PerformanceId
        const exists = isCatalogKey(id)
        yield* gate.passToRead("seats", caller, exists ? { performanceId: id } : undefined)
        const map = exists ? yield* fresh.seatMap(id, status === "all") : undefined
        if (map === undefined) return yield* new PerformanceNotFound()
        return map
      })

      // Most who ask were let through and shown the same a moment ago. A signed token vouches for its
      // user, and a reading for the name of what was read: nothing is left to be checked. Inside a
      // host's transaction nobody else's reading will do.

      const availableDates = (input: DatesInput) =>
        Effect.withFiber((fiber) => {
          const showId = input.showId as ShowId
          const isShared = fiber.getRef(HostTransaction) === undefined
          const isKnown = isShared && gate.passesAtOnce("dates", input, { showId })
          const dates = isKnown ? fresh.peekDates(showId) : undefined
          return dates === undefined ? readDates(input) : Effect.succeed(dates)
        }).pipe(span("Catalog.availableDates"))

      const availableSeats = (input: SeatsInput) =>
        Effect.withFiber((fiber) => {
          const { status = "available" } = input
          const performanceId = input.performanceId as PerformanceId
          const isKnown =
            fiber.getRef(HostTransaction) === undefined &&
            (status === "available" || status === "all") &&
            gate.passesAtOnce("seats", input, { performanceId })
          const map = isKnown ? fresh.peekSeatMap(performanceId, status === "all") : undefined
          return map === undefined ? readSeats(input) : Effect.succeed(map)
        }).pipe(span("Catalog.availableSeats"))

      const addShow = Effect.fn("Catalog.addShow")(function* (input: ShowInput) {
        const show = yield* checkShow(input)
        const { salesOpenAt, salesCloseAt } = show
        if (salesOpenAt !== null && salesCloseAt !== null && salesCloseAt <= salesOpenAt) {
          const message = "sales must open before they close"
          return yield* new RequestInvalid({ errors: [{ path: "salesCloseAt", message }] })
        }
        const added = yield* store.addShow(show)
        if (added === "exists") return yield* new AlreadyExists({ kind: "show" })
        if (added === "missing") return yield* new QueueNotFound()
        return show
      })

      const addPerformance = Effect.fn("Catalog.addPerformance")(function* (
        input: PerformanceInput
      ) {
        const performance = yield* checkPerformance(input)
        const added = yield* store.addPerformance(performance)
        if (added === "exists") return yield* new AlreadyExists({ kind: "performance" })
        if (added === "missing") return yield* new ShowNotFound()
        yield* afterCommit(Effect.sync(() => fresh.forget(performance)))
        return performance
      })

      const addSeats = Effect.fn("Catalog.addSeats")(function* (input: {
        readonly performanceId: string
        readonly seats: ReadonlyArray<SeatInput>
      }) {
        const { performanceId, seats } = yield* checkNewSeats(input)
        const check = Effect.gen(function* () {
          const performance = yield* store.performance(performanceId)
          if (performance === undefined) return yield* new PerformanceNotFound()
          yield* checkPrices(seats, performance.currency, policies.currency)
          return performance
        })
        const performance = yield* check
        const added = yield* store.addSeats(performanceId, seats)
        if (added === "exists") return yield* new AlreadyExists({ kind: "seat" })
        // Another node added the first seats meanwhile, in another currency.
        if (added === "missing") {
          yield* check
          return yield* new PerformanceNotFound()
        }
        yield* afterCommit(Effect.sync(() => fresh.forget(performance)))
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

/**
 * Seats are priced in the currency of their performance, and in one that a buyer can have: wallets
 * are in the configured currency, so that nobody could ever pay for anything else.
 */
const checkPrices = (
  seats: ReadonlyArray<NewSeat>,
  ofPerformance: string | null,
  configured: string
): Effect.Effect<void, RequestInvalid> => {
  const refuse = (wrong: number, message: string) =>
    wrong < 0
      ? Effect.void
      : Effect.fail(
          new RequestInvalid({ errors: [{ path: `seats[${wrong}].price.currency`, message }] })
        )
  const other = seats.findIndex(
    ({ price }) => ofPerformance !== null && price.currency !== ofPerformance
  )
  const unpayable = seats.findIndex(
    ({ price }) => price.amount > 0n && price.currency !== configured
  )
  return Effect.andThen(
    refuse(other, `expected ${ofPerformance}, the currency of the performance's other seats`),
    refuse(
      unpayable,
      `expected ${configured}, since wallets are in that currency: set the policy \`currency\` (BOXOFFICE_CURRENCY) to sell in another`
    )
  )
}

const callerFields = { userId: UserId, queueToken: Schema.optional(Schema.String) }
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
const checkShow = checkInput(Show)
const checkPerformance = checkInput(Performance)
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
