/** Commands of a queue with a draw, and how an engine over either store runs them. */
import { BoxOffice, type QueueId, sweep } from "@boxoffice/core"
import { Effect, Schema } from "effect"
import { queueId } from "./commands.ts"
import { withSeed } from "./seeds.ts"
import type { Side } from "./sides.ts"

const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))
const users = 9
const user = below(users)
const minuteMs = 60_000
/** No sum of ticks ends at one of these openings: the speed of the test decides nothing. */
const minutes = Schema.Literals([2, 6, 14])
/** More than the heads that a batch always loads. */
const crowd = 40

export const DrawCommand = Schema.Union([
  Schema.TaggedStruct("join", { user, hasCode: Schema.Literals([false, false, true]) }),
  Schema.TaggedStruct("join", { user, hasCode: Schema.Literals([false, false, true]) }),
  Schema.TaggedStruct("join", { user, hasCode: Schema.Literals([false, false, true]) }),
  Schema.TaggedStruct("crowd", {}),
  Schema.TaggedStruct("leave", { user }),
  Schema.TaggedStruct("leave", { user }),
  Schema.TaggedStruct("crowd leaves", { from: below(crowd), count: Schema.Literals([5, 33]) }),
  Schema.TaggedStruct("create", { minutes: Schema.NullOr(minutes) }),
  Schema.TaggedStruct("create other", { minutes }),
  Schema.TaggedStruct("reschedule", { minutes: Schema.NullOr(minutes) }),
  Schema.TaggedStruct("reschedule", { minutes: Schema.NullOr(minutes) }),
  Schema.TaggedStruct("advance", {}),
  Schema.TaggedStruct("sweep", {}),
  Schema.TaggedStruct("poll", { user }),
  Schema.TaggedStruct("poll", { user }),
  Schema.TaggedStruct("poll", { user }),
  Schema.TaggedStruct("notice", {}),
  Schema.TaggedStruct("mode", { mode: Schema.Literals(["open", "open", "paused", "draining"]) }),
  Schema.TaggedStruct("close", { really: Schema.Literals([false, false, false, true]) }),
  Schema.TaggedStruct("configure", {
    maxActive: Schema.Literals([1, 3, 50]),
    admitPerMinute: Schema.Literals([1, 2, 50]),
    prioritySharePercent: Schema.Literals([1, 50, 100])
  }),
  Schema.TaggedStruct("add codes", { uses: Schema.Literals([1, 2]) }),
  Schema.TaggedStruct("be seen", { from: below(users), count: below(users) }),
  Schema.TaggedStruct("tick", { ms: Schema.Literals([240_000, 660_000]) }),
  Schema.TaggedStruct("tick", { ms: Schema.Literals([240_000, 660_000]) }),
  Schema.TaggedStruct("clear", {}),
  Schema.TaggedStruct("repeat", {})
])
export type DrawCommand = typeof DrawCommand.Type

const settings = {
  maxActive: 3,
  admitPerMinute: 3,
  claimSeconds: 180,
  sessionSeconds: 780,
  prioritySharePercent: 50,
  absenceSeconds: 300
}

/** By its place, a user or one of the crowd. */
const nameOf = (n: number): string => (n < users ? `user-${n}` : `crowd-${n - users}`)

/** The instants that the commands of a number gave: whoever repeats a command gives the same one. */
const instants = new WeakMap<Side, Map<string, Date>>()

const instantOf = Effect.fnUntraced(function* (side: Side, key: string, minutes: number) {
  const known = instants.get(side) ?? new Map<string, Date>()
  instants.set(side, known)
  const given = known.get(key) ?? new Date((yield* side.now) + minutes * minuteMs)
  known.set(key, given)
  return given
})

export const prepareDraw = (side: Side) =>
  Effect.gen(function* () {
    const { queue } = yield* BoxOffice
    const opensAt = yield* instantOf(side, "first", 6)
    yield* withSeed("first", queue.create({ queueId, settings, opensAt }))
    yield* queue.addCodes({ queueId, codes: ["open-sesame"], uses: 3 })
    for (const user of [0, 1, 2, 3, 4]) {
      const idempotencyKey = `first-join-of-user-${user}`
      const code = user === 4 ? "open-sesame" : undefined
      const { token } = yield* queue.join({ queueId, userId: nameOf(user), code, idempotencyKey })
      side.tokens.set(user, token)
    }
  }).pipe(Effect.provideContext(side.context), Effect.orDie)

export const rememberDraw = (side: Side, command: DrawCommand, answer: unknown): void => {
  if (command._tag === "join") {
    side.tokens.set(command.user, (answer as { readonly token: string }).token)
  } else if (command._tag === "crowd") {
    const joined = answer as ReadonlyArray<{ readonly token: string }>
    for (const [n, { token }] of joined.entries()) side.tokens.set(users + n, token)
  }
}

export const runDrawCommand = (
  side: Side,
  command: DrawCommand,
  number: number
): Effect.Effect<unknown, unknown> =>
  Effect.gen(function* () {
    const { queue } = yield* BoxOffice
    const idempotencyKey = `key-${String(number).padStart(20, "0")}`
    const tokenOf = (n: number) => ({ userId: nameOf(n), queueToken: side.tokens.get(n) ?? "" })
    switch (command._tag) {
      case "join": {
        const code = command.hasCode ? "open-sesame" : undefined
        return yield* queue.join({ queueId, userId: nameOf(command.user), code, idempotencyKey })
      }
      case "crowd": {
        const each = Array.from({ length: crowd }, (_, n) =>
          queue.join({ queueId, userId: nameOf(users + n), idempotencyKey })
        )
        return yield* Effect.all(each, { concurrency: "unbounded" })
      }
      case "leave":
        return yield* queue.leave(tokenOf(command.user))
      case "crowd leaves": {
        const places = Array.from({ length: command.count }, (_, i) => (command.from + i) % crowd)
        return yield* Effect.all(
          places.map((n) => queue.leave(tokenOf(users + n))),
          { concurrency: "unbounded" }
        )
      }
      case "create": {
        // The same opening as the queue has, or another one.
        const { opening } = yield* queue.get(queueId)
        const { minutes } = command
        const other = minutes === null ? undefined : yield* instantOf(side, idempotencyKey, minutes)
        return yield* queue.create({ queueId, opensAt: other ?? opening?.opensAt })
      }
      case "create other": {
        const opensAt = yield* instantOf(side, idempotencyKey, command.minutes)
        const other = `other-${number}` as QueueId
        return yield* withSeed(
          `${number}`,
          queue.create({ queueId: other, opensAt, settings, idempotencyKey })
        )
      }
      case "reschedule": {
        const { minutes } = command
        const opensAt = minutes === null ? null : yield* instantOf(side, idempotencyKey, minutes)
        return yield* queue.reschedule(queueId, opensAt, { idempotencyKey })
      }
      case "advance":
        return yield* queue.advance(queueId)
      case "sweep":
        return yield* sweep
      case "poll":
        return yield* queue.status(tokenOf(command.user))
      case "notice":
        return yield* queue.notice(queueId)
      case "mode":
        return yield* queue.setMode(queueId, command.mode, { idempotencyKey })
      case "close":
        return command.really && (yield* queue.setMode(queueId, "closed", { idempotencyKey }))
      case "configure": {
        const { maxActive, admitPerMinute, prioritySharePercent } = command
        const change = { maxActive, admitPerMinute, prioritySharePercent }
        return yield* queue.configure(queueId, change, { idempotencyKey })
      }
      case "add codes": {
        const codes = ["open-sesame", `another-code-${command.uses}`]
        return yield* queue.addCodes({ queueId, codes, uses: command.uses, idempotencyKey })
      }
      case "be seen": {
        const seen = new Uint8Array(512)
        for (let i = 0; i <= command.count; i++) {
          const bit = command.from + i + 1
          seen[bit >> 3]! |= 1 << (bit & 7)
        }
        const block = { block: 0, seen }
        return yield* side.store.markSeen(queueId, [
          { lane: "general", ...block },
          { lane: "priority", ...block }
        ])
      }
      case "tick":
        return yield* side.pass(command.ms)
      case "clear":
        // All of them: which ones of the crowd would go first, if they left together, is open.
        return yield* side.store.clearTokens(6 * minuteMs, 1_000)
      case "repeat":
        return "the command before, again"
    }
  }).pipe(Effect.provideContext(side.context)) as Effect.Effect<unknown, unknown>
