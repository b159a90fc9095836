/** Errors that stop a consumer. */
import { Schema } from "effect"
import { TaggedError } from "../engine/TaggedError.ts"

/**
 * The consumer's cursor is from another database cluster: a dump was restored, or the server was
 * upgraded. The cursor does not show which events the consumer has passed. Nothing was read.
 * Remedy: `recover`.
 */
export class ConsumerMisplaced extends TaggedError<ConsumerMisplaced>()("ConsumerMisplaced", {
  consumer: Schema.String
}) {
  override get message() {
    return (
      `The bookmark of consumer ${this.consumer} is from another database cluster: a dump was restored, ` +
      "or the server was upgraded. Call events.recover()."
    )
  }
}

/**
 * The outbox has an event that this version of the package does not know: a newer node wrote it.
 * The consumer stops before it. Remedy: update the package, and consume again.
 */
export class EventsUnreadable extends TaggedError<EventsUnreadable>()("EventsUnreadable", {
  batchId: Schema.BigInt,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Batch ${this.batchId} of the outbox holds what this version of the package cannot read.`
  }
}
