/**
 * Measures the processor time of a call: other load on the machine distorts every rate, but has
 * little effect on this figure. Reads `/proc`, so it works only on Linux.
 */
import { readFileSync } from "node:fs"

/** Processor time of a process since its start, in microseconds, including its ended children. */
export const spentBy = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  // The name, in parentheses, may contain any character; utime, stime, cutime, cstime are fields 14
  // to 17.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  // The kernel counts in hundredths of a second on every machine.
  return ticks * 10_000
}

/** The resident memory of a process, in megabytes. */
export const residentMb = (pid: number): number => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1_024
}

/** The processor time of a Postgres server: the postmaster with all of its backends. */
export const spentByServer = (postmaster: number): number => {
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

/** Processor time per call of Node and of the Postgres server, in microseconds. */
export interface CpuPerCall {
  readonly node: number
  readonly postgres: number
}

/**
 * Runs a load and adds the processor time per call of Postgres and of a Node process, by default
 * this one; `undefined` if the platform does not report it.
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
