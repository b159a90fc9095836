import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { run } from "./run.ts"

/** The tarball of each package, by the package's name. */
export type Tarballs = Readonly<Record<string, string>>

/** Packs the packages as a release would publish them. */
export const pack = (root: string, into: string): Tarballs => {
  run(root, "pnpm", "-r", "--filter", "./packages/*", "pack", "--pack-destination", into)
  const packages = readdirSync(join(root, "packages")).map((name) => {
    const manifest = readFileSync(join(root, "packages", name, "package.json"), "utf8")
    return JSON.parse(manifest) as { readonly name: string; readonly version: string }
  })
  return Object.fromEntries(
    packages.map(({ name, version }) => [
      name,
      join(into, `${name.slice(1).replace("/", "-")}-${version}.tgz`)
    ])
  )
}
