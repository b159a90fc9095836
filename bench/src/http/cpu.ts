/** What processes spend of the processor. */
import { readFileSync } from "node:fs"

/** Starts to count; what it gives says how many µs have been spent since, or `NaN` off Linux. */
export const cpuMicros = (...pids: ReadonlyArray<number>): (() => number) => {
  const before = new Map(pids.map((pid) => [pid, spentBy(pid)]))
  return () => pids.reduce((sum, pid) => sum + spentBy(pid) - before.get(pid)!, 0)
}

const microsPerTick = 10_000

/** User and system time: fields 14 and 15 of `/proc/[pid]/stat`, whose second may hold spaces. */
const spentBy = (pid: number): number => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ")
    return (Number(fields[11]) + Number(fields[12])) * microsPerTick
  } catch {
    return Number.NaN
  }
}
