/** The setups and steps of random histories, in a waiting room on two nodes. */
import { Arbitrary, Schema } from "effect"

const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))
const node = below(2)
/** One of the users so far, by a number modulo their count. */
const who = below(100)
const priority = Schema.Boolean

const join = Schema.TaggedStruct("join", {
  size: Schema.Literals([1, 3, 12, 40]),
  priority,
  node
})
const single = Schema.TaggedStruct("join", { size: Schema.Literal(1), priority, node })
/** A new user joins with an idempotency key. */
const joinByKey = Schema.TaggedStruct("joinByKey", { priority, node })
/** An earlier request with a key is sent again, unchanged: `back` counts from the last one. */
const repeat = Schema.TaggedStruct("repeat", { back: below(4), node })
/** A user who has joined before joins again, with a new key or without one. */
const joinAgain = Schema.TaggedStruct("joinAgain", { who, keyed: Schema.Boolean, node })
const poll = Schema.TaggedStruct("poll", { who, node })
const pollAll = Schema.TaggedStruct("pollAll", { node })
const leave = Schema.TaggedStruct("leave", { who, node })
const leaveMany = Schema.TaggedStruct("leaveMany", { every: Schema.Literals([2, 3]), node })
/** An admitted user buys a seat, which completes their token. */
const buy = Schema.TaggedStruct("buy", { who, node })
/** A user requests a seat, admitted or not. */
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

/** Two steps at the same time. */
const together = Schema.TaggedStruct("together", { one: UserStep, other: UserStep })
/** During a step, the connections of the node break, or the response of its commit is lost. */
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
/** Moves the opening to `inMs` milliseconds from now; 0 opens the queue at once. */
const reschedule = Schema.TaggedStruct("reschedule", {
  inMs: Schema.Literals([0, 4_000, 60_000]),
  node
})
/** A node is closed, and another one starts in its place. */
const restart = Schema.TaggedStruct("restart", { node })

/** Time passes without any calls. */
const wait = Schema.TaggedStruct("wait", {
  ms: Schema.Literals([1, 400, 1_000, 2_499, 2_500, 9_000, 31_000])
})
/** Minutes pass, in each of which all or some users poll. */
const minutes = Schema.TaggedStruct("minutes", {
  count: Schema.Literals([1, 4]),
  pollers: Schema.Literals(["all", "every third"]),
  node
})
/** Three seconds pass, in each of which the sweeper runs or a waiting user polls. */
const seconds = Schema.TaggedStruct("seconds", {
  by: Schema.Literals(["sweeper", "polls"]),
  node
})

// Steps of users are more frequent than steps of operators.
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
  /** The time until the opening in milliseconds; 0 if the queue is open at once. */
  opensInMs: Schema.Literals([0, 8_000, 60_000]),
  /** Selects the seed of the draw. */
  draw: below(3),
  /** The number of users who join each lane at the start. */
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
    // Closing comes near the end, because few steps have an effect on a closed queue.
    closing: Arbitrary.array(Arbitrary.schema(close), { maxLength: 1 }),
    after: steps(8)
  }),
  ({ setup, before, closing, after }) => ({ setup, steps: [...before, ...closing, ...after] })
)
