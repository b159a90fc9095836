/**
 * The rows of one batch: loaded and locked by the store, evolved in memory by events, and saved
 * again. `evolve` is the only thing that changes them, but for what no event may tell.
 */
import type {
  NewSeat,
  Performance,
  PerformanceRow,
  Show,
  StoredPerformance
} from "../catalog/model.ts"
import type {
  BoxOfficeEvent,
  QueueEvent,
  QueueTokenEvent,
  QueueTokenIssued,
  RecordedOutcome
} from "../Events.ts"
import type {
  CommandId,
  PerformanceId,
  QueueId,
  ReservationId,
  SeatId,
  ShowId,
  TokenId,
  TransferId,
  UserId
} from "../Ids.ts"
import { money } from "../Money.ts"
import type { QueueSettings } from "../Policies.ts"
import type { Departure, Opening, QueueLane, QueueRow, TokenRow } from "../queue/model.ts"
import { laneRow, nextLane, positionOf, withLaneRow } from "../queue/position.ts"
import type { ReservationRow, SeatRow, UnpaidHold } from "../reservation/model.ts"
import type { TransferRow, WalletRow } from "../wallet/model.ts"

// Two names make one key, with what neither of them can have in between.

/** Names a seat across performances. */
export const seatKey = (performanceId: PerformanceId, seatId: SeatId): string =>
  `${performanceId}\n${seatId}`

/** Names one user's seats of one performance, which the per-user limit counts. */
export const holdingKey = (performanceId: PerformanceId, userId: UserId): string =>
  `${performanceId}\n${userId}`

const memberKey = (queueId: QueueId, userId: UserId): string => `${queueId}\n${userId}`

const codeKey = (queueId: QueueId, codeHash: string): string => `${queueId}\n${codeHash}`

/** Who stood where in line. */
type OriginalSeat = Pick<TokenRow, "queueId" | "lane" | "number">

/** The counter account that a charge is taken from. */
const cashAccount = "cash"

/** The counter account that a show's payments go to. */
const revenueAccount = (showId: string): string => `revenue:${showId}`

/** A code that opens the priority lane of a queue, by its digest. */
export interface CodeRow {
  readonly queueId: QueueId
  readonly codeHash: string
  readonly usesLeft: number
}

/** What a batch has changed, as the rows stand at its end: what the store has to save. */
export interface Changes {
  readonly queues: ReadonlyArray<QueueRow>
  readonly newQueues: ReadonlyArray<QueueRow>
  /** How many were let in now, for each queue that let anyone in. */
  readonly grants: ReadonlyArray<{ readonly queueId: QueueId; readonly admitted: number }>
  readonly departures: ReadonlyArray<Departure>
  /** How many went out of queues whose rows were not loaded, and so do not say so. */
  readonly exits: ReadonlyArray<{ readonly queueId: QueueId; readonly count: number }>
  /** Codes that were used, with what is left of them. */
  readonly codes: ReadonlyArray<CodeRow>
  /** Codes that are to be there, whether they were or not. */
  readonly newCodes: ReadonlyArray<CodeRow>
  readonly at: number
  readonly newTokens: ReadonlyArray<TokenRow>
  readonly tokens: ReadonlyArray<TokenRow>
  readonly wallets: ReadonlyArray<WalletRow>
  readonly newReservations: ReadonlyArray<ReservationRow>
  readonly reservations: ReadonlyArray<ReservationRow>
  readonly seats: ReadonlyArray<SeatRow>
  readonly newShows: ReadonlyArray<Show>
  readonly newPerformances: ReadonlyArray<Performance>
  /** In the order in which they were added. */
  readonly newSeats: ReadonlyArray<SeatRow>
  readonly transfers: ReadonlyArray<TransferRow>
  readonly outcomes: ReadonlyArray<RecordedOutcome>
  readonly events: ReadonlyArray<BoxOfficeEvent>
}

/** A table's rows by key, and which of them were added or changed. */
class Table<K, V> {
  readonly added = new Set<K>()
  readonly changed = new Set<K>()
  private readonly rows: Map<K, V>

  constructor(rows: Map<K, V>) {
    this.rows = rows
  }
  get = (key: K): V | undefined => this.rows.get(key)
  values = (): Iterable<V> => this.rows.values()
  add(key: K, row: V): void {
    this.rows.set(key, row)
    this.added.add(key)
  }
  change(key: K, row: V): void {
    this.rows.set(key, row)
    if (!this.added.has(key)) this.changed.add(key)
  }
  pick(keys: Set<K>): ReadonlyArray<V> {
    return Array.from(keys, (key) => this.rows.get(key)!)
  }
}

/** The rows that a store loaded for a batch. Leave out what was not asked for. */
export interface LoadedRows {
  /** The database's clock, in milliseconds since 1970, read after the locks were taken. */
  readonly now: number
  readonly outcomes?: Iterable<RecordedOutcome>
  readonly queues?: Iterable<QueueRow>
  readonly tokens?: Iterable<TokenRow>
  /** Tokens that were read and not locked: no event of the batch may be about them. */
  readonly tokensRead?: Iterable<TokenRow>
  readonly codes?: Iterable<CodeRow>
  /** How many wait in front of each waiting token. */
  readonly ahead?: Iterable<readonly [TokenId, number]>
  readonly performances?: Iterable<PerformanceRow>
  readonly shows?: Iterable<Show>
  /** Performances that are locked against additions of seats. */
  readonly storedPerformances?: Iterable<StoredPerformance>
  readonly wallets?: Iterable<WalletRow>
  readonly reservations?: Iterable<ReservationRow>
  /** Read and not locked; none of `reservations` is among them. */
  readonly unpaid?: Iterable<UnpaidHold>
  readonly transfers?: Iterable<TransferRow>
  readonly seats?: Iterable<SeatRow>
  /** How many seats each user has held or bought, by {@link holdingKey}. */
  readonly seatCounts?: Iterable<readonly [string, number]>
}

const byKey = <K, V>(rows: Iterable<V> | undefined, key: (row: V) => K): Map<K, V> => {
  const map = new Map<K, V>()
  for (const row of rows ?? []) map.set(key(row), row)
  return map
}

/** See the module. Made by a store for each attempt at a batch, and thrown away after it. */
export class Rows {
  readonly now: number
  readonly outcomes: Table<CommandId, RecordedOutcome>
  readonly queues: Table<QueueId, QueueRow>
  readonly tokens: Table<TokenId, TokenRow>
  private readonly codes: Table<string, CodeRow>
  readonly wallets: Table<UserId, WalletRow>
  readonly reservations: Table<ReservationId, ReservationRow>
  readonly seats: Table<string, SeatRow>
  readonly performances: ReadonlyMap<PerformanceId, PerformanceRow>
  readonly shows: Table<ShowId, Show>
  readonly storedPerformances: Table<PerformanceId, StoredPerformance>
  private readonly looks: ReadonlyMap<TokenId, TokenRow>
  private readonly tokensByMember = new Map<string, Array<TokenId>>()
  readonly events: Array<BoxOfficeEvent> = []
  /** Counted when the rows were loaded; {@link ahead} takes off who has left the line since. */
  private readonly aheadOf: Map<TokenId, number>
  private readonly departed: Array<OriginalSeat> = []
  private readonly departures: Array<Departure> = []
  private readonly grants = new Map<QueueId, number>()
  private readonly exits = new Map<QueueId, number>()
  private readonly holdings: Map<string, number>
  private readonly unpaid: ReadonlyArray<UnpaidHold>
  /** Those that were there before the batch. */
  private readonly transfersBefore: ReadonlyMap<TransferId, TransferRow>
  private readonly transfers: Array<TransferRow> = []

  constructor(loaded: LoadedRows) {
    this.now = loaded.now
    this.outcomes = new Table(byKey(loaded.outcomes, (row) => row.commandId))
    this.queues = new Table(byKey(loaded.queues, (row) => row.queueId))
    this.tokens = new Table(byKey(loaded.tokens, (row) => row.tokenId))
    this.codes = new Table(byKey(loaded.codes, (row) => codeKey(row.queueId, row.codeHash)))
    for (const token of this.tokens.values()) this.indexToken(token)
    this.looks = byKey(loaded.tokensRead, (row) => row.tokenId)
    this.wallets = new Table(byKey(loaded.wallets, (row) => row.userId))
    this.reservations = new Table(byKey(loaded.reservations, (row) => row.reservationId))
    this.seats = new Table(byKey(loaded.seats, (row) => seatKey(row.performanceId, row.seatId)))
    this.performances = byKey(loaded.performances, (row) => row.performanceId)
    this.shows = new Table(byKey(loaded.shows, (row) => row.showId))
    this.storedPerformances = new Table(
      byKey(loaded.storedPerformances, (row) => row.performanceId)
    )
    this.aheadOf = new Map(loaded.ahead)
    this.holdings = new Map(loaded.seatCounts)
    this.transfersBefore = byKey(loaded.transfers, (row) => row.transferId)
    this.unpaid = Array.from(loaded.unpaid ?? [])
  }

  seat(performanceId: PerformanceId, seatId: SeatId): SeatRow | undefined {
    return this.seats.get(seatKey(performanceId, seatId))
  }

  /** A token to look at: it may have been locked, or not. */
  token(tokenId: TokenId): TokenRow | undefined {
    return this.tokens.get(tokenId) ?? this.looks.get(tokenId)
  }

  /** The tokens of a user in a queue, those of them that were loaded or issued. */
  tokensOf(queueId: QueueId, userId: UserId): ReadonlyArray<TokenRow> {
    const ids = this.tokensByMember.get(memberKey(queueId, userId)) ?? []
    return ids.map((id) => this.tokens.get(id)!)
  }

  private indexToken({ tokenId, queueId, userId }: TokenRow): void {
    const key = memberKey(queueId, userId)
    const ids = this.tokensByMember.get(key)
    if (ids === undefined) this.tokensByMember.set(key, [tokenId])
    else ids.push(tokenId)
  }

  /** How many seats of a performance a user has held or bought. */
  seatsOf(performanceId: PerformanceId, userId: UserId): number {
    return this.holdings.get(holdingKey(performanceId, userId)) ?? 0
  }

  /** Whether a user holds seats behind a queue that can still be paid for. */
  hasUnpaid(userId: UserId, queueId: QueueId): boolean {
    const lives = (hold: { readonly userId: UserId; readonly holdExpiresAt: number }) =>
      hold.userId === userId && hold.holdExpiresAt > this.now
    if (this.unpaid.some((hold) => lives(hold) && hold.queueId === queueId)) return true
    for (const reservation of this.reservations.values()) {
      if (reservation.status !== "held" || !lives(reservation)) continue
      if (this.performances.get(reservation.performanceId)?.queueId === queueId) return true
    }
    return false
  }

  code(queueId: QueueId, codeHash: string): CodeRow | undefined {
    return this.codes.get(codeKey(queueId, codeHash))
  }

  /** How many wait in front of a waiting token, in its lane. */
  ahead(token: TokenRow): number {
    const counted = this.aheadOf.get(token.tokenId) ?? 0
    if (counted === 0 || this.departed.length === 0) return counted
    const queue = this.queues.get(token.queueId)
    const place = (of: OriginalSeat) => (queue ? positionOf(queue, of.lane, of.number) : of.number)
    const own = place(token)
    let ahead = counted
    for (const gone of this.departed) {
      if (gone.queueId !== token.queueId || gone.lane !== token.lane) continue
      if (place(gone) < own) ahead--
    }
    return ahead
  }

  /** A transfer of an earlier batch, where it was named. */
  transferBefore(transferId: TransferId): TransferRow | undefined {
    return this.transfersBefore.get(transferId)
  }

  /** Keeps the answer to a command for the next time it is asked. */
  record(outcome: RecordedOutcome): void {
    this.outcomes.add(outcome.commandId, outcome)
  }

  /** Adds a queue. Its event comes beside it, since the seed is in the row and told to nobody. */
  addQueue(queueId: QueueId, settings: QueueSettings, opening: Opening | null): void {
    const line = { nextNumber: 1n, cursor: 0n, waiting: 0, headsLoadedTo: 0n }
    this.queues.add(queueId, {
      ...line,
      queueId,
      settings,
      opening,
      mode: "open",
      priority: line,
      laneCredit: 0,
      active: 0,
      admittedLastMinute: 0,
      departed: 0n,
      drawSize: 0n
    })
  }

  /** Adds codes, or changes those that are there. Their event does not say which. */
  addCodes(codes: ReadonlyArray<CodeRow>): void {
    for (const code of codes) this.codes.add(codeKey(code.queueId, code.codeHash), code)
  }

  // What is added to the catalogue has no event: it is told by the catalogue itself.

  addShow(show: Show): void {
    this.shows.add(show.showId, show)
  }

  addPerformance(performance: Performance): void {
    this.storedPerformances.add(performance.performanceId, { ...performance, currency: null })
  }

  addSeats(performanceId: PerformanceId, seats: ReadonlyArray<NewSeat>): void {
    for (const { blocked, price, ...seat } of seats) {
      this.seats.add(seatKey(performanceId, seat.seatId), {
        ...seat,
        price: money(price.amount, price.currency),
        performanceId,
        status: blocked ? "blocked" : "available",
        reservationId: null,
        heldUntil: null
      })
    }
  }

  /** Lets an event take effect on the rows. */
  evolve(event: BoxOfficeEvent): void {
    this.events.push(event)
    switch (event._tag) {
      case "SeatsHeld":
        this.reservations.add(event.reservationId, {
          reservationId: event.reservationId,
          performanceId: event.performanceId,
          userId: event.userId,
          seats: event.seats,
          amount: event.amount,
          status: "held",
          heldAt: event.at,
          holdExpiresAt: event.holdExpiresAt,
          confirmedAt: null,
          endedAt: null,
          paymentId: null
        })
        for (const { seatId } of event.seats) {
          this.changeSeat(event.performanceId, seatId, {
            status: "held",
            reservationId: event.reservationId,
            heldUntil: event.holdExpiresAt
          })
        }
        return this.countSeats(event.performanceId, event.userId, event.seats.length)
      case "HoldReleased":
        this.changeReservation(event, { status: "released", endedAt: event.at })
        return this.freeSeats(event.performanceId, event.userId, event.seatIds)
      case "HoldLapsed":
        this.changeReservation(event, { status: "expired", endedAt: event.holdExpiresAt })
        return this.freeSeats(event.performanceId, event.userId, event.seatIds)
      case "ReservationPaid":
        this.changeReservation(event, {
          status: "confirmed",
          confirmedAt: event.at,
          paymentId: event.paymentId
        })
        for (const seatId of event.seatIds) {
          this.changeSeat(event.performanceId, seatId, { status: "sold", heldUntil: null })
        }
        if (this.isFree(event.reservationId)) return
        return this.transfer(event, {
          transferId: event.paymentId,
          kind: "payment",
          counterAccount: revenueAccount(event.showId),
          gain: -event.amount.amount,
          reservationId: event.reservationId
        })
      case "PaymentRefunded":
        this.changeReservation(event, { status: "cancelled", endedAt: event.at })
        this.freeSeats(event.performanceId, event.userId, event.seatIds)
        if (this.isFree(event.reservationId)) return
        return this.transfer(event, {
          transferId: event.refundId,
          kind: "refund",
          counterAccount: revenueAccount(event.showId),
          gain: event.amount.amount,
          reservationId: event.reservationId
        })
      case "WalletCharged":
        return this.transfer(event, {
          transferId: event.transferId,
          kind: "charge",
          counterAccount: cashAccount,
          gain: event.amount.amount,
          reservationId: null
        })
      default:
        return this.evolveQueue(event)
    }
  }

  /** What is to be saved. */
  changes(): Changes {
    return {
      at: this.now,
      queues: this.queues.pick(this.queues.changed),
      newQueues: this.queues.pick(this.queues.added),
      grants: Array.from(this.grants, ([queueId, admitted]) => ({ queueId, admitted })),
      departures: this.departures,
      exits: Array.from(this.exits, ([queueId, count]) => ({ queueId, count })),
      codes: this.codes.pick(this.codes.changed),
      newCodes: this.codes.pick(this.codes.added),
      newTokens: this.tokens.pick(this.tokens.added),
      tokens: this.tokens.pick(this.tokens.changed),
      wallets: [
        ...this.wallets.pick(this.wallets.added),
        ...this.wallets.pick(this.wallets.changed)
      ],
      newReservations: this.reservations.pick(this.reservations.added),
      reservations: this.reservations.pick(this.reservations.changed),
      seats: this.seats.pick(this.seats.changed),
      newShows: this.shows.pick(this.shows.added),
      newPerformances: this.storedPerformances.pick(this.storedPerformances.added),
      newSeats: this.seats.pick(this.seats.added),
      transfers: this.transfers,
      outcomes: this.outcomes.pick(this.outcomes.added),
      events: this.events
    }
  }

  private evolveQueue(event: QueueEvent): void {
    switch (event._tag) {
      case "QueueTokenIssued":
        return this.issue(event)
      case "QueueCreated":
      case "QueueCodesAdded":
        // What they are about was added beside them: there is more to it than may be told.
        return
      case "QueueOpened":
        return this.changeQueue(event.queueId, (queue) => ({
          ...queue,
          drawSize: event.drawn,
          // The first by number are not the first by the draw: all were loaded, or none is first.
          headsLoadedTo: queue.headsLoadedTo >= event.drawn ? queue.headsLoadedTo : queue.cursor,
          opening: { ...queue.opening!, openedAt: event.at }
        }))
      case "QueueRescheduled":
        return this.changeQueue(event.queueId, (queue) => ({
          ...queue,
          opening: { ...queue.opening!, opensAt: event.opensAt }
        }))
      case "QueueModeChanged":
        return this.changeQueue(event.queueId, (queue) => ({ ...queue, mode: event.mode }))
      case "QueueConfigured":
        return this.changeQueue(event.queueId, (queue) => ({ ...queue, settings: event.settings }))
      default:
        return this.moveToken(event)
    }
  }

  private issue(event: QueueTokenIssued): void {
    const { queueId, tokenId, number, lane = "general" } = event
    const queue = this.queues.get(queueId)!
    const token: TokenRow = {
      tokenId,
      queueId,
      userId: event.userId,
      lane,
      number,
      settings: queue.settings,
      state: "waiting",
      joinedAt: event.at,
      admittedAt: null,
      claimed: false,
      expiresAt: null,
      endedAt: null
    }
    this.tokens.add(tokenId, token)
    this.indexToken(token)
    const line = laneRow(queue, lane)
    this.aheadOf.set(tokenId, line.waiting + this.departedFrom(queueId, lane))
    this.changeQueue(queueId, (queue) =>
      withLaneRow(queue, lane, {
        nextNumber: number + 1n,
        waiting: line.waiting + 1,
        // With everyone known, the last one is known too.
        headsLoadedTo: line.headsLoadedTo === number - 1n ? number : line.headsLoadedTo
      })
    )
    if (event.codeHash === undefined) return
    const code = this.code(queueId, event.codeHash)!
    this.codes.change(codeKey(queueId, code.codeHash), { ...code, usesLeft: code.usesLeft - 1 })
  }

  private moveToken(event: QueueTokenEvent): void {
    const token = this.tokens.get(event.tokenId)!
    this.tokens.change(event.tokenId, evolveToken(token, event))
    if (event._tag === "QueueTokenExtended") return
    if (event._tag === "QueueTokenAdmitted") {
      this.grants.set(token.queueId, (this.grants.get(token.queueId) ?? 0) + 1)
    }
    // Only a batch about the queue itself has loaded its row.
    const queue = this.queues.get(token.queueId)
    if (queue === undefined) {
      if (token.state === "waiting") throw new Error("Whoever waits moves with the queue's row.")
      this.exits.set(token.queueId, (this.exits.get(token.queueId) ?? 0) + 1)
      return
    }
    if (token.state === "waiting" && event._tag !== "QueueTokenAdmitted") {
      const { queueId, lane, number } = token
      this.departures.push({ queueId, lane, number, seq: queue.departed + 1n })
    }
    this.changeQueue(token.queueId, () => evolveCounts(queue, token, event))
    if (token.state === "waiting") this.departed.push(token)
  }

  private changeQueue(queueId: QueueId, change: (queue: QueueRow) => QueueRow): void {
    this.queues.change(queueId, change(this.queues.get(queueId)!))
  }

  private departedFrom(queueId: QueueId, lane: QueueLane): number {
    let count = 0
    for (const gone of this.departed) {
      if (gone.queueId === queueId && gone.lane === lane) count++
    }
    return count
  }

  private changeSeat(performanceId: PerformanceId, seatId: SeatId, change: Partial<SeatRow>): void {
    const key = seatKey(performanceId, seatId)
    this.seats.change(key, { ...this.seats.get(key)!, ...change })
  }

  private freeSeats(
    performanceId: PerformanceId,
    userId: UserId,
    seatIds: ReadonlyArray<SeatId>
  ): void {
    for (const seatId of seatIds) {
      this.changeSeat(performanceId, seatId, {
        status: "available",
        reservationId: null,
        heldUntil: null
      })
    }
    this.countSeats(performanceId, userId, -seatIds.length)
  }

  /** Where nothing was due nothing moves, and no wallet is made. */
  private isFree(reservationId: ReservationId): boolean {
    return this.reservations.get(reservationId)!.amount.amount === 0n
  }

  private changeReservation(
    event: { readonly reservationId: ReservationId },
    change: Partial<ReservationRow>
  ): void {
    const reservation = this.reservations.get(event.reservationId)!
    this.reservations.change(event.reservationId, { ...reservation, ...change })
  }

  private countSeats(performanceId: PerformanceId, userId: UserId, by: number): void {
    const key = holdingKey(performanceId, userId)
    this.holdings.set(key, (this.holdings.get(key) ?? 0) + by)
  }

  private transfer(
    event: { readonly userId: UserId; readonly amount: { currency: string }; readonly at: number },
    transfer: {
      readonly transferId: TransferId
      readonly kind: TransferRow["kind"]
      readonly counterAccount: string
      readonly gain: bigint
      readonly reservationId: ReservationId | null
    }
  ): void {
    const { gain, ...rest } = transfer
    const { currency } = event.amount
    const before = this.wallets.get(event.userId)
    const after = {
      userId: event.userId,
      currency,
      balance: (before?.balance ?? 0n) + gain,
      version: (before?.version ?? 0) + 1
    }
    if (before === undefined) this.wallets.add(event.userId, after)
    else this.wallets.change(event.userId, after)
    this.transfers.push({
      ...rest,
      userId: event.userId,
      amount: gain,
      currency,
      version: after.version,
      balance: after.balance,
      at: event.at
    })
  }
}

const evolveToken = (token: TokenRow, event: QueueTokenEvent): TokenRow => {
  switch (event._tag) {
    case "QueueTokenAdmitted":
      return {
        ...token,
        state: "admitted",
        admittedAt: event.at,
        claimed: event.claimed,
        expiresAt: event.expiresAt
      }
    case "QueueTokenExtended":
      return { ...token, claimed: true, expiresAt: event.expiresAt }
    case "QueueTokenCompleted":
      return { ...token, state: "completed", endedAt: event.at }
    case "QueueTokenLeft":
      return { ...token, state: "left", endedAt: event.at }
    case "QueueTokenLapsed":
      return { ...token, state: "expired", endedAt: event.at }
  }
}

const evolveCounts = (queue: QueueRow, before: TokenRow, event: QueueTokenEvent): QueueRow => {
  if (before.state !== "waiting") return { ...queue, active: queue.active - 1 }
  const { lane, number } = before
  const line = laneRow(queue, lane)
  const waiting = line.waiting - 1
  if (event._tag !== "QueueTokenAdmitted") {
    return { ...withLaneRow(queue, lane, { waiting }), departed: queue.departed + 1n }
  }
  const place = positionOf(queue, lane, number)
  const waits = { general: queue.waiting > 0, priority: queue.priority.waiting > 0 }
  return {
    ...withLaneRow(queue, lane, { waiting, cursor: later(place, line.cursor) }),
    laneCredit: nextLane(waits, queue.laneCredit, queue.settings.prioritySharePercent).turn,
    active: queue.active + 1,
    admittedLastMinute: queue.admittedLastMinute + 1
  }
}

const later = (a: bigint, b: bigint): bigint => {
  return a > b ? a : b
}
