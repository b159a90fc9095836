import { cpSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Tarballs } from "./pack.ts"
import { run } from "./run.ts"

export const managers = ["npm", "pnpm", "yarn"] as const

/** Runs a program of the project with this package manager. */
export type Node = (file: string) => string

/** Creates a project with a user's programs, and installs the packages in it. */
export const install = (
  manager: (typeof managers)[number],
  where: string,
  tarballs: Tarballs,
  versions: Readonly<Record<string, string>>
): Node => {
  cpSync(join(import.meta.dirname, "consumer"), where, { recursive: true })
  const packed = Object.fromEntries(
    Object.entries(tarballs).map(([name, file]) => [name, `file:${file}`])
  )
  const manifest = {
    name: "consumer",
    private: true,
    type: "module",
    dependencies: { ...packed, ...versions }
  }
  const write = (file: string, content: unknown) =>
    writeFileSync(join(where, file), JSON.stringify(content))

  // These versions are not published: dependencies between the packages also resolve to the
  // tarballs.
  switch (manager) {
    case "npm": {
      const overrides = Object.fromEntries(Object.keys(packed).map((name) => [name, `$${name}`]))
      write("package.json", { ...manifest, overrides })
      run(where, "npm", "install", "--no-audit", "--no-fund")
      return (file) => run(where, "node", file)
    }
    case "pnpm": {
      write("package.json", manifest)
      write("pnpm-workspace.yaml", { overrides: packed })
      run(where, "pnpm", "install", "--no-frozen-lockfile")
      return (file) => run(where, "node", file)
    }
    case "yarn": {
      // Plug'n'Play, which resolves only declared dependencies.
      write("package.json", { ...manifest, resolutions: packed })
      const registry = run(where, "npm", "config", "get", "registry").trim()
      write(".yarnrc.yml", {
        npmRegistryServer: registry,
        unsafeHttpWhitelist: [new URL(registry).hostname],
        enableTelemetry: false,
        enableImmutableInstalls: false
      })
      const yarn = (...args: ReadonlyArray<string>) =>
        run(where, "npx", "--yes", "@yarnpkg/cli-dist@4", ...args)
      yarn("install")
      return (file) => yarn("node", file)
    }
  }
}
