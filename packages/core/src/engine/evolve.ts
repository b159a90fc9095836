/**
 * Sends each event to the feature whose rows it changes. Rows change in no other way, except that a
 * command adds what has no event (outcomes, the catalogue) or what no event may contain (the seed of a
 * draw, the digests of codes): see the methods `add…` of `Rows`.
 */
import type { BoxOfficeEvent } from "../Events.ts"
import { evolveQueue } from "../queue/evolve.ts"
import { evolveReservation } from "../reservation/evolve.ts"
import { evolveWallet } from "../wallet/evolve.ts"
import type { Rows } from "./Rows.ts"

/** Applies an event to the rows of a batch, and keeps it for the outbox. */
export const evolve = (rows: Rows, event: BoxOfficeEvent): void => {
  rows.events.push(event)
  switch (event._tag) {
    case "SeatsHeld":
    case "HoldReleased":
    case "HoldLapsed":
      return evolveReservation(rows, event)
    case "ReservationPaid":
    case "PaymentRefunded":
      evolveReservation(rows, event)
      return evolveWallet(rows, event)
    case "WalletCharged":
      return evolveWallet(rows, event)
    default:
      return evolveQueue(rows, event)
  }
}

/** Applies events in their order. */
export const evolveAll = (rows: Rows, events: Iterable<BoxOfficeEvent>): void => {
  for (const event of events) evolve(rows, event)
}
