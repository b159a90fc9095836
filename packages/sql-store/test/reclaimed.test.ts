/** The sessions of users that vanish end, and the next users are admitted, without any sweeper. */
import { defaultPolicies } from "@boxoffice/core"
import { expect, test } from "vitest"
import { startNode } from "./nodes.ts"
import { emptyDatabase, openSql } from "./support.ts"

test.each([
  ["is not claimed", { claimSeconds: 1, sessionSeconds: 600 }],
  ["is not used", { claimSeconds: 600, sessionSeconds: 1 }]
])(
  "the session of a user that %s goes to the next in line within a second of its end",
  {
    timeout: 60_000
  },
  async (_, settings) => {
    const url = await emptyDatabase()
    const sql = openSql(url)
    const { queueMaxAgeMs } = defaultPolicies
    const nodes = await Promise.all(
      [300_000, -300_000].map((toldMs) =>
        startNode({ url, skew: { toldMs }, policies: { queueMaxAgeMs } })
      )
    )
    const [{ queue, run }] = nodes as [(typeof nodes)[0]]
    await run(queue.create({ queueId: "main", settings: { ...settings, maxActive: 1 } }))
    const line: Array<{ readonly userId: string; readonly queueToken: string }> = []
    for (let n = 0; n < 7; n++) {
      const userId = `u${n}`
      const { token } = await run(queue.join({ queueId: "main", userId }))
      line.push({ userId, queueToken: token })
    }
    await run(queue.leave(line[0]!))
    // Admitted users never poll again. If the queue has a claim window, they have seen their status
    // once.
    const claims = settings.sessionSeconds === 1
    const last = line.length - 1
    for (let next = 1, round = 0; next <= last; round++) {
      const node = nodes[round % 2]!
      const { state } = await node.run(node.queue.status(line[claims ? next : last]!))
      const [inside] = await sql<{ number: number }>(
        "SELECT number::int FROM boxoffice.queue_token WHERE state = 'admitted'"
      )
      if (claims ? state === "admitted" : inside?.number === next + 1) {
        // The queue is read at the admission, and again after a refresh: it ends about then.
        await sql(`UPDATE boxoffice.queue_token
        SET expires_at = expires_at + interval '${25 * next - 90} milliseconds'
        WHERE state = 'admitted'`)
        next++
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const places = await sql<{ late: number }>(`
    SELECT (extract(epoch FROM admitted_at - lag(expires_at) OVER (ORDER BY number)) * 1000)::float8
      AS late
    FROM boxoffice.queue_token ORDER BY number OFFSET 2`)
    const late = places.map(({ late }) => Math.round(late))
    if (process.env.STATS) console.log(`let in ${late.join(", ")} ms after`)
    expect(late).toHaveLength(5)
    expect(Math.min(...late), "somebody else was still inside").toBeGreaterThanOrEqual(0)
    expect(Math.max(...late)).toBeLessThanOrEqual(1_000)
  }
)
