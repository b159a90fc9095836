/** What looking something up in the catalogue, or adding to it, can refuse. */
import { Schema } from "effect"
import { recordable, TaggedError } from "../engine/TaggedError.ts"

/** No such show. */
export class ShowNotFound extends TaggedError<ShowNotFound>()("ShowNotFound", {}) {
  static {
    recordable(ShowNotFound, "operator")
  }
  readonly code = "show_not_found"
  override get message() {
    return "There is no such show."
  }
}

/** No such performance. */
export class PerformanceNotFound extends TaggedError<PerformanceNotFound>()(
  "PerformanceNotFound",
  {}
) {
  static {
    recordable(PerformanceNotFound, "anyone")
  }
  readonly code = "performance_not_found"
  override get message() {
    return "There is no such performance."
  }
}

/** One or more seats that this performance does not have: lists 20 at most. */
export class SeatNotFound extends TaggedError<SeatNotFound>()("SeatNotFound", {
  seatIds: Schema.Array(Schema.String)
}) {
  static {
    recordable(SeatNotFound, "anyone")
  }
  readonly code = "seat_not_found"
  override get message() {
    return `This performance has no seat ${this.seatIds.join(", ")}.`
  }
}

/** Something with this id is in the catalogue already, and differs. */
export class AlreadyExists extends TaggedError<AlreadyExists>()("AlreadyExists", {
  kind: Schema.Literals(["queue", "show", "performance", "seat"])
}) {
  static {
    recordable(AlreadyExists, "operator")
  }
  readonly code = "already_exists"
  override get message() {
    return `There is a ${this.kind} with this id already.`
  }
}
