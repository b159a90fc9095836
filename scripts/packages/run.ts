import { execFileSync } from "node:child_process"

/** Runs a command and returns its output; if it fails, the error contains the output. */
export const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): string => {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: "utf8",
      env: environment,
      stdio: ["ignore", "pipe", "pipe"]
    })
  } catch (error) {
    const { message, stdout } = error as Error & { readonly stdout: string }
    throw new Error(`in ${cwd}: ${message}\n${stdout}`)
  }
}

// Removes variables that pnpm and CI set for this workspace: they do not apply to a user's project.
const { CI: _ci, NODE_OPTIONS: _options, ...inherited } = process.env
const environment = Object.fromEntries(
  Object.entries(inherited).filter(
    ([name]) => !/^p?npm_(?:config_|package_|lifecycle_)/i.test(name)
  )
)
