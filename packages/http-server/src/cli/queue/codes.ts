import type { RequestInvalid } from "@boxoffice/core"
import { CodeUses } from "@boxoffice/core/schema"
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { codesBodyLimit } from "../../api/admin.ts"
import { UsageError } from "../flags.ts"
import { readInput } from "../input.ts"
import { type Line, readCodeFile } from "./codeFile.ts"
import { explain, queueFlags, withQueues } from "./operate.ts"

const file = Flag.String("file").pipe(
  Flag.withDescription("A file with one code per line; default stdin, also as -"),
  Flag.optional
)
const uses = Flag.Int("uses").pipe(
  Flag.withDescription(
    "How many times each code can be used from now on; default 1, and 0 withdraws it"
  ),
  Flag.withSchema(CodeUses),
  Flag.withDefault(1)
)

export const codes = Command.make("codes", { ...queueFlags, file, uses }, (flags) =>
  Effect.gen(function* () {
    const { id, uses } = flags
    const lines = yield* linesOf(flags.file)
    const codes = lines.map(({ code }) => code)
    yield* withQueues(flags, (queues, schema) =>
      queues
        .addCodes({ queueId: id, codes, uses })
        .pipe(
          Effect.mapError((error) =>
            error._tag === "RequestInvalid"
              ? invalidCodes(error, lines)
              : explain(error, id, schema)
          )
        )
    )
    const added = codes.length
    const words =
      uses === 0
        ? `Codes of ${id} withdrawn: ${added}.`
        : `Codes of ${id} that can be used from now on: ${added}, each for ${uses} to join.`
    yield* Console.log(flags.json ? JSON.stringify({ queueId: id, added, uses }) : words)
  })
).pipe(
  Command.withShortDescription("Add codes for the priority lane, or withdraw them"),
  Command.withDescription(
    "Add codes for the priority lane of a queue: one a line, each of 8 to 64 visible ASCII " +
      "characters, at most 10,000 at a time, all or none. Omit a header line: it would be read as a " +
      "code. Quotes around a code, as in CSV, are not part of it. For a code that exists already, the " +
      "number of uses is set again. Codes are secrets: they are read from a file or stdin, since other " +
      "users of the machine can read the arguments of a process, and the database keeps only digests."
  ),
  Command.withExamples([
    {
      command: "boxoffice queue codes gala --file members.txt",
      description: "Each code lets one member join the priority lane"
    },
    {
      command: "openssl rand -hex 8 | tee press.txt | boxoffice queue codes gala --uses 40",
      description: "One new code, for forty journalists"
    }
  ])
)

/** The codes of the file, with their line numbers. */
const linesOf = (file: Option.Option<string>) =>
  Effect.gen(function* () {
    const path = Option.getOrElse(file, () => "-")
    if (Option.isNone(file) && process.stdin.isTTY) {
      return yield* new UsageError({
        message: "Which codes? Give --file PATH, or pipe them in, one a line."
      })
    }
    const text = yield* readInput(path, codesBodyLimit)
    const { lines, unclear } = readCodeFile(text)
    if (unclear.length > 0) return yield* refusal(unclear.map(unclearLine))
    return lines
  })

const unclearLine = (number: number): string =>
  `  line ${number}: put one code on a line, without other columns; quote a code that has , ; or "`

const problemsMax = 5

/** The problem of each line. The message must not repeat a code, since codes are secrets. */
const invalidCodes = ({ errors }: RequestInvalid, lines: ReadonlyArray<Line>): UsageError =>
  refusal(
    errors.map(({ path, message }) => {
      const line = lines[Number(/^codes\.(\d+)$/.exec(path)?.[1])]
      return line === undefined ? `  ${message}` : `  line ${line.number}: ${message}`
    })
  )

const refusal = (problems: ReadonlyArray<string>): UsageError => {
  const more = problems.length > problemsMax ? [`  and ${problems.length - problemsMax} more`] : []
  const some = problems.slice(0, problemsMax)
  return new UsageError({ message: ["No code was added:", ...some, ...more].join("\n") })
}
