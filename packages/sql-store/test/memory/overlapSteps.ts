/** Steps of histories in which the transactions of two nodes overlap. */
import { Schema } from "effect"
import { HeldRow } from "./heldRows.ts"

const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))
// Few, so that the nodes meet.
const users = [0, 1, 2] as const
const firsts = [2, 3, 0, 1] as const
const whiches = [0, 1] as const
const user = Schema.Literals([0, 0, ...users])
const first = Schema.Literals([2, 2, ...firsts])
const which = Schema.Literals([0, ...whiches])
const isOwn = Schema.Literals([true, true, true, false])
const hold = Schema.TaggedStruct("hold", { user, first, seats: Schema.Literals([1, 2]) })
const pay = Schema.TaggedStruct("pay", { which, isOwn })
const charge = Schema.TaggedStruct("charge", { user, amount: Schema.Literals([1, 25]) })
const join = Schema.TaggedStruct("join", { user, hasCode: Schema.Boolean })
const consume = Schema.TaggedStruct("consume", {
  limit: Schema.Literals([1, 50]),
  stops: Schema.Boolean
})

/** Commands that run as one transaction, or as one after the other on the same rows. */
const Overlapping = Schema.Union([
  join,
  join,
  hold,
  hold,
  hold,
  hold,
  pay,
  pay,
  pay,
  charge,
  charge,
  Schema.TaggedStruct("leave", { user }),
  Schema.TaggedStruct("mode", { mode: Schema.Literals(["open", "paused", "draining"]) }),
  Schema.TaggedStruct("configure", { maxActive: Schema.Literals([1, 3]) }),
  Schema.TaggedStruct("release", { which, isOwn }),
  Schema.TaggedStruct("refund", { which }),
  Schema.TaggedStruct("add seats", { from: below(8), seats: Schema.Literals([1, 3]) }),
  Schema.TaggedStruct("be seen", { user }),
  consume,
  Schema.TaggedStruct("prune", {}),
  Schema.TaggedStruct("clear", {}),
  Schema.TaggedStruct("repeat", {}),
  Schema.TaggedStruct("repeat", {}),
  Schema.TaggedStruct("repeat", {}),
  Schema.TaggedStruct("repeat", {})
])
type Overlapping = typeof Overlapping.Type

const node = below(2)
const begin = Schema.TaggedStruct("begin", {
  node,
  command: Overlapping,
  /** How many more of its kind share the batch: of the next users, for the next seats. */
  more: Schema.Literals([0, 0, 0, 1, 2]),
  stopsAt: Schema.Literals(["saves", "saves", "saves", "answer", "nothing", "nothing"])
})

export const Step = Schema.Union([
  begin,
  begin,
  begin,
  begin,
  begin,
  Schema.TaggedStruct("go on", { node }),
  Schema.TaggedStruct("go on", { node }),
  Schema.TaggedStruct("cut", { node }),
  Schema.TaggedStruct("kill", { node }),
  Schema.TaggedStruct("hold row", { row: HeldRow }),
  Schema.TaggedStruct("release row", {}),
  /** Once no transaction is open. */
  Schema.TaggedStruct("alone", {
    command: Schema.Union([
      Schema.TaggedStruct("tick", { ms: Schema.Literals([240_000, 660_000]) }),
      Schema.TaggedStruct("sweep", {})
    ])
  })
])
export type Step = typeof Step.Type

/**
 * Commands that come at once. Of one kind and without a reading before them they share a batch, on both
 * sides.
 */
export const gathered = (command: Overlapping, more: number): ReadonlyArray<Overlapping> => {
  const each = Array.from({ length: 1 + more }, (_, i) => i)
  switch (command._tag) {
    case "hold":
      return each.map((i) => ({
        ...command,
        user: users[(command.user + i) % 3]!,
        first: firsts[(firsts.indexOf(command.first) + i) % 4]!
      }))
    case "charge":
      return each.map((i) => ({ ...command, user: users[(command.user + i) % 3]! }))
    case "pay":
      return each.map((i) => ({ ...command, which: whiches[(command.which + i) % 2]! }))
    default:
      return [command]
  }
}
