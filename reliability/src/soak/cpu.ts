/**
 * The processor time of a request, which other load on the machine hardly moves, and what that other
 * load is. Reads `/proc`: on other platforms there is none of it.
 */
import { readFileSync } from "node:fs"
import { spentBy, spentByServer } from "../../../bench/src/cpu.ts"
import type { Taken } from "./load.ts"

export interface Processes {
  readonly nodes: ReadonlyArray<number>
  readonly postmaster: number
}

/** Gives, at each call, what was spent since the last one. */
export const startCpu = ({ nodes, postmaster }: Processes) => {
  const isLinux = process.platform === "linux"
  const now = () => ({
    at: performance.now(),
    nodes: nodes.reduce((sum, pid) => sum + spentBy(pid), 0),
    postgres: spentByServer(postmaster),
    here: spentBy(process.pid),
    all: spentByAll()
  })
  let before = isLinux ? now() : undefined
  return ({ latencies }: Taken): Readonly<Record<string, number>> => {
    const requests = Object.values(latencies).reduce((sum, { length }) => sum + length, 0)
    if (before === undefined || requests === 0) return {}
    const after = now()
    const spent = {
      nodes: after.nodes - before.nodes,
      postgres: after.postgres - before.postgres,
      others:
        after.all -
        before.all -
        (after.nodes - before.nodes + after.postgres - before.postgres + after.here - before.here)
    }
    const micros = (after.at - before.at) * 1_000
    before = after
    return {
      "cpu nodes": spent.nodes / requests / 1_000,
      "cpu postgres": spent.postgres / requests / 1_000,
      others: Math.max(0, spent.others / micros)
    }
  }
}

/** Of all processes of the machine, in microseconds: all but idle and waiting for the disk. */
const spentByAll = (): number => {
  const fields = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.split(/\s+/).slice(1, 9)
  const [user, nice, system, , , irq, softirq, steal] = fields.map(Number)
  // The kernel counts in hundredths of a second on every machine.
  return (user! + nice! + system! + irq! + softirq! + steal!) * 10_000
}
