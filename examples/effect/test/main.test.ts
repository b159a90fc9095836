import { expect, test } from "vitest"
import { runProgram } from "../../../test-support/runProgram.ts"

test("prints the story", { timeout: 60_000 }, async () => {
  expect(await runProgram(new URL("../src/main.ts", import.meta.url))).toBe(`ada: A1 for 60 s
ada: 110000 KRW needed, 0 there.
ada: paid, 0 left
grace: Not available: A1 (sold).
grace: A2 for 60 s
grace: 110000 KRW needed, 0 there.
grace: paid, 0 left
`)
})
