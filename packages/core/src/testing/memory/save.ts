/** All saves of a batch, in the order of the SQL store: see `batch/save/save.ts` there. */
import type { Performance } from "../../catalog/model.ts"
import type { BoxOfficeEvent } from "../../Events.ts"
import type { Changes } from "../../engine/Rows.ts"
import { seatKey } from "../../engine/Rows.ts"
import { encodeEvents, eventVersion } from "../../events/codec.ts"
import type { QueueRow, TokenRow } from "../../queue/model.ts"
import type { ReservationRow, SeatRow } from "../../reservation/model.ts"
import type { TransferRow, WalletRow } from "../../wallet/model.ts"
import type { Statement } from "../database/Statement.ts"
import type { Table } from "../database/Table.ts"
import type { Steps } from "../database/Transaction.ts"
import type { Loaded } from "./load.ts"
import { byText } from "./order.ts"
import type { Pipeline, Query } from "./Pipeline.ts"
import type { StoredQueue, StoredToken } from "./rows.ts"
import { keyOf, type Schema } from "./schema.ts"

export const addSaves = (
  schema: Schema,
  pipeline: Pipeline,
  { rows, ...loaded }: Loaded,
  attemptId: string
): void => {
  const changes = rows.changes()
  const add = <A>(
    name: string,
    rows: ReadonlyArray<A>,
    save: (statement: Statement, rows: ReadonlyArray<A>) => Steps<void>
  ) => {
    if (rows.length > 0) pipeline.add({ name, run: (statement) => save(statement, rows) })
  }
  const existedBefore = ({ userId }: WalletRow) => loaded.wallets.has(userId)
  const savedQueues = new Map(changes.queues.map((queue) => [queue.queueId, queue]))
  for (const [queueId, exitIds] of loaded.exits) {
    // Exits are folded even if nothing else of the queue has changed.
    if (exitIds.length > 0) savedQueues.set(queueId, rows.queues.get(queueId)!)
  }
  for (const queue of changes.newQueues) pipeline.add(insertQueue(schema, queue))
  for (const show of changes.newShows) {
    add("insert show", [show], (statement, shows) => insertAll(statement, schema.show, shows))
  }
  for (const performance of changes.newPerformances) {
    pipeline.add(insertPerformance(schema, performance))
  }
  add("insert seats", changes.newSeats, insertSeats(schema))
  add("save queues", Array.from(savedQueues.values()), saveQueues(schema))
  add("delete exits", Array.from(loaded.exits.values()).flat(), deleteExits(schema))
  add("delete old grants", changes.admissions, deleteOldAdmissionCounts(schema))
  add("save grants", changes.admissions, saveAdmissionCounts(schema, changes.at))
  add("insert departures", changes.departures, (statement, departures) =>
    insertAll(statement, schema.departure, departures)
  )
  add("save codes", changes.codes, saveCodes(schema))
  add("insert codes", changes.newCodes, insertCodes(schema))
  // Updates come before inserts: a user's old token must end before the new one is inserted.
  add("update tokens", changes.tokens, updateTokens(schema))
  add("insert tokens", changes.newTokens, insertTokens(schema))
  add("insert reservations", changes.newReservations, insertReservations(schema))
  const newWallets = changes.wallets.filter((wallet) => !existedBefore(wallet))
  if (newWallets.length > 0) {
    pipeline.add(insertTransfersOfNew(schema, newWallets, changes.transfers))
  } else {
    add("insert transfers", changes.transfers, (statement, transfers) =>
      insertAll(statement, schema.transfer, transfers)
    )
  }
  add("update wallets", changes.wallets.filter(existedBefore), updateWallets(schema))
  const noLongerHeld = changes.newReservations.filter(({ status }) => status !== "held")
  add("update reservations", [...changes.reservations, ...noLongerHeld], updateReservations(schema))
  add("save seats", changes.seats, saveSeats(schema))
  add("insert outcomes", changes.outcomes, insertOutcomes(schema))
  add("insert exits", changes.exits, insertExits(schema))
  add("insert events", changes.events, insertEvents(schema, attemptId))
  // Such a batch commits, though it changes nothing: its answer is no earlier than the recorded one.
  if (pipeline.isEmpty && loaded.hasRecorded) pipeline.add(confirmEarlierCommits)
}

const confirmEarlierCommits: Query<void> = {
  name: "confirm earlier commits",
  *run(statement) {
    statement.xid()
  }
}

type Save<A> = (statement: Statement, rows: ReadonlyArray<A>) => Steps<void>

function* insertAll<Row>(
  statement: Statement,
  table: Table<Row, string>,
  rows: Iterable<Row>
): Steps<void> {
  for (const row of rows) yield* statement.insert(table, row)
}

/** Updates the rows of a unique key, which the batch has locked. */
function* updateByKey<Row, Name extends string>(
  statement: Statement,
  table: Table<Row, Name>,
  index: Name,
  key: string,
  change: (row: Row) => Row
): Steps<void> {
  const version = statement.get(table, index, key)
  if (version !== undefined) yield* statement.update(table, version, change)
}

const insertQueue = (schema: Schema, { queueId, settings, opening }: QueueRow): Query<void> => ({
  name: "insert queue",
  *run(statement) {
    const line = { nextNumber: 1n, cursor: 0n, waiting: 0 }
    yield* statement.insert(schema.queue, {
      ...line,
      queueId,
      mode: "open",
      settings,
      opening: opening && { ...opening, openedAt: null },
      priority: line,
      laneCredit: 0,
      active: 0,
      departed: 0n,
      drawSize: 0n
    })
  }
})

const insertPerformance = (
  schema: Schema,
  { performanceId, showId, startsAt, timeZone }: Performance
): Query<void> => ({
  name: "insert performance",
  *run(statement) {
    const row = { performanceId, showId, startsAt, timeZone, currency: null }
    yield* statement.insert(schema.performance, row)
  }
})

/** Behind the seats that exist. The first seats of a performance fix its currency. */
const insertSeats = (schema: Schema): Save<SeatRow> =>
  function* (statement, seats) {
    const ordinals = new Map<string, number>()
    const currencies = new Map<string, SeatRow["price"]["currency"]>()
    for (const { performanceId, price } of seats) {
      const existing = statement.find(schema.seat, "byPerformance", performanceId)
      ordinals.set(
        performanceId,
        existing.reduce((most, { row }) => Math.max(most, row.ordinal), 0)
      )
      const lowest = currencies.get(performanceId)
      if (lowest === undefined || price.currency < lowest) {
        currencies.set(performanceId, price.currency)
      }
    }
    for (const [position, row] of seats.entries()) {
      const ordinal = ordinals.get(row.performanceId)! + position + 1
      yield* statement.insert(schema.seat, { ...row, ordinal, changes: 1 })
    }
    for (const [performanceId, currency] of currencies) {
      const found = statement.get(schema.performance, "performance_pkey", performanceId)
      const isFree = (row: { readonly currency: string | null }) => row.currency === null
      if (found === undefined || !isFree(found.row)) continue
      const fix = (row: typeof found.row) => ({ ...row, currency })
      yield* statement.update(schema.performance, found, fix, isFree)
    }
  }

const storedQueue = (row: QueueRow, { opening }: StoredQueue): StoredQueue => ({
  queueId: row.queueId,
  mode: row.mode,
  settings: row.settings,
  opening: row.opening && { ...row.opening, seed: opening?.seed ?? row.opening.seed },
  drawSize: row.drawSize,
  cursor: row.cursor,
  nextNumber: row.nextNumber,
  waiting: row.waiting,
  priority: {
    nextNumber: row.priority.nextNumber,
    cursor: row.priority.cursor,
    waiting: row.priority.waiting
  },
  laneCredit: row.laneCredit,
  active: row.active,
  departed: row.departed
})

const saveQueues = (schema: Schema): Save<QueueRow> =>
  function* (statement, queues) {
    for (const queue of queues) {
      yield* updateByKey(statement, schema.queue, "queue_pkey", queue.queueId, (row) =>
        storedQueue(queue, row)
      )
    }
  }

const deleteExits = (schema: Schema): Save<bigint> =>
  function* (statement, exitIds) {
    for (const exitId of exitIds) {
      const found = statement.get(schema.exit, "queue_exit_pkey", `${exitId}`)
      if (found !== undefined) yield* statement.remove(schema.exit, found)
    }
  }

const deleteOldAdmissionCounts = (schema: Schema): Save<Changes["admissions"][number]> =>
  function* (statement, admissions) {
    const now = statement.now()
    for (const { queueId } of admissions) {
      for (const version of statement.find(schema.grant, "byQueue", queueId)) {
        const { second, grantedAt } = version.row
        if (second >= Math.floor(now / 1_000) - 120 || grantedAt >= now - 120_000) continue
        yield* statement.remove(schema.grant, version)
      }
    }
  }

/** A count from before the clock was set back no longer applies. */
const saveAdmissionCounts = (schema: Schema, at: number): Save<Changes["admissions"][number]> =>
  function* (statement, admissions) {
    const second = Math.floor(at / 1_000)
    for (const { queueId, admitted } of admissions) {
      const row = { queueId, second, admitted, grantedAt: at }
      yield* statement.insert(schema.grant, row, {
        index: "queue_grant_pkey",
        update: (there) => ({
          ...there,
          admitted: admitted + (there.grantedAt > at - 60_000 ? there.admitted : 0),
          grantedAt: Math.max(there.grantedAt, at)
        })
      })
    }
  }

const saveCodes = (schema: Schema): Save<Changes["codes"][number]> =>
  function* (statement, codes) {
    for (const { queueId, codeHash, usesLeft } of codes) {
      const key = keyOf(queueId, codeHash)
      yield* updateByKey(statement, schema.code, "queue_code_pkey", key, (row) => ({
        ...row,
        usesLeft
      }))
    }
  }

const insertCodes = (schema: Schema): Save<Changes["newCodes"][number]> =>
  function* (statement, codes) {
    const sorted = codes.toSorted(byText(({ queueId, codeHash }) => keyOf(queueId, codeHash)))
    for (const code of sorted) {
      const update = () => code
      yield* statement.insert(schema.code, code, { index: "queue_code_pkey", update })
    }
  }

const updateTokens = (schema: Schema): Save<TokenRow> =>
  function* (statement, tokens) {
    for (const { tokenId, state, claimed, admittedAt, expiresAt, endedAt } of tokens) {
      yield* updateByKey(statement, schema.token, "queue_token_pkey", tokenId, (row) => ({
        ...row,
        state,
        claimed,
        admittedAt,
        expiresAt,
        endedAt
      }))
    }
  }

const storedToken = (row: TokenRow): StoredToken => ({
  tokenId: row.tokenId,
  queueId: row.queueId,
  userId: row.userId,
  lane: row.lane,
  number: row.number,
  state: row.state,
  joinedAt: row.joinedAt,
  admittedAt: row.admittedAt,
  claimed: row.claimed,
  expiresAt: row.expiresAt,
  endedAt: row.endedAt
})

const insertTokens = (schema: Schema): Save<TokenRow> =>
  function* (statement, tokens) {
    const sorted = tokens.toSorted(byText(({ tokenId }) => tokenId))
    yield* insertAll(statement, schema.token, sorted.map(storedToken))
  }

/** As held. {@link updateReservations} writes what the same batch changed further. */
const insertReservations = (schema: Schema): Save<ReservationRow> =>
  function* (statement, reservations) {
    const asHeld = reservations
      .toSorted(byText(({ reservationId }) => reservationId))
      .map((row) => ({
        ...row,
        status: "held" as const,
        confirmedAt: null,
        endedAt: null,
        paymentId: null
      }))
    yield* insertAll(statement, schema.reservation, asHeld)
  }

/** One statement for both, since a new wallet and its first transfer refer to each other. */
const insertTransfersOfNew = (
  schema: Schema,
  wallets: ReadonlyArray<WalletRow>,
  transfers: ReadonlyArray<TransferRow>
): Query<void> => ({
  name: "insert wallets and transfers",
  *run(statement) {
    yield* insertAll(statement, schema.wallet, wallets.toSorted(byText(({ userId }) => userId)))
    yield* insertAll(statement, schema.transfer, transfers)
  }
})

const updateWallets = (schema: Schema): Save<WalletRow> =>
  function* (statement, wallets) {
    for (const { userId, balance, version } of wallets) {
      yield* updateByKey(statement, schema.wallet, "wallet_pkey", userId, (row) => ({
        ...row,
        balance,
        version
      }))
    }
  }

const updateReservations = (schema: Schema): Save<ReservationRow> =>
  function* (statement, reservations) {
    for (const { reservationId, status, confirmedAt, endedAt, paymentId } of reservations) {
      const change = { status, confirmedAt, endedAt, paymentId }
      yield* updateByKey(
        statement,
        schema.reservation,
        "reservation_pkey",
        reservationId,
        (row) => ({ ...row, ...change })
      )
    }
  }

const saveSeats = (schema: Schema): Save<SeatRow> =>
  function* (statement, seats) {
    for (const { performanceId, seatId, status, reservationId, heldUntil } of seats) {
      const key = seatKey(performanceId, seatId)
      yield* updateByKey(statement, schema.seat, "seat_pkey", key, (row) => ({
        ...row,
        status,
        reservationId,
        heldUntil,
        changes: row.changes + 1
      }))
    }
  }

const insertOutcomes = (schema: Schema): Save<Changes["outcomes"][number]> =>
  function* (statement, outcomes) {
    const recordedAt = statement.transaction.startedAt
    const sorted = outcomes.toSorted(byText(({ commandId }) => commandId))
    yield* insertAll(
      statement,
      schema.outcome,
      sorted.map((outcome) => ({ ...outcome, recordedAt }))
    )
  }

const insertExits = (schema: Schema): Save<Changes["exits"][number]> =>
  function* (statement, exits) {
    for (const { queueId, count } of exits) {
      const exitId = statement.next(schema.exitIds)
      yield* statement.insert(schema.exit, { exitId, queueId, exits: count })
    }
  }

/** One row for all events of the batch. The transaction has its id before it takes a number. */
const insertEvents = (schema: Schema, attemptId: string): Save<BoxOfficeEvent> =>
  function* (statement, events) {
    const xid = BigInt(statement.xid())
    yield* statement.insert(schema.outbox, {
      xid,
      batchId: statement.next(schema.batchIds),
      occurredAt: events.at(-1)!.at,
      version: eventVersion,
      events: encodeEvents(events),
      attemptId
    })
  }
