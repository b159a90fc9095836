#!/usr/bin/env node
/** The command line as a process: see `cli/boxoffice.ts`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { boxoffice } from "./cli/boxoffice.ts"
import { exitCodeOf } from "./cli/exit.ts"

// `pnpm demo -- --port 4000` hands the dashes on.
const args = process.argv.slice(2).filter((arg) => arg !== "--")

NodeRuntime.runMain(boxoffice(args), {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(exitCodeOf(exit))
})
