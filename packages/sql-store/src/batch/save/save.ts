/** All saves of a batch, in the one order in which every batch inserts and updates its rows. */
import type { ReservationRow, WalletRow } from "@boxoffice/core/store"
import type { Pipeline } from "../../Pipeline.ts"
import type { Query } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import type { Loaded } from "../load/load.ts"
import { insertPerformance, insertSeats, insertShow } from "./catalog.ts"
import { confirmEarlierCommits } from "./confirm.ts"
import { insertEvents } from "./events.ts"
import { type InTransaction, statementsFor } from "./inTransaction.ts"
import { insertOutcomes } from "./outcomes.ts"
import {
  deleteExits,
  deleteOldAdmissionCounts,
  insertCodes,
  insertDepartures,
  insertExits,
  insertQueue,
  saveAdmissionCounts,
  saveCodes,
  saveQueues
} from "./queues.ts"
import { insertReservations, updateReservations } from "./reservations.ts"
import { saveSeats } from "./seats.ts"
import { insertTokens, updateTokens } from "./tokens.ts"
import { insertTransfers, insertTransfersOfNew } from "./transfers.ts"
import { updateWallets } from "./wallets.ts"

const isNoLongerHeld = (reservation: ReservationRow): boolean => reservation.status !== "held"

/**
 * Adds the saves to a pipeline.
 *
 * Every row that is updated was locked by the load. Only an insert can still wait for another
 * batch, if both insert the same key. The inserts come in this order everywhere, sorted by key
 * within each table, so they cannot deadlock either: queues, the catalogue, tokens, reservations,
 * wallets, outcomes.
 *
 * Each statement leaves every constraint satisfied, deferred ones included: a host can have made
 * them immediate in its transaction (`SET CONSTRAINTS ALL IMMEDIATE`).
 */
export const makeSave = (schema: SchemaName, inTransaction?: InTransaction) => {
  const newQueue = insertQueue(schema)
  const queues = saveQueues(schema)
  const admissions = saveAdmissionCounts(schema)
  const oldAdmissionCounts = deleteOldAdmissionCounts(schema)
  const departures = insertDepartures(schema)
  const exits = insertExits(schema)
  const foldedExits = deleteExits(schema)
  const codes = saveCodes(schema)
  const newCodes = insertCodes(schema)
  const newTokens = insertTokens(schema)
  const tokens = updateTokens(schema)
  const newReservations = insertReservations(schema)
  const transfersOfNew = insertTransfersOfNew(schema)
  const transfers = insertTransfers(schema)
  const wallets = updateWallets(schema)
  const reservations = updateReservations(schema)
  const seats = saveSeats(schema)
  const outcomes = insertOutcomes(schema)
  const newShow = insertShow(schema)
  const newPerformance = insertPerformance(schema)
  const newSeats = insertSeats(schema)
  const events = insertEvents(schema)

  return (pipeline: Pipeline, loaded: Loaded, attemptId: string): void => {
    const { rows } = loaded
    const changes = rows.changes()
    const add = <A>(rows: ReadonlyArray<A>, query: (rows: ReadonlyArray<A>) => Query<void>) => {
      if (rows.length > 0) pipeline.add(query(rows))
    }
    const existedBefore = (wallet: WalletRow) => loaded.wallets.has(wallet.userId)

    const savedQueues = new Map(changes.queues.map((queue) => [queue.queueId, queue]))
    for (const [queueId, exitIds] of loaded.exits) {
      // Fold pending `queue_exit` rows into the queue row even if nothing else changed; otherwise
      // they accumulate.
      if (exitIds.length > 0) savedQueues.set(queueId, rows.queues.get(queueId)!)
    }
    for (const queue of changes.newQueues) pipeline.add(newQueue(queue))
    for (const show of changes.newShows) pipeline.add(newShow(show))
    for (const performance of changes.newPerformances) pipeline.add(newPerformance(performance))
    add(changes.newSeats, newSeats)
    add(Array.from(savedQueues.values()), queues)
    add(Array.from(loaded.exits.values()).flat(), foldedExits)
    add(changes.admissions, oldAdmissionCounts)
    add(changes.admissions, (granted) => admissions(granted, changes.at))
    add(changes.departures, departures)
    add(changes.codes, codes)
    add(changes.newCodes, newCodes)
    // Updates come before inserts: a user has one live token per queue, so the old one must end
    // before the new one is inserted.
    add(changes.tokens, tokens)
    add(changes.newTokens, newTokens)
    add(changes.newReservations, newReservations)
    // A transfer is written before the wallet and the reservation that refer to it, and these
    // before their seats are sold or free. A new wallet and its first transfer refer to each other,
    // so one statement writes both.
    const newWallets = changes.wallets.filter((wallet) => !existedBefore(wallet))
    if (newWallets.length > 0) pipeline.add(transfersOfNew(newWallets, changes.transfers))
    else add(changes.transfers, transfers)
    add(changes.wallets.filter(existedBefore), wallets)
    add([...changes.reservations, ...changes.newReservations.filter(isNoLongerHeld)], reservations)
    add(changes.seats, seats)
    add(changes.outcomes, outcomes)
    add(changes.exits, exits)
    add(changes.events, (happened) => events(happened, attemptId))
    if (inTransaction !== undefined && changes.events.length > 0) {
      for (const statement of statementsFor(inTransaction, changes.events)) pipeline.add(statement)
    }
    // Whatever the batch writes is behind the recorded answers in the log. If it writes nothing, its
    // commit would not wait for them.
    if (pipeline.isEmpty && loaded.hasRecorded) pipeline.add(confirmEarlierCommits)
  }
}
