/** The text of usage: how a command is called, which options it has, and how much there is of a thing. */

/** A command as a reader can paste it, without pnpm installed. */
export const commandLine = (rest: string): string => `npx --yes pnpm@12 reliability ${rest}`

/** What every command ends with. */
export const exitCodes = { held: 0, broken: 1, wrongArguments: 2, notJudged: 3 } as const

export const usageOf = (
  command: string,
  about: string,
  options: ReadonlyArray<readonly [form: string, meaning: string]>
): string => {
  const all = [...options, ["--help", "this text"] as const]
  const width = Math.max(...all.map(([form]) => form.length))
  const indent = `\n${" ".repeat(width + 4)}`
  return [
    `Usage: ${commandLine(`${command} [options]`)}`,
    "",
    about,
    "",
    ...all.map(([form, meaning]) => `  ${form.padEnd(width)}  ${meaning.replaceAll("\n", indent)}`),
    "",
    "Exit codes: 0 everything held, 1 something did not, 2 wrong arguments, 3 it could not be judged."
  ].join("\n")
}

/** `1 test`, `2 tests`. */
export const counted = (count: number, thing: string): string =>
  `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`
