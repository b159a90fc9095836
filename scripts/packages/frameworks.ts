import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { runServer } from "../../test-support/runServer.ts"
import type { Tarballs } from "./pack.ts"
import { run } from "./run.ts"

export const frameworks = ["hono", "fastify", "express", "nestjs", "nextjs"] as const

interface Manifest {
  readonly dependencies: Record<string, string>
  readonly devDependencies?: Record<string, string>
}

/**
 * Installs an example in an empty project from the tarballs, builds it, starts it and buys a seat.
 */
export const checkFramework = async (
  framework: (typeof frameworks)[number],
  root: string,
  directory: string,
  tarballs: Tarballs,
  versions: Readonly<Record<string, string>>
): Promise<void> => {
  const where = join(directory, framework)
  cpSync(join(root, "examples", framework), where, {
    recursive: true,
    filter: (path) => !/\/(?:node_modules|test|tsconfig\.json|\.next)$/.test(path)
  })
  const manifest: Manifest = JSON.parse(readFileSync(join(where, "package.json"), "utf8"))
  const dependencies: Record<string, string> = { ...manifest.dependencies, ...added }
  for (const [name, version] of Object.entries(dependencies)) {
    const tarball = tarballs[name]
    if (tarball !== undefined) dependencies[name] = `file:${tarball}`
    else if (version === "catalog:") dependencies[name] = versions[name]!
  }
  const overrides = Object.fromEntries(Object.keys(tarballs).map((name) => [name, `$${name}`]))
  writeFileSync(
    join(where, "package.json"),
    JSON.stringify({ ...manifest, dependencies, overrides })
  )
  run(where, "npm", "install", "--no-audit", "--no-fund")
  if (framework === "nextjs") run(where, "node", "node_modules/next/dist/bin/next", "build")

  cpSync(join(import.meta.dirname, "consumer/browser.ts"), join(where, "buyer.ts"))
  const { url, stop } = await runServer(where, startOf[framework])
  try {
    const baseUrl = new URL("/tickets", url).href
    const buy = `import("./buyer.ts").then(({ buy }) => buy("${baseUrl}")).then(console.log)`
    const printed = run(where, "node", "-e", buy)
    if (printed !== "paid 110000, 0 left\n") throw new Error(printed)
  } finally {
    await stop()
  }
}

// Versions that the manifest of the example takes from the workspace.
const added = {
  effect: "catalog:",
  "@types/node": "catalog:",
  "@types/react": "^19",
  typescript: "5.9.3"
}

const startOf: Readonly<Record<(typeof frameworks)[number], ReadonlyArray<string>>> = {
  hono: ["src/main.ts"],
  fastify: ["src/main.ts"],
  express: ["src/main.ts"],
  nestjs: ["--import", "tsx", "src/main.ts"],
  nextjs: ["node_modules/next/dist/bin/next", "start"]
}
