import { expect, test } from "vitest"
import { installPackages } from "../src/packages.ts"
import { runFailovers } from "../src/run.ts"

const print = (line: string) => console.log(line)
const obstacle = installPackages(print)
if (obstacle !== undefined) {
  console.warn(`THE TEST OF FAILOVER IS SKIPPED, and nothing else tests it: ${obstacle}`)
}

// The long form is `pnpm reliability failover`.
test.skipIf(obstacle !== undefined)(
  "nothing acknowledged is lost when the leader is killed",
  { timeout: 900_000 },
  async () => {
    const { rounds, differences, faults, counts } = await runFailovers({
      ttl: 5,
      loopWait: 1,
      retryTimeout: 2,
      times: 2,
      faults: ["lagging", "postmaster"],
      print
    })
    expect(differences).toEqual([])
    expect(faults).toEqual([])
    expect(rounds).toHaveLength(2)
    for (const { outage } of rounds) {
      for (const seconds of Object.values(outage)) expect(seconds).toBeGreaterThan(0.5)
    }
    // Consumers stand still for little longer than the callers, and not until a lease ends.
    const longest = Math.max(...rounds.flatMap(({ outage }) => Object.values(outage)))
    expect(counts["longest silence of a consumer in ms"]).toBeLessThan(longest * 1_000 + 15_000)
    expect(counts["transfers acknowledged"]).toBeGreaterThan(100)
    expect(counts["reservations acknowledged"]).toBeGreaterThan(50)
    // Callers noticed the failovers, or nothing was tested.
    expect(counts["longest call in ms"]).toBeGreaterThan(1_000)
  }
)
