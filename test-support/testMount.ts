import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"
import { type RunningServer, runServer } from "./runServer.ts"
import { meetTheEdges, sellSeat } from "./sellSeat.ts"

/** Tests of an example that mounts the routes below `/tickets` and listens on `PORT`. */
export const testMount = (example: URL, ...args: ReadonlyArray<string>): void => {
  test("is at most thirty lines", () => {
    const lines = readFileSync(new URL("src/main.ts", example), "utf8").split("\n")
    expect(
      lines.filter((line) => /\S/.test(line) && !line.startsWith("/**")).length
    ).toBeLessThanOrEqual(30)
  })

  let server: RunningServer
  beforeAll(async () => {
    server = await runServer(fileURLToPath(example), args)
  }, 60_000)
  afterAll(async () => {
    // NestJS shuts down gracefully, and then ends by the signal that it received.
    if (server !== undefined) expect([0, "SIGTERM"]).toContain(await server.stop())
  }, 30_000)

  test("sells a seat, once", () => sellSeat(server.url))
  test("passes on what clients send, and what they are sent", () => meetTheEdges(server.url))
}
