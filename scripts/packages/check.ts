/**
 * Packs every package and tests the tarballs that a user would install, not the source tree: with
 * each package manager, the strictest compiler settings, bundlers, and Node from the oldest
 * supported to the newest version. With `--frameworks`, it also installs and builds each example of
 * a framework.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundleForBrowsers, transpile } from "./bundle.ts"
import { checkFramework, frameworks } from "./frameworks.ts"
import { install, managers } from "./install.ts"
import { pack } from "./pack.ts"
import { run } from "./run.ts"

const root = join(import.meta.dirname, "../..")
const directory = mkdtempSync(join(tmpdir(), "boxoffice-packages-"))
const tool = (name: string) => join(root, "node_modules/.bin", name)

// From the oldest version that the packages support: see `engines`.
const nodeVersions = ["22.19.0", "24", "26"]
const versions = { effect: "4.1.0", "@electric-sql/pglite": "^0.5.16", "@types/node": "^24" }
const story = "paid 110000, 0 left\n"

let passed = 0
const step = async <A>(title: string, check: () => A | Promise<A>): Promise<A> => {
  const started = performance.now()
  const result = await check()
  passed++
  console.log(`ok ${title} (${((performance.now() - started) / 1_000).toFixed(1)} s)`)
  return result
}
const expectText = (expected: string, text: string) => {
  if (text !== expected) throw new Error(`expected ${expected}, got ${text}`)
}
/** Each budget is slightly above the size that was measured when it was set. */
const budget: Readonly<Record<string, number>> = JSON.parse(
  readFileSync(join(import.meta.dirname, "sizes.json"), "utf8")
)
const weigh = (title: string, bytes: number) =>
  step(`${title}: ${bytes} bytes of ${budget[title]}`, () => {
    if (!(bytes <= budget[title]!)) throw new Error(`${title} is too large: ${bytes} bytes`)
  })

try {
  const tarballs = await step("pack", () => pack(root, join(directory, "tarballs")))
  for (const [name, file] of Object.entries(tarballs)) {
    await step(`${name}: publint`, () => run(root, tool("publint"), "--strict", file))
    await step(`${name}: attw`, () => run(root, tool("attw"), "--profile", "esm-only", file))
    await weigh(name, statSync(file).size)
  }

  for (const manager of managers) {
    const where = join(directory, manager)
    const node = await step(`${manager} installs`, () =>
      install(manager, where, tarballs, versions)
    )
    await transpile(where)
    await step(`${manager}: the story`, () => expectText(story, node("story.mjs")))
    await step(`${manager}: the story over HTTP`, () => expectText(story, node("mounted.mjs")))
  }

  const project = join(directory, "npm")
  await step("types, at their strictest", () => run(project, tool("tsc"), "-p", "."))
  const sizes = await step("bundles for browsers", () => bundleForBrowsers(project))
  await weigh("a page with the client, by esbuild", sizes.esbuild)
  await weigh("a page with the client, by Vite", sizes.vite)
  await weigh("what of it is ours", sizes.own)
  for (const version of nodeVersions) {
    const node = (file: string) =>
      run(project, "npx", "--yes", `--package=node@${version}`, "--", "node", file)
    await step(`Node ${version}: over HTTP`, () => expectText(story, node("mounted.mjs")))
    await step(`Node ${version}: by require`, () =>
      expectText("function function function\n", node("required.cjs"))
    )
  }

  if (process.argv.includes("--frameworks")) {
    for (const framework of frameworks) {
      await step(`${framework}: a backend of its own sells a seat`, () =>
        checkFramework(framework, root, directory, tarballs, versions)
      )
    }
  }
  console.log(`${passed} passed, 0 failed`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
