/** The site of the documentation: the pages of `docs/` as they are, and what is made of them. */
import { defineConfig } from "vitepress"
import { linkWithin, repository } from "./links.ts"
import { writeLlms } from "./llms.ts"
import { pathOf, rewrite, sections, titleOf } from "./pages.ts"

// Long lists, in which a reader looks something up.
const folded = ["The seven APIs", "Reference", "Errors", "Decisions"]

const sidebar = sections().map(({ text, files }) => ({
  text,
  ...(folded.includes(text) && { collapsed: true }),
  items: files.map((file) => ({ text: titleOf(file), link: pathOf(file) }))
}))

export default defineConfig({
  title: "Box Office",
  description:
    "An embeddable booking engine for Node: a waiting room, timed seat holds, a prepaid wallet and payment, over your own Postgres.",
  base: process.env.DOCS_BASE ?? "/",
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ["test/**", "node_modules/**"],
  rewrites: rewrite,
  markdown: {
    config: (markdown) => {
      const fence = markdown.renderer.rules.fence!
      markdown.renderer.rules.fence = (tokens, index, options, env, self) => {
        const { info, content } = tokens[index]!
        if (info.trim() !== "mermaid") return fence(tokens, index, options, env, self)
        return `<MermaidDiagram code="${encodeURIComponent(content)}" />`
      }
      // Rewrites links before VitePress checks them: on GitHub a link names a file, and here a page.
      markdown.core.ruler.push("links", ({ tokens, env }) => {
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.attrGet("href")
          if (href !== null) token.attrSet("href", linkWithin(env.realPath ?? env.path, href))
        }
      })
    }
  },
  themeConfig: {
    nav: [
      { text: "Start", link: "/getting-started" },
      { text: "Concepts", link: "/concepts" },
      { text: "Glossary", link: "/glossary" },
      { text: "Reference", link: "/reference/" },
      { text: "Errors", link: "/errors/" }
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: "local" },
    ...(repository && { socialLinks: [{ icon: "github", link: repository }] })
  },
  buildEnd: ({ outDir }) => writeLlms(outDir)
})
