import { styleText } from "node:util"
import { Doctor, Migrator } from "@boxoffice/sql-store"
import { Console, Effect, Option } from "effect"
import { Command } from "effect/cli"
import { NegativeResult } from "./exit.ts"
import { appRole, database, databaseOf, json, yes } from "./flags.ts"

const strict = yes("strict", "Also end with 2 if there is a warning")

export const doctor = Command.make("doctor", { ...database, appRole, strict, json }, (flags) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    const report = yield* Effect.provide(
      Doctor.examine({ schema, appRole: Option.getOrUndefined(flags.appRole) }),
      Migrator.layerUrl(url)
    )
    yield* Console.log(flags.json ? JSON.stringify(report) : toText(report))
    const isBad = (level: string) => level === "problem" || (flags.strict && level === "warning")
    if (report.findings.some(({ level }) => isBad(level))) return yield* new NegativeResult()
  })
).pipe(
  Command.withDescription(
    "Compare tables, columns, constraints, indexes, triggers, functions and views with what the " +
      "migrations create, and check the server's settings, the clock, the connection and the rights " +
      "of the engine's role. It changes nothing. Ends with 2 if it finds a problem."
  ),
  Command.withExamples([
    { command: "boxoffice doctor", description: "Examine the database of DATABASE_URL" },
    {
      command: "boxoffice doctor --app-role tickets_app --json",
      description: "Check the rights of the engine's role as well, and print JSON"
    }
  ])
)

// Colours only on a terminal, and only if NO_COLOR is not set.
const paint = (format: "red" | "yellow" | "cyan" | "green" | "bold", text: string): string =>
  styleText(format, text, { stream: process.stdout })
const colors = { problem: "red", warning: "yellow", note: "cyan" } as const

const indented = (text: string, by: string): string => text.replaceAll(/^/gm, by)

const toText = (report: Doctor.Report): string => {
  const { schema, version, expectedVersion, serverVersion, findings } = report
  const count = (level: Doctor.Finding["level"]) => {
    const found = findings.filter((finding) => finding.level === level).length
    return `${found} ${level}${found === 1 ? "" : "s"}`
  }
  return [
    `Schema ${schema}: version ${version} of ${expectedVersion}, on Postgres ${serverVersion}.`,
    "",
    ...findings.flatMap(({ level, subject, message, remedy, sql }) => [
      `${paint(colors[level], level)} ${paint("bold", subject)}`,
      indented(message, "  "),
      indented(remedy, "  -> "),
      ...(sql === undefined ? [] : [indented(sql, "     ")]),
      ""
    ]),
    findings.length === 0
      ? paint("green", "No problems found.")
      : `${count("problem")}, ${count("warning")}, ${count("note")}.`
  ].join("\n")
}
