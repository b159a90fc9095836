/**
 * The command `boxoffice`. Each subcommand is a file beside this one, and is loaded only when it is
 * called: loading all of them took three times as long as printing the help.
 */
import { readFileSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import { layerPresenter, report } from "./exit.ts"

type Loaded = Command.Command<string, never, unknown, unknown, Command.Environment>

/** A subcommand: its line in the help, and how to load it. */
interface Entry {
  readonly summary: string
  readonly load: () => Promise<unknown>
}

const groups: Readonly<Record<string, Readonly<Record<string, Entry>>>> = {
  "Try it out": {
    demo: {
      summary: "Serve the API with demo data; needs no database",
      load: () => import("./demo.ts").then(({ demo }) => demo)
    },
    simulate: {
      summary: "Simulate an on-sale, then check every invariant",
      load: () => import("./simulate.ts").then(({ simulate }) => simulate)
    }
  },
  Database: {
    plan: {
      summary: "Print the SQL that migrate would run",
      load: () => import("./plan.ts").then(({ plan }) => plan)
    },
    migrate: {
      summary: "Migrate the schema to the current version",
      load: () => import("./migrate.ts").then(({ migrate }) => migrate)
    },
    doctor: {
      summary: "Check the schema, the settings and the rights",
      load: () => import("./doctor.ts").then(({ doctor }) => doctor)
    },
    verify: {
      summary: "Count violations of each invariant in the tables",
      load: () => import("./verify.ts").then(({ verify }) => verify)
    },
    clear: {
      summary: "Delete rows that are past their retention",
      load: () => import("./clear.ts").then(({ clear }) => clear)
    },
    seed: {
      summary: "Add demo data to a database",
      load: () => import("./seed.ts").then(({ seed }) => seed)
    }
  },
  Production: {
    serve: {
      summary: "Serve the API on a Postgres database",
      load: () => import("./serve.ts").then(({ serve }) => serve)
    },
    queue: {
      summary: "Operate queues: pause, resume, drain, close, and more",
      load: () => import("./queue.ts").then(({ queue }) => queue)
    },
    events: {
      summary: "List consumers of events; delete old events",
      load: () => import("./events.ts").then(({ events }) => events)
    },
    deliveries: {
      summary: "List failed webhook deliveries, and retry them",
      load: () => import("./deliveries.ts").then(({ deliveries }) => deliveries)
    }
  },
  Fairness: {
    "verify-lottery": {
      summary: "Verify the draw of a queue, and recompute its places",
      load: () => import("./verifyLottery.ts").then(({ verifyLottery }) => verifyLottery)
    }
  }
}

/** Runs the command line, and reports errors on stderr. */
export const boxoffice = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const command = yield* Effect.promise(() => withCommands(args))
    yield* Command.runWith(command, { version })(args)
  }).pipe(
    Effect.tapCause(report),
    Effect.provide([NodeServices.layer, layerPresenter, layerBuiltIns])
  )

// Without --log-level: the environment variable BOXOFFICE_LOG_LEVEL sets the level.
const layerBuiltIns = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
})

const { version } = JSON.parse(
  readFileSync(new URL(import.meta.resolve("@boxoffice/http-server/package.json")), "utf8")
)

/** All commands by name; only those that the arguments name are loaded. */
const withCommands = async (args: ReadonlyArray<string>) => {
  // Shell completions need the flags of every command.
  const completes = args.some((arg) => arg.startsWith("--completions"))
  const named = (name: string) => completes || args.includes(name)
  const commandOf = async ([name, { summary, load }]: [string, Entry]) => {
    const command = named(name) ? ((await load()) as Loaded) : Command.make(name)
    return Command.withShortDescription(command, summary)
  }
  const subcommands = Object.entries(groups).map(async ([group, entries]) => {
    const [first, ...others] = await Promise.all(Object.entries(entries).map(commandOf))
    return { group, commands: [first!, ...others] as const }
  })
  return Command.make("boxoffice").pipe(
    Command.withDescription(
      "Box Office: waiting room, seat holds, wallet and payment, on Postgres. All commands except " +
        "`demo`, `simulate` and `verify-lottery` require a database, by DATABASE_URL. To try it " +
        "out, run `boxoffice demo`."
    ),
    Command.withSubcommands(await Promise.all(subcommands))
  )
}
