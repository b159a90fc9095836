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
// Everyone's place in a larger draw would be gigabytes of text.
const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000_000 }))

/** What the server tells anyone of a queue: as much of it as a draw follows from. */
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
  Flag.withDescription("What GET /v1/queues/{queueId} answered, as a file; - reads stdin"),
  Flag.optional
)
const queue = Flag.String("queue").pipe(
  Flag.withDescription("The queue's id"),
  Flag.withSchema(QueueId),
  Flag.optional
)
const commitment = Flag.String("commitment").pipe(
  Flag.withDescription("The SHA-256 of the seed, as it was published before people came"),
  Flag.withSchema(Digest),
  Flag.optional
)
const seed = Flag.String("seed").pipe(
  Flag.withDescription("The seed, as it was published at the opening"),
  Flag.withSchema(Digest),
  Flag.optional
)
const drawn = Flag.Int("drawn").pipe(
  Flag.withDescription("How many took part"),
  Flag.withSchema(Count),
  Flag.optional
)
const number = Flag.Int("number").pipe(
  Flag.withDescription("Tell the place of this number alone, rather than everyone's"),
  Flag.optional
)
const token = Flag.Redacted("token").pipe(
  Flag.withDescription(
    "Tell the place of this queue token's holder alone. Better -, which reads stdin: everybody on the " +
      "machine can read what a process was started with"
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
      // Of another seed than the one that was promised, no place is anybody's.
      const told = kept ? numbers.map((number, i) => ({ number, place: places[i]! })) : []
      yield* Console.log(
        flags.json ? JSON.stringify({ ...draw, kept, places: told }) : toText(draw, kept, told)
      )
      if (!kept) return yield* new NegativeResult()
    })
).pipe(
  Command.withDescription(
    "Check that a queue's seed is the one that was promised, and recompute everyone's place by it. It " +
      "takes what the server tells anyone, by --file or flag by flag; a flag goes before the file. It " +
      "connects to nothing. Ends with 2 where the promise was not kept."
  ),
  Command.withExamples([
    {
      command:
        'curl -H "X-User-Id: me" "$BASE/v1/queues/gala" | boxoffice verify-lottery --file - --commitment c0b6…',
      description: "Everyone's place, by the commitment that you noted down before"
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
    const notice = Option.isSome(flags.file) ? yield* noticeIn(flags.file.value) : undefined
    const said = <A>(flag: Option.Option<A>, inFile: A | null | undefined, name: string) => {
      const value = Option.getOrElse(flag, () => inFile)
      if (value !== undefined && value !== null) return Effect.succeed(value)
      const why = inFile === null ? "The queue has not opened yet" : `--${name} is missing`
      return Effect.fail(
        new UsageError({ message: `${why}: what a draw is checked by is published as it opens.` })
      )
    }
    return {
      queueId: yield* said(flags.queue, notice?.queueId, "queue"),
      commitment: yield* said(flags.commitment, notice?.opening?.commitment, "commitment"),
      seed: yield* said(flags.seed, notice?.opening?.seed, "seed"),
      drawn: yield* said(flags.drawn, notice?.opening?.drawn, "drawn")
    }
  })

const noticeBytesMax = 64 * 1024
const tokenBytesMax = 4 * 1024

const cannot = (message: string) => new UsageError({ message })

/** Whether the flags can be meant together, before anything is read. */
const checkFlags = ({ file, number, token }: Flags): Effect.Effect<void, UsageError> => {
  if (Option.isNone(token)) return Effect.void
  if (Option.isSome(number)) return Effect.fail(cannot("Give either --token or --number."))
  return Option.contains(file, "-") && Redacted.value(token.value) === "-"
    ? Effect.fail(cannot("Only one of --file and --token can read stdin."))
    : Effect.void
}

/** The number that the holder of a queue token was given, if there is a token. */
const ownNumber = ({ token }: Flags, { queueId, drawn }: PublishedDraw) =>
  Effect.gen(function* () {
    if (Option.isNone(token)) return Option.none<number>()
    const given = Redacted.value(token.value)
    const text = given === "-" ? yield* readInput("-", tokenBytesMax) : given
    const claims = readQueueToken(text.trim())
    if (claims === undefined) return yield* cannot("This is no queue token.")
    if (claims.queueId !== queueId) {
      return yield* cannot(`The token is of the queue ${claims.queueId}, and not of ${queueId}.`)
    }
    const { place } = claims
    if (place === undefined) {
      return yield* cannot("The token is of an earlier release, and does not say its number.")
    }
    if (place.lane === "priority") {
      return yield* cannot("The token was joined with a code: the priority lane is not drawn.")
    }
    if (place.number <= drawn) return Option.some(place.number)
    return yield* cannot(
      `The token has number ${place.number}, and ${drawn} were drawn: whoever came after the ` +
        "opening has no place by the draw, and follows in order of arrival."
    )
  })

const noticeIn = (path: string) =>
  Effect.gen(function* () {
    const text = yield* readInput(path, noticeBytesMax)
    const notice = yield* Effect.mapError(
      decodeNotice(text),
      (error) =>
        new UsageError({
          message: `${path} is not what GET /v1/queues/{queueId} answers: ${error.message}`
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
        `The seed of ${queueId} is the one that was promised. Drawn: ${drawn}.`,
        "number\tplace",
        ...places.map(({ number, place }) => `${number}\t${place}`)
      ].join("\n")
    : [
        `The seed of ${queueId} is NOT the one that was promised.`,
        `published: ${commitment}`,
        `of the seed: ${commitmentOf(seed)}`
      ].join("\n")
