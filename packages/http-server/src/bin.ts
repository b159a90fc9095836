#!/usr/bin/env node
/** Entry of the `boxoffice` executable: see `cli/boxoffice.ts`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { boxoffice } from "./cli/boxoffice.ts"
import { exitCodeOf } from "./cli/exit.ts"

// `pnpm demo -- --port 4000` passes the `--` on as an argument.
const args = process.argv.slice(2).filter((arg) => arg !== "--")

NodeRuntime.runMain(boxoffice(args), {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(exitCodeOf(exit))
})
