import { expect, test } from "vitest"
import { runProgram } from "../../../test-support/runProgram.ts"

test("prints the story", { timeout: 60_000 }, async () => {
  expect(await runProgram(new URL("../src/main.ts", import.meta.url))).toBe(`ada: A1 for 60 s
ada: The reservation costs 110000 KRW and the wallet has 0 KRW, in minor units: charge the wallet, then pay with a new idempotency key.
ada: paid, 0 left
grace: Not available: A1 (sold).
grace: A2 for 60 s
grace: The reservation costs 110000 KRW and the wallet has 0 KRW, in minor units: charge the wallet, then pay with a new idempotency key.
grace: paid, 0 left
`)
})
