/** What can happen in a waiting room of two nodes: what a history starts from, and its steps. */
import { Arbitrary, Schema } from "effect"

const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))
const node = below(2)
/** One of those who came so far: they are counted round and round. */
const who = below(100)
const priority = Schema.Boolean

const join = Schema.TaggedStruct("join", {
  size: Schema.Literals([1, 3, 12, 40]),
  priority,
  node
})
const single = Schema.TaggedStruct("join", { size: Schema.Literal(1), priority, node })
/** Somebody new joins with an idempotency key. */
const joinByKey = Schema.TaggedStruct("joinByKey", { priority, node })
/** The last but so many of the requests with a key is sent once more, as it was. */
const repeat = Schema.TaggedStruct("repeat", { back: below(4), node })
/** Somebody joins who did before, with a new key or without one. */
const joinAgain = Schema.TaggedStruct("joinAgain", { who, keyed: Schema.Boolean, node })
const poll = Schema.TaggedStruct("poll", { who, node })
const pollAll = Schema.TaggedStruct("pollAll", { node })
const leave = Schema.TaggedStruct("leave", { who, node })
const leaveMany = Schema.TaggedStruct("leaveMany", { every: Schema.Literals([2, 3]), node })
/** Somebody who is inside buys a seat, which ends their visit. */
const buy = Schema.TaggedStruct("buy", { who, node })
/** Somebody asks for a seat, inside or not. */
const hold = Schema.TaggedStruct("hold", { who, node })

const UserStep = Schema.Union([
  join,
  single,
  joinByKey,
  repeat,
  joinAgain,
  poll,
  poll,
  leave,
  buy,
  hold
])
type UserStep = typeof UserStep.Type | typeof pollAll.Type | typeof leaveMany.Type

/** Both at once. */
const together = Schema.TaggedStruct("together", { one: UserStep, other: UserStep })
/**
 * While users do something, the node's connections are cut, or the answer of its commit is lost.
 */
const cut = Schema.TaggedStruct("cut", { during: UserStep, isLost: Schema.Boolean, node })

const mode = Schema.TaggedStruct("mode", {
  mode: Schema.Literals(["paused", "draining", "open"]),
  node
})
const open = Schema.TaggedStruct("mode", { mode: Schema.Literal("open"), node })
const close = Schema.TaggedStruct("mode", { mode: Schema.Literal("closed"), node })
const maxActive = Schema.Literals([1, 2, 5, 20, 61])
const admitPerMinute = Schema.Literals([3, 9, 60, 10_000])
const prioritySharePercent = Schema.Literals([1, 10, 25, 50, 90, 100])
const configure = Schema.TaggedStruct("configure", {
  change: Schema.Union([
    Schema.Struct({ maxActive }),
    Schema.Struct({ admitPerMinute }),
    Schema.Struct({ prioritySharePercent })
  ]),
  node
})
/** The opening is moved: to so many milliseconds from now, or, with 0, to now. */
const reschedule = Schema.TaggedStruct("reschedule", {
  inMs: Schema.Literals([0, 4_000, 60_000]),
  node
})
/** A node is closed, and another one comes in its place. */
const restart = Schema.TaggedStruct("restart", { node })

/** Time passes, and nobody does anything. */
const wait = Schema.TaggedStruct("wait", {
  ms: Schema.Literals([1, 400, 1_000, 2_499, 2_500, 9_000, 31_000])
})
/** Time passes, and all or some of those who came ask in each minute of it. */
const minutes = Schema.TaggedStruct("minutes", {
  count: Schema.Literals([1, 4]),
  pollers: Schema.Literals(["all", "every third"]),
  node
})
/** Three seconds, in each of which the node is swept, or asked by somebody who waits. */
const seconds = Schema.TaggedStruct("seconds", {
  by: Schema.Literals(["sweeper", "polls"]),
  node
})

// What people do comes more often than what operators do.
const Step = Schema.Union([
  join,
  join,
  join,
  ...UserStep.members,
  joinAgain,
  repeat,
  repeat,
  pollAll,
  leaveMany,
  together,
  together,
  cut,
  mode,
  open,
  open,
  open,
  configure,
  reschedule,
  restart,
  wait,
  wait,
  minutes,
  seconds,
  seconds
])
export type Step = typeof Step.Type | UserStep | typeof close.Type

const Setup = Schema.Struct({
  maxActive: Schema.Literals([1, 2, 5, 20]),
  admitPerMinute,
  prioritySharePercent,
  absenceSeconds: Schema.Literals([0, 60]),
  /**
   * In how many milliseconds the queue opens that collects people until then; 0 where it is open.
   */
  opensInMs: Schema.Literals([0, 8_000, 60_000]),
  /** Which draw. */
  draw: below(3),
  /** How many come at once, to either lane. */
  general: Schema.Literals([0, 5, 40]),
  priority: Schema.Literals([0, 5, 40])
})
export type Setup = typeof Setup.Type

export interface History {
  readonly setup: Setup
  readonly steps: ReadonlyArray<Step>
}

const steps = (maxLength: number) => Arbitrary.array(Arbitrary.schema(Step), { maxLength })

export const histories: Arbitrary.Arbitrary<History> = Arbitrary.map(
  Arbitrary.all({
    setup: Arbitrary.schema(Setup),
    before: steps(60),
    // A closed queue stays closed: then there is little left to see.
    closing: Arbitrary.array(Arbitrary.schema(close), { maxLength: 1 }),
    after: steps(8)
  }),
  ({ setup, before, closing, after }) => ({ setup, steps: [...before, ...closing, ...after] })
)
