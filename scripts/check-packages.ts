/** Packs every package and checks the tarball that a user would install, not the source tree. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const tarballs = mkdtempSync(join(tmpdir(), "boxoffice-packages-"))
const run = (command: string, ...args: ReadonlyArray<string>) =>
  execFileSync(command, args, { stdio: "inherit" })

try {
  run("pnpm", "-r", "--filter", "./packages/*", "pack", "--pack-destination", tarballs)
  for (const tarball of readdirSync(tarballs)) {
    run("publint", "--strict", join(tarballs, tarball))
    run("attw", "--profile", "esm-only", join(tarballs, tarball))
  }
} finally {
  rmSync(tarballs, { recursive: true })
}
