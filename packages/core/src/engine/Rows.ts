/**
 * The rows of one batch. The store loads and locks them for one attempt at the batch, deciders read
 * them, events change them in memory (`evolve.ts`), and the store saves {@link Changes}. They are
 * thrown away with the attempt.
 */
import type {
  NewSeat,
  Performance,
  PerformanceRow,
  Show,
  StoredPerformance
} from "../catalog/model.ts"
import type { BoxOfficeEvent, RecordedOutcome } from "../Events.ts"
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
import type { QueueSettings } from "../policies/settings.ts"
import type { Departure, Opening, QueueRow, TokenRow } from "../queue/model.ts"
import { placeOf } from "../queue/position.ts"
import type { ReservationRow, SeatRow, UnpaidHold } from "../reservation/model.ts"
import type { TransferRow, WalletRow } from "../wallet/model.ts"

// Keys of two names: the separator can be in neither.

/** The key of a seat across performances. */
export const seatKey = (performanceId: PerformanceId, seatId: SeatId): string =>
  `${performanceId}\n${seatId}`

/** The key of one user's seats of one performance, which the per-user limit counts. */
export const seatCountKey = (performanceId: PerformanceId, userId: UserId): string =>
  `${performanceId}\n${userId}`

const ownerKey = (queueId: QueueId, userId: UserId): string => `${queueId}\n${userId}`

const codeKey = (queueId: QueueId, codeHash: string): string => `${queueId}\n${codeHash}`

/** The lane and the number of a token that no longer waits. */
type LaneNumber = Pick<TokenRow, "queueId" | "lane" | "number">

/** A code that opens the priority lane of a queue, by its digest. */
export interface CodeRow {
  readonly queueId: QueueId
  readonly codeHash: string
  readonly usesLeft: number
}

/** What a batch has changed, as the rows stand at its end. The store saves it. */
export interface Changes {
  readonly queues: ReadonlyArray<QueueRow>
  readonly newQueues: ReadonlyArray<QueueRow>
  /** How many tokens the batch admitted, for each queue that admitted any. */
  readonly admissions: ReadonlyArray<{ readonly queueId: QueueId; readonly admitted: number }>
  readonly departures: ReadonlyArray<Departure>
  /** How many admitted tokens ended in queues whose rows the batch has not loaded. */
  readonly exits: ReadonlyArray<{ readonly queueId: QueueId; readonly count: number }>
  /** Codes that were used, with what is left of them. */
  readonly codes: ReadonlyArray<CodeRow>
  /** Codes to insert, or to change if they exist. */
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

/** The rows that a store loaded for a batch. A store leaves out what the plan does not name. */
export interface LoadedRows {
  /** The database's clock, in milliseconds since 1970, read after the locks were taken. */
  readonly now: number
  readonly outcomes?: Iterable<RecordedOutcome>
  readonly queues?: Iterable<QueueRow>
  readonly tokens?: Iterable<TokenRow>
  /** Tokens read without a lock. No event of the batch may be about them. */
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
  /** How many seats each user has held or bought, by {@link seatCountKey}. */
  readonly seatCounts?: Iterable<readonly [string, number]>
}

const byKey = <K, V>(rows: Iterable<V> | undefined, key: (row: V) => K): Map<K, V> => {
  const map = new Map<K, V>()
  for (const row of rows ?? []) map.set(key(row), row)
  return map
}

/** The rows of one batch: as the store loaded them, and as events change them. */
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
  private readonly tokensRead: ReadonlyMap<TokenId, TokenRow>
  private readonly tokensByOwner = new Map<string, Array<TokenId>>()
  readonly events: Array<BoxOfficeEvent> = []
  /** As counted when the rows were loaded. {@link ahead} subtracts those that left since. */
  private readonly aheadOf: Map<TokenId, number>
  private readonly gone: Array<LaneNumber> = []
  private readonly departures: Array<Departure> = []
  private readonly admissions = new Map<QueueId, number>()
  private readonly exits = new Map<QueueId, number>()
  private readonly seatCounts: Map<string, number>
  private readonly unpaid: ReadonlyArray<UnpaidHold>
  /** Transfers of earlier batches. */
  private readonly transfersBefore: ReadonlyMap<TransferId, TransferRow>
  private readonly transfers: Array<TransferRow> = []

  constructor(loaded: LoadedRows) {
    this.now = loaded.now
    this.outcomes = new Table(byKey(loaded.outcomes, (row) => row.commandId))
    this.queues = new Table(byKey(loaded.queues, (row) => row.queueId))
    this.tokens = new Table(byKey(loaded.tokens, (row) => row.tokenId))
    this.codes = new Table(byKey(loaded.codes, (row) => codeKey(row.queueId, row.codeHash)))
    for (const token of this.tokens.values()) this.indexToken(token)
    this.tokensRead = byKey(loaded.tokensRead, (row) => row.tokenId)
    this.wallets = new Table(byKey(loaded.wallets, (row) => row.userId))
    this.reservations = new Table(byKey(loaded.reservations, (row) => row.reservationId))
    this.seats = new Table(byKey(loaded.seats, (row) => seatKey(row.performanceId, row.seatId)))
    this.performances = byKey(loaded.performances, (row) => row.performanceId)
    this.shows = new Table(byKey(loaded.shows, (row) => row.showId))
    this.storedPerformances = new Table(
      byKey(loaded.storedPerformances, (row) => row.performanceId)
    )
    this.aheadOf = new Map(loaded.ahead)
    this.seatCounts = new Map(loaded.seatCounts)
    this.transfersBefore = byKey(loaded.transfers, (row) => row.transferId)
    this.unpaid = Array.from(loaded.unpaid ?? [])
  }

  seat(performanceId: PerformanceId, seatId: SeatId): SeatRow | undefined {
    return this.seats.get(seatKey(performanceId, seatId))
  }

  /** A token to read: the batch may have locked it or not. */
  token(tokenId: TokenId): TokenRow | undefined {
    return this.tokens.get(tokenId) ?? this.tokensRead.get(tokenId)
  }

  /** The tokens of a user in a queue that the batch has loaded or issued. */
  tokensOf(queueId: QueueId, userId: UserId): ReadonlyArray<TokenRow> {
    const ids = this.tokensByOwner.get(ownerKey(queueId, userId)) ?? []
    return ids.map((id) => this.tokens.get(id)!)
  }

  private indexToken({ tokenId, queueId, userId }: TokenRow): void {
    const key = ownerKey(queueId, userId)
    const ids = this.tokensByOwner.get(key)
    if (ids === undefined) this.tokensByOwner.set(key, [tokenId])
    else ids.push(tokenId)
  }

  /** How many seats of a performance a user has held or bought. */
  seatsOf(performanceId: PerformanceId, userId: UserId): number {
    return this.seatCounts.get(seatCountKey(performanceId, userId)) ?? 0
  }

  /** Whether a user holds seats behind a queue that can still be paid for. */
  hasUnpaid(userId: UserId, queueId: QueueId): boolean {
    const lives = (hold: { readonly userId: UserId; readonly holdExpiresAt: number }) =>
      // Guard unpaid-own: without "hold.userId === userId && ", money.test "another unpaid hold" fails.
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
    if (counted === 0 || this.gone.length === 0) return counted
    const queue = this.queues.get(token.queueId)
    const place = (of: LaneNumber) => (queue ? placeOf(queue, of.lane, of.number) : of.number)
    const own = place(token)
    let ahead = counted
    for (const gone of this.gone) {
      if (gone.queueId !== token.queueId || gone.lane !== token.lane) continue
      if (place(gone) < own) ahead--
    }
    return ahead
  }

  /** A transfer of an earlier batch, where it was named. */
  transferBefore(transferId: TransferId): TransferRow | undefined {
    return this.transfersBefore.get(transferId)
  }

  /** Records the outcome of a command for the next call with its idempotency key. */
  addOutcome(outcome: RecordedOutcome): void {
    this.outcomes.add(outcome.commandId, outcome)
  }

  /** Adds a queue. The command adds its event separately, since the event must not hold the seed. */
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

  /** Adds codes, or changes existing ones. Their event does not hold them. */
  addCodes(codes: ReadonlyArray<CodeRow>): void {
    for (const code of codes) this.codes.add(codeKey(code.queueId, code.codeHash), code)
  }

  // Additions to the catalogue have no events: consumers read the catalogue itself.

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

  /** What the store has to save. */
  changes(): Changes {
    return {
      at: this.now,
      queues: this.queues.pick(this.queues.changed),
      newQueues: this.queues.pick(this.queues.added),
      admissions: Array.from(this.admissions, ([queueId, admitted]) => ({ queueId, admitted })),
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

  // What events change beside the tables: see the `evolve.ts` of each feature.

  /** Adds an issued token. */
  addToken(token: TokenRow): void {
    this.tokens.add(token.tokenId, token)
    this.indexToken(token)
  }

  /** Sets how many tokens waited in front of a token before any left in this batch. */
  setAhead({ tokenId, queueId, lane }: TokenRow, waiting: number): void {
    let left = 0
    for (const gone of this.gone) {
      if (gone.queueId === queueId && gone.lane === lane) left++
    }
    this.aheadOf.set(tokenId, waiting + left)
  }

  /** Notes that a token no longer waits: the tokens behind it have one less in front. */
  noteGone(token: LaneNumber): void {
    this.gone.push(token)
  }

  /** Records that a waiting token left without being admitted. */
  addDeparture({ queueId, lane, number }: LaneNumber, seq: bigint): void {
    this.departures.push({ queueId, lane, number, seq })
  }

  countAdmission(queueId: QueueId): void {
    this.admissions.set(queueId, (this.admissions.get(queueId) ?? 0) + 1)
  }

  /** Counts a token that ended while its queue's row was not loaded. */
  countExit(queueId: QueueId): void {
    this.exits.set(queueId, (this.exits.get(queueId) ?? 0) + 1)
  }

  changeQueue(queueId: QueueId, change: (queue: QueueRow) => QueueRow): void {
    this.queues.change(queueId, change(this.queues.get(queueId)!))
  }

  /** Takes one use off a code. */
  useCode(queueId: QueueId, codeHash: string): void {
    const code = this.code(queueId, codeHash)!
    this.codes.change(codeKey(queueId, codeHash), { ...code, usesLeft: code.usesLeft - 1 })
  }

  changeReservation(reservationId: ReservationId, change: Partial<ReservationRow>): void {
    const reservation = this.reservations.get(reservationId)!
    this.reservations.change(reservationId, { ...reservation, ...change })
  }

  changeSeat(performanceId: PerformanceId, seatId: SeatId, change: Partial<SeatRow>): void {
    const key = seatKey(performanceId, seatId)
    this.seats.change(key, { ...this.seats.get(key)!, ...change })
  }

  /** Adds to the seats that a user has held or bought. */
  countSeats(performanceId: PerformanceId, userId: UserId, by: number): void {
    const key = seatCountKey(performanceId, userId)
    this.seatCounts.set(key, (this.seatCounts.get(key) ?? 0) + by)
  }

  addTransfer(transfer: TransferRow): void {
    this.transfers.push(transfer)
  }
}
