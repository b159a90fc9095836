import {
  commitmentOf,
  type PublishedDraw,
  readQueueToken,
  verifyLottery as verify
} from "@boxoffice/core"
import { QueueId } from "@boxoffice/core/schema"
import { Console, Effect, Option, Redacted, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { NegativeResult } from "./exit.ts"
import { json, UsageError } from "./flags.ts"
import { readInput } from "./input.ts"

const Digest = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/, { message: "Expected 64 hex digits" })
)
// All places of a larger draw would be gigabytes of text.
const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000_000 }))

/** The part of a queue's public state that determines its draw. */
const Notice = Schema.Struct({
  queueId: QueueId,
  opening: Schema.NullOr(
    Schema.Struct({
      commitment: Digest,
      seed: Schema.NullOr(Digest),
      drawn: Schema.NullOr(Count)
    })
  )
})
const decodeNotice = Schema.decodeUnknownEffect(Schema.fromJsonString(Notice))

const file = Flag.String("file").pipe(
  Flag.withDescription("A file with the response of GET /v1/queues/{queueId}; - reads stdin"),
  Flag.optional
)
const queue = Flag.String("queue").pipe(
  Flag.withDescription("The queue's id"),
  Flag.withSchema(QueueId),
  Flag.optional
)
const commitment = Flag.String("commitment").pipe(
  Flag.withDescription("The SHA-256 of the seed, as published before users joined"),
  Flag.withSchema(Digest),
  Flag.optional
)
const seed = Flag.String("seed").pipe(
  Flag.withDescription("The seed, as published at the opening"),
  Flag.withSchema(Digest),
  Flag.optional
)
const drawn = Flag.Int("drawn").pipe(
  Flag.withDescription("The number of users in the draw"),
  Flag.withSchema(Count),
  Flag.optional
)
const number = Flag.Int("number").pipe(
  Flag.withDescription("Print only the place of this number"),
  Flag.optional
)
const token = Flag.Redacted("token").pipe(
  Flag.withDescription(
    "Print only the place of the user of this queue token. Prefer -, which reads stdin: other users of " +
      "the machine can read the arguments of a process"
  ),
  Flag.optional
)

export const verifyLottery = Command.make(
  "verify-lottery",
  { file, queue, commitment, seed, drawn, number, token, json },
  (flags) =>
    Effect.gen(function* () {
      yield* checkFlags(flags)
      const draw = yield* drawOf(flags)
      const own = yield* ownNumber(flags, draw)
      const numbers = Option.match(
        Option.orElse(own, () => flags.number),
        {
          onNone: () => Array.from({ length: draw.drawn }, (_, i) => i + 1),
          onSome: (one) => [one]
        }
      )
      const { kept, places } = yield* Effect.try({
        try: () => verify(draw, numbers),
        catch: (error) => new UsageError({ message: (error as RangeError).message })
      })
      // If the seed does not match the commitment, places computed from it are meaningless.
      const shown = kept ? numbers.map((number, i) => ({ number, place: places[i]! })) : []
      yield* Console.log(
        flags.json ? JSON.stringify({ ...draw, kept, places: shown }) : toText(draw, kept, shown)
      )
      if (!kept) return yield* new NegativeResult()
    })
).pipe(
  Command.withDescription(
    "Check that a queue's seed matches the commitment that was published before users joined, and " +
      "recompute every place from it. The input is public: give it by --file or by flags; a flag overrides the file. " +
      "It makes no connections. Ends with 2 if the seed does not match the commitment."
  ),
  Command.withExamples([
    {
      command:
        'curl -H "X-User-Id: me" "$BASE/v1/queues/gala" | boxoffice verify-lottery --file - --commitment c0b6…',
      description: "Every place, checked against the commitment that you noted before"
    },
    {
      command: "boxoffice verify-lottery --file gala.json --token - < token.txt",
      description: "Your own place, by your queue token"
    },
    {
      command: "boxoffice verify-lottery --file gala.json --number 42 --json",
      description: "One place, as JSON"
    }
  ])
)

interface Flags {
  readonly file: Option.Option<string>
  readonly queue: Option.Option<QueueId>
  readonly commitment: Option.Option<string>
  readonly seed: Option.Option<string>
  readonly drawn: Option.Option<number>
  readonly number: Option.Option<number>
  readonly token: Option.Option<Redacted.Redacted>
}

const drawOf = (flags: Flags): Effect.Effect<PublishedDraw, UsageError> =>
  Effect.gen(function* () {
    const { queue, commitment, seed, drawn } = flags
    const notice = Option.isSome(flags.file) ? yield* noticeIn(flags.file.value) : undefined
    const valueOf = <A>(flag: Option.Option<A>, inFile: A | null | undefined, name: string) => {
      const value = Option.getOrElse(flag, () => inFile)
      if (value !== undefined && value !== null) return Effect.succeed(value)
      const why = inFile === null ? "The queue has not opened yet" : `--${name} is missing`
      return Effect.fail(
        new UsageError({
          message: `${why}: the data to verify a draw is published at the opening.`
        })
      )
    }
    if (
      notice === undefined &&
      [queue, commitment, seed, drawn].every(({ _tag }) => _tag === "None")
    ) {
      return yield* cannot(
        "Which draw? Give --file with the response of GET /v1/queues/{queueId}, or --queue, --seed, " +
          "--drawn and --commitment."
      )
    }
    return {
      queueId: yield* valueOf(flags.queue, notice?.queueId, "queue"),
      commitment: yield* valueOf(flags.commitment, notice?.opening?.commitment, "commitment"),
      seed: yield* valueOf(flags.seed, notice?.opening?.seed, "seed"),
      drawn: yield* valueOf(flags.drawn, notice?.opening?.drawn, "drawn")
    }
  })

const noticeBytesMax = 64 * 1024
const tokenBytesMax = 4 * 1024

const cannot = (message: string) => new UsageError({ message })

/** Refuses contradictory flags, before any input is read. */
const checkFlags = ({ file, number, token }: Flags): Effect.Effect<void, UsageError> => {
  if (Option.isNone(token)) return Effect.void
  if (Option.isSome(number)) return Effect.fail(cannot("Give either --token or --number."))
  return Option.contains(file, "-") && Redacted.value(token.value) === "-"
    ? Effect.fail(cannot("Only one of --file and --token can read stdin."))
    : Effect.void
}

/** The number in the queue token, if the flags give a token. */
const ownNumber = ({ token }: Flags, { queueId, drawn }: PublishedDraw) =>
  Effect.gen(function* () {
    if (Option.isNone(token)) return Option.none<number>()
    const given = Redacted.value(token.value)
    const text = given === "-" ? yield* readInput("-", tokenBytesMax) : given
    const payload = readQueueToken(text.trim())
    if (payload === undefined) return yield* cannot("The text is no queue token.")
    if (payload.queueId !== queueId) {
      return yield* cannot(`The token is of the queue ${payload.queueId}, and not of ${queueId}.`)
    }
    const { entry } = payload
    if (entry === undefined) {
      return yield* cannot("The token is from an earlier release, and does not contain its number.")
    }
    if (entry.lane === "priority") {
      return yield* cannot("The token was issued for a code: the priority lane is not drawn.")
    }
    if (entry.number <= drawn) return Option.some(entry.number)
    return yield* cannot(
      `The token has number ${entry.number}, and ${drawn} were drawn: users who joined after the ` +
        "opening are not part of the draw, and follow in order of arrival."
    )
  })

const noticeIn = (path: string) =>
  Effect.gen(function* () {
    const text = yield* readInput(path, noticeBytesMax)
    const notice = yield* Effect.mapError(
      decodeNotice(text),
      (error) =>
        new UsageError({
          message: `${path} is not what GET /v1/queues/{queueId} returns: ${error.message}`
        })
    )
    if (notice.opening !== null) return notice
    return yield* new UsageError({ message: `The queue ${notice.queueId} has no draw.` })
  })

const toText = (
  { queueId, seed, commitment, drawn }: PublishedDraw,
  kept: boolean,
  places: ReadonlyArray<{ readonly number: number; readonly place: number }>
): string =>
  kept
    ? [
        `The seed of ${queueId} matches the commitment. Drawn: ${drawn}.`,
        "number\tplace",
        ...places.map(({ number, place }) => `${number}\t${place}`)
      ].join("\n")
    : [
        `The seed of ${queueId} does NOT match the commitment.`,
        `published: ${commitment}`,
        `of the seed: ${commitmentOf(seed)}`
      ].join("\n")
