/** The documentation for machines: a list of the pages, and all pages in one file. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { docs, rewrite, sections, titleOf } from "./pages.ts"

const about =
  "Box Office is an embeddable booking engine for Node: a waiting room, timed seat holds, a prepaid wallet and payment, over your own Postgres. In TypeScript, with promises or with Effect."

/** The first paragraph, in one line. */
const summaryOf = (text: string): string =>
  text
    .split("\n\n")
    .find((part) => /^[A-Z`*[]/.test(part))
    ?.replaceAll("\n", " ")
    .replaceAll(/\]\([^)]*\)/g, "]")
    .replaceAll(/[[\]]/g, "") ?? ""

/** Writes `llms.txt`, `llms-full.txt`, and each page's Markdown beside its HTML. */
export const writeLlms = (outDir: string): void => {
  const list = ["# Box Office", "", `> ${about}`]
  const full = ["# Box Office", "", about]
  for (const { text, files } of sections()) {
    list.push("", `## ${text}`, "")
    for (const file of files) {
      const source = readFileSync(join(docs, file), "utf8")
      const page = rewrite(file)
      mkdirSync(dirname(join(outDir, page)), { recursive: true })
      writeFileSync(join(outDir, page), source)
      list.push(`- [${titleOf(file)}](/${page}): ${summaryOf(source)}`)
      // The reference is long and generated: it stays out of the one file.
      if (text !== "Reference") full.push("", `<!-- /${page} -->`, "", source.trim())
    }
  }
  writeFileSync(join(outDir, "llms.txt"), `${list.join("\n")}\n`)
  writeFileSync(join(outDir, "llms-full.txt"), `${full.join("\n")}\n`)
}
