/** The rows that a batch needs. Commands add to the plan; the store loads and locks by it. */
import {
  type CommandId,
  isCatalogKey,
  isUuid,
  type PerformanceId,
  type QueueId,
  type ReservationId,
  type SeatId,
  type ShowId,
  type TokenId,
  type TransferId,
  type UserId
} from "../Ids.ts"

export class LoadPlan {
  /** Whether the store waits only a moment for locks, and then fails as busy. */
  waitsBriefly = false
  readonly outcomes = new Set<CommandId>()
  /**
   * Queues to lock. With each come its counts, and the admitted tokens that have lapsed, at most
   * {@link admissionsPerBatch} of them.
   */
  readonly queues = new Set<QueueId>()
  /** For locked queues: which of the next tokens in line to lock, too. See {@link Heads}. */
  readonly heads = new Map<QueueId, Heads>()
  /** Codes to lock, by their digests. */
  readonly codes: Array<{ readonly queueId: QueueId; readonly codeHash: string }> = []
  /** Tokens to lock, by id. A waiting one comes with the number of those ahead of it. */
  readonly tokens = new Set<TokenId>()
  /** Tokens to read once the locks are held, without a lock: such a reader blocks no other batch. */
  readonly tokensToRead = new Set<TokenId>()
  /** Users whose waiting or admitted token in a queue to lock, if they have one. */
  readonly liveTokensOf: Array<{ readonly queueId: QueueId; readonly userId: UserId }> = []
  readonly wallets = new Set<UserId>()
  /**
   * Users of whom to read one unpaid hold behind a queue, if there is any. Reservations that the batch
   * locks do not count.
   */
  readonly unpaidOf = new Map<string, { readonly userId: UserId; readonly queueId: QueueId }>()
  /** Transfers to read: the ledger rows of charges, payments or refunds that may have run before. */
  readonly transfers = new Set<TransferId>()
  /** Reservations to lock, with their seats and their performance. */
  readonly reservations = new Set<ReservationId>()
  /** Seats to lock, with their performance. */
  readonly seats: Array<{
    readonly performanceId: PerformanceId
    readonly seatIds: ReadonlyArray<SeatId>
  }> = []
  /**
   * Users whose seats of a performance to count, and to lock against other batches that would change
   * the count before this one commits.
   */
  readonly seatCounts: Array<{
    readonly performanceId: PerformanceId
    readonly userId: UserId
  }> = []
  /** Shows to read. They do not change once added. */
  readonly shows = new Set<ShowId>()
  /** Performances to read, and to lock against additions of seats. */
  readonly performances = new Set<PerformanceId>()
  /** Seats to read without a lock: what they were added with does not change. */
  readonly seatsToRead: Array<{
    readonly performanceId: PerformanceId
    readonly seatIds: ReadonlyArray<SeatId>
  }> = []

  // A caller can name any text. The plan takes only what can be an id.

  addSeats(performanceId: string, seatIds: ReadonlyArray<string>): void {
    if (!isCatalogKey(performanceId)) return
    this.seats.push({
      performanceId: performanceId as PerformanceId,
      seatIds: seatIds.filter(isCatalogKey) as Array<SeatId>
    })
  }

  addSeatCount(performanceId: string, userId: UserId): void {
    if (!isCatalogKey(performanceId)) return
    this.seatCounts.push({ performanceId: performanceId as PerformanceId, userId })
  }

  addUnpaidOf(userId: UserId, queueId: QueueId): void {
    this.unpaidOf.set(`${queueId}\n${userId}`, { userId, queueId })
  }

  addHeads(queueId: QueueId, heads: Heads): void {
    const named = this.heads.get(queueId)
    this.heads.set(queueId, {
      limit: Math.max(heads.limit, named?.limit ?? 0),
      drawn: heads.drawn ?? named?.drawn
    })
  }

  addReservation(reservationId: string): void {
    if (isUuid(reservationId)) this.reservations.add(reservationId as ReservationId)
  }

  /** The keys of rows that the batch may insert: the insert waits for that of another transaction. */
  insertKeys(): Set<string> {
    const keys = new Set<string>()
    for (const commandId of this.outcomes) keys.add(lockKey.outcome(commandId))
    for (const { queueId, userId } of this.liveTokensOf)
      keys.add(lockKey.liveToken(queueId, userId))
    for (const userId of this.wallets) keys.add(lockKey.wallet(userId))
    for (const reservationId of this.reservations) keys.add(lockKey.reservation(reservationId))
    return keys
  }

  /**
   * The rows that the plan locks and waits for, by the keys that a store's `lockedRows` answers
   * with. Heads are not among them: a batch skips a head that is locked.
   */
  lockKeys(): ReadonlySet<string> {
    const keys = this.insertKeys()
    for (const queueId of this.queues) keys.add(lockKey.queue(queueId))
    for (const tokenId of this.tokens) keys.add(lockKey.token(tokenId))
    for (const { queueId, codeHash } of this.codes) keys.add(lockKey.code(queueId, codeHash))
    for (const { performanceId, userId } of this.seatCounts) {
      keys.add(lockKey.seatCount(performanceId, userId))
    }
    for (const { performanceId, seatIds } of this.seats) {
      for (const seatId of seatIds) keys.add(lockKey.seat(performanceId, seatId))
    }
    for (const performanceId of this.performances) keys.add(lockKey.performance(performanceId))
    return keys
  }
}

/** What a locked row is called, in each table. Ids hold no line end. */
export const lockKey = {
  /** The recorded outcome of a command. No batch locks it; two of one command insert it. */
  outcome: (commandId: string) => `outcome\n${commandId}`,
  queue: (queueId: string) => `queue\n${queueId}`,
  token: (tokenId: string) => `token\n${tokenId}`,
  liveToken: (queueId: string, userId: string) => `liveToken\n${queueId}\n${userId}`,
  code: (queueId: string, codeHash: string) => `code\n${queueId}\n${codeHash}`,
  wallet: (userId: string) => `wallet\n${userId}`,
  /** What a user has in a performance: the lock of the count, and the reservations it counts. */
  seatCount: (performanceId: string, userId: string) => `seatCount\n${performanceId}\n${userId}`,
  /** A reservation or one of its seats. */
  reservation: (reservationId: string) => `reservation\n${reservationId}`,
  seat: (performanceId: string, seatId: string) => `seat\n${performanceId}\n${seatId}`,
  performance: (performanceId: string) => `performance\n${performanceId}`
}

/** The tokens next in line: the first `limit` of each lane, and those that a draw put next. */
export interface Heads {
  readonly limit: number
  /**
   * While a draw decides the order: the numbers at all places up to `upTo` that may wait. If that is the
   * last place of the draw, the store loads the first of those who joined after the draw as well.
   */
  readonly drawn?: { readonly numbers: ReadonlyArray<bigint>; readonly upTo: bigint } | undefined
}

/** The most tokens that one batch admits to a queue, or expires; the rest follow in the next. */
export const admissionsPerBatch = 1_000

/**
 * The most users whose seats one batch of holds has counted. A store may lock that many one by one;
 * for more it may lock the whole performance, and then batches beside it wait.
 */
export const seatCountsPerBatch = 256
