/**
 * Finds guards by their form, so that a new one cannot be forgotten: each needs a comment beside
 * it, or an exemption with its reason.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { exemptions } from "./exemptions.ts"
import { type Guard, root, sourceFiles } from "./guards.ts"

interface Finding {
  readonly kind: string
  readonly file: string
  readonly line: number
  readonly text: string
}

const kinds: Readonly<Record<string, RegExp>> = {
  "a row lock": /\bFOR (NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b/,
  "an advisory lock": /\bpg_(try_)?advisory_/,
  "a conflict clause": /\bON CONFLICT\b/,
  "a server-side timeout": /'(lock|statement|idle_in_transaction_session|tcp_user)_timeout'/,
  "an isolation level": /\bISOLATION LEVEL\b/,
  "a comparison in constant time": /\btimingSafeEqual\(/,
  "a comparison of owners":
    /\.(userId|fingerprint|operation)\)? ?(!==|===) (?!undefined)|(!==|===) [\w.]*\.(userId|fingerprint)\b/,
  "a deadline": /\bEffect\.timeout\w*\(|\bAbortSignal\.timeout\(|\bwithDeadline\(|\bsetTimeout\(/,
  "a bound": /(>=?|<=?) (\w+\.)*(\w+Max|limit|capacity|most|keep)\b/
}

/** Not shipped to a server: the kit for tests, and the commands for demonstration. */
const notGuarded = /\/src\/(testing\/|cli\/(simulate|demo)|migrator\/embedded)/

export const unguarded = (
  guards: ReadonlyArray<Guard>,
  files = sourceFiles()
): ReadonlyArray<Finding> => findings(files).filter((finding) => !isKnown(finding, guards))

const findings = (files: ReadonlyArray<string>): ReadonlyArray<Finding> =>
  files
    .filter((file) => !notGuarded.test(file))
    .flatMap((file) => findingsIn(file, readFileSync(join(root, file), "utf8")))

/** What looks like a guard in one file, whether or not it has a comment. */
export const findingsIn = (file: string, source: string): ReadonlyArray<Finding> =>
  source.split("\n").flatMap((text, index) =>
    isComment.test(text)
      ? []
      : Object.entries(kinds)
          .filter(([, pattern]) => pattern.test(text))
          .map(([kind]) => ({ kind, file, line: index + 1, text: text.trim() }))
  )

const isComment = /^\s*(\/\/|\/?\*|--|import\b)/

const isKnown = ({ file, line, text }: Finding, guards: ReadonlyArray<Guard>): boolean =>
  guards.some(
    ({ file: own, patched }) =>
      own === file && patched.firstLine <= line && line <= patched.lastLine
  ) || exemptions.some((exempt) => exempt.file === file && text.includes(exempt.text))

/** Exemptions that no guard needs any more. */
export const uselessExemptions = (files = sourceFiles()): ReadonlyArray<string> => {
  const all = findings(files)
  return exemptions
    .filter(
      (exempt) => !all.some(({ file, text }) => exempt.file === file && text.includes(exempt.text))
    )
    .map(({ file, text }) => `${file}: ${text}`)
}
