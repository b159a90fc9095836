/** The last lines of a run: every reason for which it fails once more, and what to do next. */
import { commandLine, counted } from "../usage.ts"

/** A guard whose deletion no test has shown. */
export interface Survivor {
  readonly name: string
  readonly where: string
  /** The file and the title of the test that its comment names. */
  readonly test: string
  readonly verdict: string
}

export interface Mutated {
  readonly guards: number
  readonly seconds: number
  readonly survivors: ReadonlyArray<Survivor>
  /** Comments that are none, and lines without a comment. */
  readonly problems: ReadonlyArray<string>
}

export const summaryOf = ({ guards, seconds, survivors, problems }: Mutated): string => {
  const killed = guards - survivors.length
  const counts = `${killed} of ${counted(guards, "guard")} ${killed === 1 ? "has" : "have"} a test that fails without ${killed === 1 ? "it" : "them"} (${Math.round(seconds)} s)`
  if (survivors.length + problems.length === 0) return counts
  const [first] = survivors
  const steps = [
    ...(first === undefined
      ? []
      : [
          "To find the tests that fail without a guard, and to name one of them in its comment:",
          `  ${commandLine(`mutations --only ${first.name} --find own`)}`
        ]),
    ...(problems.length === 0
      ? []
      : [
          "A line that looks like a guard needs a comment (reliability/src/mutations/guards.ts has its",
          "form), or an exemption with its reason in reliability/src/mutations/exemptions.ts."
        ])
  ]
  return [
    `FAILED: ${counts}; ${counted(problems.length, "line")} with a wrong comment or none`,
    ...survivors.map(
      ({ name, where, test, verdict }) => `  ${name}: ${verdict}\n    ${where}\n    ${test}`
    ),
    ...problems.map((problem) => `  ${problem}`),
    "",
    ...steps
  ].join("\n")
}
