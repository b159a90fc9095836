import { execFileSync } from "node:child_process"

/** Runs a command to its end and gives what it printed; where it fails, what it printed says why. */
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

// What pnpm and CI say of this workspace does not hold in a project of somebody else's.
const { CI: _ci, NODE_OPTIONS: _options, ...inherited } = process.env
const environment = Object.fromEntries(
  Object.entries(inherited).filter(
    ([name]) => !/^p?npm_(?:config_|package_|lifecycle_)/i.test(name)
  )
)
