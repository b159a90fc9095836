import { expect } from "vitest"
import type { Call } from "./office.ts"

/** The request of a `curl` command, of the few options that the pages use. */
export const requestOf = (command: string, variables: Readonly<Record<string, string>>): Call => {
  const words = Array.from(
    command.replaceAll("\\\n", " ").matchAll(/'([^']*)'|"((?:\\.|[^"\\])*)"|(\S+)/g),
    ([, single, double, bare]) =>
      single ??
      (double ?? bare!)
        .replaceAll(/\$(\w+)/g, (_, name: string) => {
          const value = variables[name]
          if (value === undefined) throw new Error(`no variable ${name}`)
          return value
        })
        .replaceAll(/\\(.)/g, "$1")
  )
  expect(words.shift()).toBe("curl")
  const headers: Record<string, string> = {}
  let method: string | undefined
  let body: string | undefined
  let url: string | undefined
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "-X") method = words.shift()!
    else if (word === "-d") body = words.shift()!
    else if (word === "-H") {
      const [name, value] = words.shift()!.split(/: (.*)/)
      headers[name!.toLowerCase()] = value!
    } else {
      expect(word).not.toMatch(/^-/)
      url = word
    }
  }
  return {
    method: method ?? (body === undefined ? "GET" : "POST"),
    path: url!,
    headers,
    ...(body !== undefined && { body })
  }
}
