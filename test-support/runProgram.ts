import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { nodeFlags } from "./nodeFlags.ts"

// The oldest Node that the packages support; the tests themselves run on a newer one.
const oldest = fileURLToPath(new URL("../docs/node_modules/node/bin/node", import.meta.url))

/** Runs a program from source on the oldest supported Node, and returns its output. */
export const runProgram = async (
  main: URL,
  environment: Readonly<Record<string, string>> = {}
): Promise<string> => {
  const { stdout } = await promisify(execFile)(
    oldest,
    [...nodeFlags, "--conditions=boxoffice-source", fileURLToPath(main)],
    { env: { ...process.env, ...environment } }
  )
  return stdout
}
