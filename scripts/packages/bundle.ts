import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as esbuild from "esbuild"
import * as vite from "vite"

/** Compiles the programs to JavaScript for every Node; installed packages are not bundled. */
export const transpile = (where: string): Promise<unknown> =>
  esbuild.build({
    absWorkingDir: where,
    entryPoints: ["story.ts", "mounted.ts"],
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    outdir: ".",
    outExtension: { ".js": ".mjs" },
    logLevel: "error"
  })

/**
 * The size of the browser's program with all its dependencies, minified and compressed, in bytes.
 */
export interface BundleSizes {
  readonly esbuild: number
  readonly vite: number
  /** The share of this project's packages, in bytes. */
  readonly own: number
}

/** Bundles for browsers; an import of a Node module is an error. */
export const bundleForBrowsers = async (where: string): Promise<BundleSizes> => {
  const bundle = async (external: Array<string>) => {
    const { outputFiles } = await esbuild.build({
      absWorkingDir: where,
      entryPoints: ["browser.ts"],
      bundle: true,
      minify: true,
      platform: "browser",
      format: "esm",
      external,
      write: false,
      logLevel: "error"
    })
    return compressed(outputFiles[0]!.contents)
  }
  const page = "index.html"
  writeFileSync(join(where, page), '<script type="module" src="./page.ts"></script>')
  writeFileSync(
    join(where, "page.ts"),
    'import { buy } from "./browser.ts"\nbuy(location.origin).then(alert)\n'
  )
  const built = await vite.build({ root: where, configFile: false, logLevel: "error" })
  const chunks = [built].flat().flatMap((result) => ("output" in result ? result.output : []))
  const code = chunks.map((chunk) => (chunk.type === "chunk" ? chunk.code : "")).join("")
  return {
    esbuild: await bundle([]),
    vite: compressed(code),
    own: await bundle(["effect", "effect/*"])
  }
}

const compressed = (content: string | Uint8Array): number => gzipSync(content).byteLength
