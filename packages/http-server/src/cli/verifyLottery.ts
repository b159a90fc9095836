import { readFileSync } from "node:fs"
import { commitmentOf, type PublishedDraw, verifyLottery as verify } from "@boxoffice/core"
import { QueueId } from "@boxoffice/core/schema"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { AnswerIsNo } from "./exit.ts"
import { json, Unusable } from "./flags.ts"

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

export const verifyLottery = Command.make(
  "verify-lottery",
  { file, queue, commitment, seed, drawn, number, json },
  (flags) =>
    Effect.gen(function* () {
      const draw = yield* drawOf(flags)
      const numbers = Option.match(flags.number, {
        onNone: () => Array.from({ length: draw.drawn }, (_, i) => i + 1),
        onSome: (one) => [one]
      })
      const { kept, places } = yield* Effect.try({
        try: () => verify(draw, numbers),
        catch: (error) => new Unusable({ message: (error as RangeError).message })
      })
      // Of another seed than the one that was promised, no place is anybody's.
      const told = kept ? numbers.map((number, i) => ({ number, place: places[i]! })) : []
      yield* Console.log(
        flags.json ? JSON.stringify({ ...draw, kept, places: told }) : inWords(draw, kept, told)
      )
      if (!kept) return yield* new AnswerIsNo()
    })
).pipe(
  Command.withShortDescription("Check the draw of a queue, and recompute everyone's place"),
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
}

const drawOf = (flags: Flags): Effect.Effect<PublishedDraw, Unusable> =>
  Effect.gen(function* () {
    const notice = Option.isSome(flags.file) ? yield* noticeIn(flags.file.value) : undefined
    const said = <A>(flag: Option.Option<A>, inFile: A | null | undefined, name: string) => {
      const value = Option.getOrElse(flag, () => inFile)
      if (value !== undefined && value !== null) return Effect.succeed(value)
      const why = inFile === null ? "The queue has not opened yet" : `--${name} is missing`
      return Effect.fail(
        new Unusable({ message: `${why}: what a draw is checked by is published as it opens.` })
      )
    }
    return {
      queueId: yield* said(flags.queue, notice?.queueId, "queue"),
      commitment: yield* said(flags.commitment, notice?.opening?.commitment, "commitment"),
      seed: yield* said(flags.seed, notice?.opening?.seed, "seed"),
      drawn: yield* said(flags.drawn, notice?.opening?.drawn, "drawn")
    }
  })

const noticeIn = (path: string) =>
  Effect.gen(function* () {
    const text = yield* Effect.try({
      try: () => readFileSync(path === "-" ? 0 : path, "utf8"),
      catch: (error) =>
        new Unusable({ message: `${path} cannot be read: ${(error as Error).message}` })
    })
    const notice = yield* Effect.mapError(
      decodeNotice(text),
      (error) =>
        new Unusable({
          message: `${path} is not what GET /v1/queues/{queueId} answers: ${error.message}`
        })
    )
    if (notice.opening !== null) return notice
    return yield* new Unusable({ message: `The queue ${notice.queueId} has no draw.` })
  })

const inWords = (
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
