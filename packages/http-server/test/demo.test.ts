import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join as joinPath } from "node:path"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { freePort, run } from "./command.ts"
import { join, talkTo } from "./support.ts"

const last = "/v1/payments; echo"

const paste = async (printed: string): Promise<ReadonlyArray<string>> => {
  const commands = printed.split("\n").filter((line) => line.includes("curl"))
  expect(commands).toHaveLength(7)
  const { stdout, stderr } = await promisify(execFile)("/bin/sh", ["-e", "-c", commands.join("\n")])
  expect(stderr).toBe("")
  return stdout.trim().split("\n")
}

test("what the demo prints buys a seat when pasted; its data is kept; it ends cleanly", async () => {
  const directory = await mkdtemp(joinPath(tmpdir(), "boxoffice-demo-"))
  try {
    const port = await freePort()
    const args = ["demo", "--port", String(port), "--data-dir", joinPath(directory, "data")]
    const url = `http://127.0.0.1:${port}`
    let reservationId = ""
    {
      await using demo = run(args)
      await demo.says(last)
      expect(demo.stderr()).toContain("Starting an embedded Postgres")
      const [token, dates, seat, reservation, charge, balance, payment] = await paste(demo.stdout())
      expect(token).toMatch(/^bo1\.demo\./)
      expect(JSON.parse(dates!).dates).toHaveLength(3)
      expect(seat).toBe("A-1-1")
      reservationId = reservation!
      expect(JSON.parse(charge!).balance.amount).toBe(200_000)
      expect(JSON.parse(balance!).balance.amount).toBe(200_000)
      expect(JSON.parse(payment!)).toMatchObject({ reservationId, balance: { amount: 35_000 } })

      const talk = talkTo(url)
      const seats = await talk("GET", "/v1/performances/gala-1/seats?status=all", {
        user: "eve",
        token: await join(talk, "eve")
      })
      expect(seats.body.seats.length).toBeGreaterThan(300)
      expect(new Set(seats.body.seats.map((s: { section: string }) => s.section)).size).toBe(4)
      demo.process.kill("SIGINT")
      expect(await demo.ended).toBe(0)
    }
    await using again = run(args)
    await again.says(last)
    const talk = talkTo(url)
    const kept = await talk("GET", `/v1/reservations/${reservationId}`, { user: "ada" })
    expect(kept.body.status).toBe("confirmed")
    // Pasting the commands again buys another seat.
    expect((await paste(again.stdout()))[2]).toBe("A-1-2")
    again.process.kill("SIGTERM")
    expect(await again.ended).toBe(0)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}, 120_000)

test("a port that is taken is said to be, with what to do", async () => {
  await using server = await (await import("./support.ts")).startServer()
  const { port } = new URL(server.url)
  await using demo = run(["demo", "--port", port])
  expect(await demo.ended).toBe(1)
  expect(demo.stderr()).toContain(`Port ${port} is taken`)
  expect(demo.stderr()).toContain("--port")
}, 60_000)

test("two demos on one Postgres: 200 callers on one seat, and one has it", async () => {
  const database = await createTestDatabase()
  try {
    const ports = [await freePort(), await freePort()]
    const env = { DATABASE_URL: database.url }
    await using first = run(["demo", "--port", String(ports[0])], env)
    await first.says(last)
    const [said] = first.stderr().split("\n")
    expect(said).toMatch(
      /^Using the database of DATABASE_URL: .* schema boxoffice, and adding demo/
    )
    await using second = run(["demo", "--port", String(ports[1])], env)
    await second.says(last)
    const nodes = ports.map((port) => talkTo(`http://127.0.0.1:${port}`))
    const callers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const user = `caller-${i}`
        // A token of one node is valid on the other.
        return { user, token: await join(nodes[i % 2]!, user), node: nodes[(i + (i >> 1)) % 2]! }
      })
    )
    const answers = await Promise.all(
      callers.map(({ user, token, node }) =>
        node("POST", "/v1/reservations", {
          user,
          token,
          json: { performanceId: "gala-1", seatIds: ["A-1-12"] }
        })
      )
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    const codes = answers.filter(({ status }) => status !== 201).map(({ body }) => body.code)
    expect(new Set(codes)).toEqual(new Set(["seat_unavailable"]))
    second.process.kill("SIGTERM")
    expect(await second.ended).toBe(0)
  } finally {
    await database.drop()
  }
}, 120_000)
