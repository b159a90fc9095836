import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, test } from "vitest"
import { exitCodes } from "../../packages/http-server/src/cli/exit.ts"
import { rights } from "../../packages/sql-store/src/migrator/rights.ts"
import { tableBehind } from "./markdown.ts"

const page = "docs/cli.md"
const bin = fileURLToPath(new URL("../../packages/http-server/src/bin.ts", import.meta.url))

const helpOf = async (...args: ReadonlyArray<string>): Promise<string> => {
  const program = ["--conditions=boxoffice-source", bin, ...args, "--help"]
  return (await promisify(execFile)(process.execPath, program)).stdout
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

test("the exit codes are those of the program", () => {
  const written = tableBehind(page, "## Exit codes").map(([code]) => Number(code))
  expect(written).toEqual(Object.values(exitCodes))
})

test("the rights of the application's role are those that are granted", () => {
  const written = tableBehind("docs/guides/migrations.md", "## Two roles").flatMap(
    ([tables, right]) =>
      Array.from(tables!.matchAll(/`([a-z_]+)`/g), ([, name]) => [name, right] as const)
  )
  expect(Object.fromEntries(written)).toEqual(rights)
})
