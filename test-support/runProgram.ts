import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { nodeFlags } from "./nodeFlags.ts"

/** Runs a program from source, as its `start` script does, and gives what it prints. */
export const runProgram = async (
  main: URL,
  environment: Readonly<Record<string, string>> = {}
): Promise<string> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...nodeFlags, "--conditions=boxoffice-source", fileURLToPath(main)],
    { env: { ...process.env, ...environment } }
  )
  return stdout
}
