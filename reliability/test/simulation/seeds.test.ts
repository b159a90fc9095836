/** Some seeds, each a world of its own, keep all promises. `pnpm reliability simulate` plays more. */
import { expect, test } from "vitest"
import { planOf } from "../../src/simulation/generate.ts"
import { play } from "../../src/simulation/simulate.ts"
import { storyOf } from "../../src/simulation/story.ts"

const seeds = Number(process.env.SIMULATED_SEEDS ?? 60)

test(`the seeds 1 to ${seeds} keep all promises`, { timeout: 3_600_000 }, () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const played = play(planOf(seed))
    if (played.findings.length > 0) expect.fail(storyOf(played))
  }
})
