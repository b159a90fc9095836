import { expect, test } from "vitest"
import { runProgram } from "../../../test-support/runProgram.ts"

test("prints the story", { timeout: 60_000 }, async () => {
  expect(await runProgram(new URL("../src/main.ts", import.meta.url))).toBe(`in:     admitted
dates:  2099-12-31
seats:  A1, A2, A3, B1, B2, B3
held:   A1, A2 for 300 s
wallet: 220000 KRW
paid:   220000, 0 left
`)
})
