/** What can stop a consumer. */
import { Schema } from "effect"
import { TaggedError } from "../engine/TaggedError.ts"

/**
 * The consumer's place is from another database cluster: a dump was restored, or the server was
 * upgraded. Which events it has passed cannot be told by it. Nothing was read. Remedy: `recover`.
 */
export class ConsumerMisplaced extends TaggedError<ConsumerMisplaced>()("ConsumerMisplaced", {
  consumer: Schema.String
}) {
  override get message() {
    return (
      `The place of consumer ${this.consumer} is from another database cluster: a dump was restored, ` +
      "or the server was upgraded. Call events.recover()."
    )
  }
}

/**
 * An event that this version of the package does not know, as newer nodes write them. The consumer
 * stays in front of it. Remedy: update the package, and consume again.
 */
export class EventsUnreadable extends TaggedError<EventsUnreadable>()("EventsUnreadable", {
  batchId: Schema.BigInt,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Batch ${this.batchId} of the outbox holds what this version of the package cannot read.`
  }
}
