import { Console, Effect } from "effect"
import { describe, expect, test } from "vitest"
import { boxoffice } from "../../packages/http-server/src/cli/boxoffice.ts"
import { exitCodes } from "../../packages/http-server/src/cli/exit.ts"
import { embedded } from "../../packages/sql-store/src/migrator/embedded.ts"
import { rights } from "../../packages/sql-store/src/migrator/rights.ts"
import { readPage, tableBehind } from "./markdown.ts"

const page = "docs/cli.md"

/** What the command line prints, in this process: a process for each help takes a second of CPU. */
const helpOf = async (...args: ReadonlyArray<string>): Promise<string> => {
  const lines: Array<unknown> = []
  const recorder: Console.Console = { ...console, log: (...said) => lines.push(...said) }
  await boxoffice([...args, "--help"]).pipe(
    Effect.provideService(Console.Console, recorder),
    Effect.runPromise
  )
  return lines.join("\n")
}

const commands = tableBehind(page, "# The command line").map(([cell]) => cell!.match(/`(.*)`/)![1]!)

const listedIn = (help: string) =>
  Array.from(help.matchAll(/^ {2}([a-z-]+) {4}/gm), ([, name]) => name!)
const flagsIn = (cell: string) => Array.from(cell.matchAll(/`(--[a-z-]+)`/g), ([, name]) => name!)

/** The flags that a command's own help lists. */
const flagsOf = async (...command: ReadonlyArray<string>) => {
  const [, flags] = (await helpOf(...command)).match(/\nFLAGS\n([\s\S]*?)\n\n/) ?? ["", ""]
  return Array.from(flags!.matchAll(/^ {2}(--[a-z-]+)/gm), ([, name]) => name!)
}

test("the package's own page names every command", () => {
  const row = readPage("packages/http-server/README.md").match(/^\| `boxoffice` \|.*$/m)![0]
  const named = Array.from(
    row.split("[the command line]")[1]!.matchAll(/`([a-z-]+)`/g),
    ([, name]) => name
  )
  expect(named).toEqual(commands)
})

test("every command is listed, and no other", async () => {
  expect(commands).toEqual(listedIn(await helpOf()))
})

describe.each(commands)("%s", (command) => {
  test("has each of its flags in the table, and no other", async () => {
    const written = tableBehind(page, `## ${command}`).flatMap(([cell]) => flagsIn(cell!))
    expect(written.sort()).toEqual((await flagsOf(command)).sort())
  })
})

describe.each(["queue", "events", "deliveries"])("%s commands", (group) => {
  const names = tableBehind(page, `## ${group}`).map(([cell]) => cell!.match(/`\w+ (\w+)/)![1]!)

  test("are all listed, and no other", async () => {
    expect([...names].sort()).toEqual(listedIn(await helpOf(group)).sort())
  })

  test.each(names)("%s has each of its flags in the table, and no other", async (name) => {
    const written = tableBehind(page, `### Flags of ${group} commands`).flatMap(([cell, of]) =>
      of === "all" || of!.includes(`\`${name}\``) ? flagsIn(cell!) : []
    )
    expect(written.sort()).toEqual((await flagsOf(group, name)).sort())
  })
})

/** The defaults of a table of flags, by the flag. */
const defaultsIn = (heading: string) =>
  tableBehind(page, heading).flatMap((cells) => {
    const [flags, text] = [flagsIn(cells[0]!), cells.at(-1)!]
    const [, value] = text.match(/default `?([a-z_]+_[a-z_]+|[\d,]+)/) ?? []
    return value === undefined ? [] : [{ flags, of: cells[1]!, value }]
  })

test.each(commands)("%s --help has the defaults of the table", async (command) => {
  const groups = ["queue", "events", "deliveries"]
  const heading = groups.includes(command) ? `### Flags of ${command} commands` : `## ${command}`
  for (const { flags, of, value } of defaultsIn(heading)) {
    const names = groups.includes(command) ? Array.from(of.matchAll(/`(\w+)`/g), ([, n]) => n!) : []
    const help = await helpOf(command, ...names.slice(0, 1))
    expect({ flags, help: help.replaceAll(/\s+/g, " ") }).toEqual({
      flags,
      help: expect.stringMatching(new RegExp(`${flags[0]} [^-]*default ${value}`))
    })
  }
})

test("the exit codes are those of the program", () => {
  const written = tableBehind(page, "## Exit codes").map(([code]) => Number(code))
  expect(written).toEqual(Object.values(exitCodes))
})

test("the page of migrations speaks of the newest version", () => {
  const { version } = embedded.at(-1)!
  const written = readPage("docs/guides/migrations.md")
  expect(written).toContain(`is at version ${version + 1}, and this package knows ${version}:`)
  expect(written).toContain(`version ${version} of ${version}, on Postgres`)
})

test("the rights of the application's role are those that are granted", () => {
  const written = tableBehind("docs/guides/migrations.md", "## Two roles").flatMap(
    ([tables, right]) =>
      Array.from(tables!.matchAll(/`([a-z_]+)`/g), ([, name]) => [name, right] as const)
  )
  expect(Object.fromEntries(written)).toEqual(rights)
})
