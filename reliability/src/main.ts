/**
 * `pnpm reliability <command>`: the tests that take faults as their input. Each command prints what it
 * does, its seed, and at the end what it counted; it fails if a promise was broken.
 * `usage.ts` has the exit codes.
 */
import { sentenceOf } from "./arguments.ts"
import { commandLine, exitCodes } from "./usage.ts"

/** Each command loads its own code. It reads the arguments behind its name, and returns the exit code. */
type Command = () => Promise<{ readonly run: (args: ReadonlyArray<string>) => Promise<number> }>

const commands: Record<string, { readonly summary: string; readonly load: Command }> = {
  simulate: {
    summary: "plays simulated worlds, with faults, from seeds",
    load: () => import("./simulation/command.ts")
  },
  failover: {
    summary: "kills the leader of a Patroni cluster under load",
    load: () => import("@boxoffice/example-failover/command")
  },
  soak: {
    summary: "a steady load for minutes or hours: nothing may grow",
    load: () => import("./soak/command.ts")
  },
  mutations: {
    summary: "delete each guard: a test must fail",
    load: () => import("./mutations/run.ts")
  },
  stryker: {
    summary: "mutate the deciders by Stryker, and print the score of each",
    load: () => import("./mutations/stryker.ts")
  },
  histories: {
    summary: "servers, clients and faults on a real Postgres; then a check of the whole history",
    load: () => import("./histories/histories.ts")
  }
}

const [name = "", ...args] = process.argv.slice(2)
const command = Object.hasOwn(commands, name) ? commands[name] : undefined
if (command === undefined) {
  const width = Math.max(...Object.keys(commands).map((each) => each.length))
  const isKnown = name === "" || name === "--help"
  if (!isKnown) console.log(`There is no command "${name}".\n`)
  console.log(`Usage: ${commandLine("<command> [options]")}; each command has --help\n`)
  for (const [each, { summary }] of Object.entries(commands)) {
    console.log(`  ${each.padEnd(width)}  ${summary}`)
  }
  process.exitCode = isKnown ? exitCodes.held : exitCodes.wrongArguments
} else {
  const { run } = await command.load()
  try {
    process.exitCode = await run(args)
  } catch (error) {
    const sentence = sentenceOf(error)
    if (sentence === undefined) throw error
    console.error(`${sentence} The options: ${commandLine(`${name} --help`)}`)
    process.exitCode = exitCodes.wrongArguments
  }
}
