/** Reads the input of a command from a file or standard input. */
import { createReadStream } from "node:fs"
import { Effect } from "effect"
import { UsageError } from "./flags.ts"

/** The text of a file; `-` is standard input. Fails if it has more than `bytesMax` bytes. */
export const readInput = (path: string, bytesMax: number): Effect.Effect<string, UsageError> =>
  Effect.tryPromise({
    try: async () => {
      const chunks: Array<Buffer> = []
      let bytes = 0
      for await (const chunk of path === "-" ? process.stdin : createReadStream(path)) {
        bytes += chunk.length
        if (bytes > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`)
        chunks.push(chunk)
      }
      return Buffer.concat(chunks).toString("utf8")
    },
    catch: (error) =>
      new UsageError({
        message: `${path === "-" ? "Standard input" : path} cannot be read: ${(error as Error).message}`
      })
  })
