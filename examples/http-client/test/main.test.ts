import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"
import { nodeFlags } from "../../../test-support/nodeFlags.ts"
import { runProgram } from "../../../test-support/runProgram.ts"

const bin = fileURLToPath(import.meta.resolve("@boxoffice/http-server")).replace(
  "index.ts",
  "bin.ts"
)
const demo = spawn(
  process.execPath,
  [...nodeFlags, "--conditions=boxoffice-source", bin, "demo", "--port", "0"],
  {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, DATABASE_URL: "" }
  }
)
let url: string | undefined

beforeAll(async () => {
  for await (const line of createInterface(demo.stdout)) {
    url = line.match(/http:\/\/\S+:\d+/)?.[0]
    if (url !== undefined) return
  }
}, 60_000)
afterAll(async () => {
  const exited = once(demo, "exit")
  demo.kill("SIGTERM")
  await exited
})

test("buys seats from the demo", { timeout: 60_000 }, async () => {
  const main = new URL("../src/main.ts", import.meta.url)
  expect(await runProgram(main, { BASE_URL: url! })).toBe(`next:   gala-1 with 432 seats
held:   A-1-1, A-1-2 for 300 s
wallet: 330000 KRW
paid:   330000, 0 left
`)
})
