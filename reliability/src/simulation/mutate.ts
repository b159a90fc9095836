/** Loads modules with changes of their text. */
import { registerHooks } from "node:module"
import type { Change } from "./mutations.ts"

const root = new URL("../../../", import.meta.url)

/** Applies changes to a text. Throws if one no longer applies, so that no mutation is lost. */
export const changed = (source: string, changes: ReadonlyArray<Change>): string =>
  changes.reduce((text, { file, find, replace }) => {
    const parts = text.split(find)
    if (parts.length !== 2) {
      throw new Error(
        `A mutation no longer applies: ${file} has this text ${parts.length - 1} times: ${find}`
      )
    }
    return parts.join(replace)
  }, source)

/** Makes later imports of this thread see the changes. */
export const loadChanged = (changes: ReadonlyArray<Change>): void => {
  const byUrl = new Map<string, Array<Change>>()
  for (const change of changes) {
    const { href } = new URL(change.file, root)
    byUrl.set(href, [...(byUrl.get(href) ?? []), change])
  }
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      const own = byUrl.get(url)
      if (own === undefined) return loaded
      return { ...loaded, source: changed(textOf(loaded.source), own) }
    }
  })
}

const textOf = (source: unknown): string =>
  typeof source === "string" ? source : Buffer.from(source as Uint8Array).toString()
