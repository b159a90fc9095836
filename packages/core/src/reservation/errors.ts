/** Errors of holding and releasing seats. */
import { Schema } from "effect"
import { recordable, TaggedError } from "../engine/TaggedError.ts"
import { SeatId } from "../Ids.ts"
import { Instant } from "../Instant.ts"
import { ReservationStatus } from "./model.ts"

/** There is no such reservation, or it is another user's: the error does not tell which. */
export class ReservationNotFound extends TaggedError<ReservationNotFound>()(
  "ReservationNotFound",
  {}
) {
  static {
    recordable(ReservationNotFound, "anyone")
  }
  readonly code = "reservation_not_found"
  override get message() {
    return "There is no such reservation."
  }
}

/** A seat that cannot be held, and why. */
export const SeatConflict = Schema.Struct({
  seatId: SeatId,
  reason: Schema.Literals(["held", "sold", "blocked"])
})
export interface SeatConflict extends Schema.Schema.Type<typeof SeatConflict> {}

/** One or more of the seats are not available. Lists each of them; nothing was held. */
export class SeatUnavailable extends TaggedError<SeatUnavailable>()("SeatUnavailable", {
  conflicts: Schema.Array(SeatConflict)
}) {
  static {
    recordable(SeatUnavailable, "anyone")
  }
  readonly code = "seat_unavailable"
  override get message() {
    return `Not available: ${this.conflicts.map((c) => `${c.seatId} (${c.reason})`).join(", ")}.`
  }
}

/** The reservation was already paid, released or cancelled. */
export class ReservationNotPayable extends TaggedError<ReservationNotPayable>()(
  "ReservationNotPayable",
  { status: ReservationStatus }
) {
  static {
    recordable(ReservationNotPayable, "anyone")
  }
  readonly code = "reservation_not_payable"
  override get message() {
    return `The reservation is ${this.status}.`
  }
}

/** The hold lapsed before it was paid for. Remedy: hold the seats again if they are free. */
export class HoldExpired extends TaggedError<HoldExpired>()("HoldExpired", {
  expiredAt: Instant
}) {
  static {
    recordable(HoldExpired, "anyone")
  }
  readonly code = "hold_expired"
  override get message() {
    return `The hold lapsed at ${this.expiredAt.toISOString()}.`
  }
}

/** The command would exceed a limit of the host's policies. Nothing was done. */
export class LimitExceeded extends TaggedError<LimitExceeded>()("LimitExceeded", {
  /** Which limit. */
  name: Schema.Literals([
    "seatsPerReservation",
    "seatsPerUser",
    "walletCeiling",
    "reservationAmount"
  ]),
  /** The most that is allowed. */
  limit: Schema.Finite
}) {
  static {
    recordable(LimitExceeded, "anyone")
  }
  readonly code = "limit_exceeded"
  override get message() {
    return `At most ${this.limit} (${this.name}).`
  }
}
