#!/usr/bin/env node
/** The command line: each command is a file in `cli/`. */
import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import { deliveries } from "./cli/deliveries.ts"
import { demo } from "./cli/demo.ts"
import { doctor } from "./cli/doctor.ts"
import { events } from "./cli/events.ts"
import { exitCodeOf, layerPresenter, report } from "./cli/exit.ts"
import { migrate } from "./cli/migrate.ts"
import { plan } from "./cli/plan.ts"
import { queue } from "./cli/queue.ts"
import { seed } from "./cli/seed.ts"
import { serve } from "./cli/serve.ts"
import { simulate } from "./cli/simulate.ts"
import { verifyLottery } from "./cli/verifyLottery.ts"

const boxoffice = Command.make("boxoffice").pipe(
  Command.withDescription(
    "Box Office: waiting room, seat holds, wallet and payment, on Postgres. Every command but `demo`, " +
      "`simulate` and `verify-lottery` works on the database of DATABASE_URL. New here? Begin with `boxoffice demo`."
  ),
  Command.withSubcommands([
    { group: "Look around", commands: [demo, simulate] },
    { group: "The database", commands: [plan, migrate, doctor, seed] },
    { group: "Production", commands: [serve, queue, events, deliveries] },
    { group: "Fairness", commands: [verifyLottery] }
  ])
)

// Not among them: --log-level, which would promise what BOXOFFICE_LOG_LEVEL does.
const layerBuiltIns = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
})

// `pnpm demo -- --port 4000` hands the dashes on.
const args = process.argv.slice(2).filter((arg) => arg !== "--")

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

Command.runWith(boxoffice, { version })(args).pipe(
  Effect.tapCause(report),
  Effect.provide([NodeServices.layer, layerPresenter, layerBuiltIns]),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(exitCodeOf(exit))
  })
)
