/** Errors of reading the catalogue and of adding to it. */
import { Schema } from "effect"
import { recordable, TaggedError } from "../engine/TaggedError.ts"

/** There is no show with this id. */
export class ShowNotFound extends TaggedError<ShowNotFound>()("ShowNotFound", {}) {
  static {
    recordable(ShowNotFound, "operator")
  }
  readonly code = "show_not_found"
  override get message() {
    return "There is no such show."
  }
}

/** There is no performance with this id. */
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

/** The performance does not have one or more of the seats. Lists at most 20 of them. */
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

/** The id is taken by an item with other values. Nothing was done. Remedy: choose another id. */
export class AlreadyExists extends TaggedError<AlreadyExists>()("AlreadyExists", {
  kind: Schema.Literals(["queue", "show", "performance", "seat"])
}) {
  static {
    recordable(AlreadyExists, "operator")
  }
  readonly code = "already_exists"
  override get message() {
    return this.kind === "queue"
      ? "There is a queue with this id already, with other settings or another opening: choose another id, or change that queue."
      : `There is a ${this.kind} with this id already, with other contents: choose another id, or send the contents that are there.`
  }
}
