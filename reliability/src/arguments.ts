/**
 * The arguments of the commands. A wrong one ends the command with a sentence and the exit code 2,
 * before anything runs: a selection that is empty by a slip would pass as if it had been tested.
 */

/** What is wrong with the arguments, in one sentence for whoever typed them. */
class ArgumentInvalid extends Error {}

export const invalid = (sentence: string): never => {
  throw new ArgumentInvalid(sentence)
}

/** The sentence for wrong arguments, `undefined` for any other error. */
export const sentenceOf = (error: unknown): string | undefined => {
  if (error instanceof ArgumentInvalid) return error.message
  const { code, message } = error as { readonly code?: unknown; readonly message?: string }
  if (!String(code).startsWith("ERR_PARSE_ARGS_")) return undefined
  // Node's own advice fills the sentences behind the first one.
  const [first = ""] = message?.split(/\.?\n|\. |\.$/) ?? []
  return `${first.replace("argument is ambiguous", "takes a value that begins with no dash")}.`
}

export const wholeNumber = (option: string, text: string, least = 1): number => {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) && number >= least
    ? number
    : invalid(`--${option} takes a whole number from ${least} on, and "${text}" is none.`)
}

/** A number that may have decimals, above zero. */
export const amount = (option: string, text: string, most = Number.MAX_SAFE_INTEGER): number => {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  const range = most === Number.MAX_SAFE_INTEGER ? "above 0" : `above 0, up to ${most}`
  return number > 0 && number <= most
    ? number
    : invalid(`--${option} takes a number ${range}, and "${text}" is none.`)
}

/** One of the names that there are. */
export const oneOf = (option: string, text: string, names: ReadonlyArray<string>): string =>
  names.includes(text)
    ? text
    : invalid(`--${option} knows no "${text}". There are ${names.join(", ")}.`)

export const pattern = (option: string, text: string): RegExp => {
  try {
    return new RegExp(text)
  } catch {
    return invalid(`--${option} takes a regular expression, and "${text}" is none.`)
  }
}
