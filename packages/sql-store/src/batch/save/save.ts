/** All saves of a batch. */

import type { ReservationRow, WalletRow } from "@boxoffice/core"
import type { Pipeline } from "../../Pipeline.ts"
import type { Query } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import type { Loaded } from "../load/load.ts"
import { insertPerformance, insertSeats, insertShow } from "./catalog.ts"
import { insertEvents } from "./events.ts"
import { type InTransaction, statementsFor } from "./inTransaction.ts"
import { insertOutcomes } from "./outcomes.ts"
import {
  deleteExits,
  deleteOldGrants,
  insertCodes,
  insertDepartures,
  insertExits,
  insertQueue,
  saveCodes,
  saveGrants,
  saveQueues
} from "./queues.ts"
import { insertReservations, updateReservations } from "./reservations.ts"
import { saveSeats } from "./seats.ts"
import { insertTokens, updateTokens } from "./tokens.ts"
import { insertTransfers, insertTransfersOfNew } from "./transfers.ts"
import { updateWallets } from "./wallets.ts"

const hasMovedOn = (reservation: ReservationRow): boolean => reservation.status !== "held"

/**
 * Adds the saves to a flight.
 *
 * Every row that is updated was locked before. What can still wait for another batch is an insert
 * with a key that the other inserts as well: of queues, what is added to the catalogue, tokens,
 * reservations, wallets and outcomes, in this order everywhere, and by key within each. So this part
 * of the locks has one order too.
 *
 * Each statement leaves every constraint satisfied, those that are deferred included: a host can have
 * made them immediate in its transaction (`SET CONSTRAINTS ALL IMMEDIATE`).
 */
export const makeSave = (schema: SchemaName, inTransaction?: InTransaction) => {
  const newQueue = insertQueue(schema)
  const queues = saveQueues(schema)
  const grants = saveGrants(schema)
  const oldGrants = deleteOldGrants(schema)
  const departures = insertDepartures(schema)
  const exits = insertExits(schema)
  const noted = deleteExits(schema)
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

  return (flight: Pipeline, loaded: Loaded, attemptId: string): void => {
    const { rows } = loaded
    const changes = rows.changes()
    const add = <A>(rows: ReadonlyArray<A>, query: (rows: ReadonlyArray<A>) => Query<void>) => {
      if (rows.length > 0) flight.add(query(rows))
    }
    const isOld = (wallet: WalletRow) => loaded.wallets.has(wallet.userId)

    const saved = new Map(changes.queues.map((queue) => [queue.queueId, queue]))
    for (const [queueId, exitIds] of loaded.exits) {
      // Noted exits are worth a save of their own, lest they add up.
      if (exitIds.length > 0) saved.set(queueId, rows.queues.get(queueId)!)
    }
    for (const queue of changes.newQueues) flight.add(newQueue(queue))
    for (const show of changes.newShows) flight.add(newShow(show))
    for (const performance of changes.newPerformances) flight.add(newPerformance(performance))
    add(changes.newSeats, newSeats)
    add(Array.from(saved.values()), queues)
    add(Array.from(loaded.exits.values()).flat(), noted)
    add(changes.grants, oldGrants)
    add(changes.grants, (granted) => grants(granted, changes.at))
    add(changes.departures, departures)
    add(changes.codes, codes)
    add(changes.newCodes, newCodes)
    // A live token that ended makes room for the user's next one.
    add(changes.tokens, tokens)
    add(changes.newTokens, newTokens)
    add(changes.newReservations, newReservations)
    // A payment exists before its wallet and its reservation say so, and these before its seats are
    // sold or free. A new wallet and its first transfer refer to each other: one statement for both.
    const newWallets = changes.wallets.filter((wallet) => !isOld(wallet))
    if (newWallets.length > 0) flight.add(transfersOfNew(newWallets, changes.transfers))
    else add(changes.transfers, transfers)
    add(changes.wallets.filter(isOld), wallets)
    add([...changes.reservations, ...changes.newReservations.filter(hasMovedOn)], reservations)
    add(changes.seats, seats)
    add(changes.outcomes, outcomes)
    add(changes.exits, exits)
    add(changes.events, (happened) => events(happened, attemptId))
    if (inTransaction !== undefined && changes.events.length > 0) {
      for (const statement of statementsFor(inTransaction, changes.events)) flight.add(statement)
    }
  }
}
