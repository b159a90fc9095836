/** What befalls a leader. */
import { type Cluster, query } from "./cluster.ts"
import type { DatabaseNode } from "./databaseNode.ts"
import { familyOf, kill, sleep } from "./processes.ts"

/**
 * - `postmaster`: Postgres is killed, and its Patroni lives.
 * - `patroni`: Patroni is killed, and Postgres goes on as a leader that no process looks after.
 * - `machine`: Postgres, Patroni and the member of etcd are killed at once.
 * - `lagging`: for two seconds nothing reaches the standbys, and then the machine is killed, with what
 *   was on the way.
 * - `freeze`: Postgres and Patroni stand still, like a virtual machine that is moved, and go on once
 *   another node is the leader. Patroni is safe from this only with a watchdog, which needs a device
 *   of the machine: see the README.
 */
export const faults = ["postmaster", "patroni", "machine", "lagging", "freeze"] as const
/** Those that Patroni survives without a watchdog. */
export const killings = faults.filter((fault) => fault !== "freeze")
export type Fault = (typeof faults)[number]

export interface Injected {
  /** When the leader was killed. */
  readonly at: number
  /** Lets what was frozen go on, and starts again what was killed. */
  readonly repair: () => Promise<void>
}

export const inject = async (
  fault: Fault,
  cluster: Cluster,
  leader: DatabaseNode
): Promise<Injected> => {
  const postmaster = leader.postmaster()
  if (postmaster === undefined) throw new Error(`Postgres of ${leader.name} does not run`)
  const patroni = leader.patroni().child.pid!
  const revive = async () => leader.revive()
  if (fault === "freeze") {
    const pids = [patroni, ...familyOf(postmaster)]
    for (const pid of pids) kill(pid, "SIGSTOP")
    const thaw = async () => {
      for (const pid of pids) kill(pid, "SIGCONT")
    }
    return { at: performance.now(), repair: thaw }
  }
  const receivers = fault === "lagging" ? await receiversOf(cluster, leader) : []
  for (const pid of receivers) kill(pid, "SIGSTOP")
  if (fault === "lagging") await sleep(2_000)
  if (fault !== "postmaster") kill(patroni, "SIGKILL")
  if (fault === "postmaster") kill(postmaster, "SIGKILL")
  if (fault === "machine" || fault === "lagging") {
    // The sessions too: those of a Postgres that was killed go on for a moment, a machine's do not.
    for (const pid of [leader.etcd().child.pid!, ...familyOf(postmaster)]) kill(pid, "SIGKILL")
  }
  // Each ends before it reads what is still in its socket: that is lost on the way.
  for (const signal of ["SIGTERM", "SIGCONT"] as const) {
    for (const pid of receivers) kill(pid, signal)
  }
  return { at: performance.now(), repair: revive }
}

/** The processes of the standbys that receive the leader's log. */
const receiversOf = async (cluster: Cluster, leader: DatabaseNode) => {
  const standbys = cluster.nodes.filter((node) => node !== leader)
  const found = await Promise.all(
    standbys.map((node) => query(cluster.urlOf(node), "SELECT pid FROM pg_stat_wal_receiver"))
  )
  return found.flatMap((rows) => rows.map(({ pid }) => pid as number))
}
