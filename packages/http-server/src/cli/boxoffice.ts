/**
 * The command `boxoffice`. Each of its commands is a file beside this one, and is loaded when it is
 * called: to load all of them took three times as long as to print the help.
 */
import { readFileSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import { layerPresenter, report } from "./exit.ts"

type Loaded = Command.Command<string, never, unknown, unknown, Command.Environment>

/** A command: how the help lists it, and where it is. */
interface Entry {
  readonly summary: string
  readonly load: () => Promise<unknown>
}

const groups: Readonly<Record<string, Readonly<Record<string, Entry>>>> = {
  "Look around": {
    demo: {
      summary: "Serve the API with demo data, with nothing to install",
      load: () => import("./demo.ts").then(({ demo }) => demo)
    },
    simulate: {
      summary: "Play a whole on-sale, and check every invariant afterwards",
      load: () => import("./simulate.ts").then(({ simulate }) => simulate)
    }
  },
  "The database": {
    plan: {
      summary: "Print the SQL that migrate would run",
      load: () => import("./plan.ts").then(({ plan }) => plan)
    },
    migrate: {
      summary: "Bring the schema up to date",
      load: () => import("./migrate.ts").then(({ migrate }) => migrate)
    },
    doctor: {
      summary: "Compare the database with what it should be",
      load: () => import("./doctor.ts").then(({ doctor }) => doctor)
    },
    verify: {
      summary: "Count what breaks each invariant, in the tables themselves",
      load: () => import("./verify.ts").then(({ verify }) => verify)
    },
    clear: {
      summary: "Delete what is older than it has to be",
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
      summary: "See who consumes events, and delete old ones",
      load: () => import("./events.ts").then(({ events }) => events)
    },
    deliveries: {
      summary: "See webhooks that were given up, and try them again",
      load: () => import("./deliveries.ts").then(({ deliveries }) => deliveries)
    }
  },
  Fairness: {
    "verify-lottery": {
      summary: "Check the draw of a queue, and recompute everyone's place",
      load: () => import("./verifyLottery.ts").then(({ verifyLottery }) => verifyLottery)
    }
  }
}

/** Runs the command line, and says on stderr what went wrong. */
export const boxoffice = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const command = yield* Effect.promise(() => withCommands(args))
    yield* Command.runWith(command, { version })(args)
  }).pipe(
    Effect.tapCause(report),
    Effect.provide([NodeServices.layer, layerPresenter, layerBuiltIns])
  )

// Not among them: --log-level, which would promise what BOXOFFICE_LOG_LEVEL does.
const layerBuiltIns = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
})

const { version } = JSON.parse(
  readFileSync(new URL(import.meta.resolve("@boxoffice/http-server/package.json")), "utf8")
)

/** All commands by name; whole are those alone that the arguments name. */
const withCommands = async (args: ReadonlyArray<string>) => {
  // A shell that completes a line has to know the flags of every command.
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
      "Box Office: waiting room, seat holds, wallet and payment, on Postgres. Every command but `demo`, " +
        "`simulate` and `verify-lottery` works on the database of DATABASE_URL. New here? Begin with `boxoffice demo`."
    ),
    Command.withSubcommands(await Promise.all(subcommands))
  )
}
