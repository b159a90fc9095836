/**
 * What a call costs in processor time: a figure that a busy machine, which spoils every rate, hardly
 * touches. Read from `/proc`, so on Linux alone.
 */
import { readFileSync } from "node:fs"

/** Microseconds of processor time since the process began, its ended children's included. */
export const spentBy = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  // The name, in parentheses, may hold anything; utime, stime, cutime, cstime are fields 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  // The kernel counts in hundredths of a second, whatever the machine.
  return ticks * 10_000
}

/** How much of the machine's memory a process holds now, in megabytes. */
export const residentMb = (pid: number): number => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1_024
}

/** The processor time of a Postgres server: the postmaster with all of its backends. */
const spentByServer = (postmaster: number): number => {
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "utf8")
  return [postmaster, ...children.trim().split(" ").filter(Boolean).map(Number)].reduce(
    (sum, pid) => sum + spentBy(pid),
    0
  )
}

const spentHere = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Microseconds of processor time a call: of Node, and of the Postgres server. */
export interface CpuPerCall {
  readonly node: number
  readonly postgres: number
}

/**
 * Runs something, and says what each of its calls cost Postgres and a Node process, by default this
 * one; `undefined` where that cannot be read.
 */
export const countingCpu = async <A extends { readonly answers: number }>(
  postmaster: number,
  run: () => Promise<A>,
  spentByNode: () => number = spentHere
): Promise<A & { readonly cpu: CpuPerCall | undefined }> => {
  if (process.platform !== "linux") return { ...(await run()), cpu: undefined }
  const server = spentByServer(postmaster)
  const node = spentByNode()
  const result = await run()
  return {
    ...result,
    cpu: {
      node: (spentByNode() - node) / result.answers,
      postgres: (spentByServer(postmaster) - server) / result.answers
    }
  }
}
