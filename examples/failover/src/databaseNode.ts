/** A database node: Postgres, the Patroni that looks after it, and a member of etcd. */
import { join } from "node:path"
import { postgresBinaries, programOf } from "./packages.ts"
import { configure, type Program, postmasterIn, startProgram } from "./processes.ts"

/** The name and the ports of a node. */
export interface Member {
  readonly name: string
  readonly port: number
  readonly restPort: number
  readonly etcdPort: number
  readonly peerPort: number
}

export interface DatabaseNode extends Member {
  /** The process id of Postgres; undefined while it does not run. */
  readonly postmaster: () => number | undefined
  readonly patroni: () => Program
  readonly etcd: () => Program
  /** Starts again what does not run. */
  readonly revive: () => void
}

const clientUrl = ({ etcdPort }: Member) => `http://127.0.0.1:${etcdPort}`
const peerUrl = ({ peerPort }: Member) => `http://127.0.0.1:${peerPort}`

/** Patroni itself starts Postgres, makes the first database or copies it from the leader. */
export const startDatabaseNode = (
  member: Member,
  members: ReadonlyArray<Member>,
  values: Readonly<Record<string, string | number | boolean>> & { readonly directory: string }
): DatabaseNode => {
  const { directory } = values
  const { name, port, restPort } = member
  const settings = configure(directory, "patroni.yml", `${name}.yml`, {
    ...values,
    name,
    port,
    restPort,
    etcdHosts: members.map(({ etcdPort }) => `127.0.0.1:${etcdPort}`).join(","),
    binaries: postgresBinaries
  })
  const startEtcd = () =>
    startProgram({
      name: `etcd-${name}`,
      directory,
      command: [
        programOf("etcd-server"),
        `--name=${name}`,
        `--data-dir=${directory}/etcd-${name}`,
        `--listen-client-urls=${clientUrl(member)}`,
        `--advertise-client-urls=${clientUrl(member)}`,
        `--listen-peer-urls=${peerUrl(member)}`,
        `--initial-advertise-peer-urls=${peerUrl(member)}`,
        `--initial-cluster=${members.map((each) => `${each.name}=${peerUrl(each)}`).join(",")}`
      ]
    })
  const startPatroni = () =>
    startProgram({
      name: `patroni-${name}`,
      directory,
      command: [programOf("patroni"), settings]
    })
  let etcd = startEtcd()
  let patroni = startPatroni()
  return {
    ...member,
    postmaster: () => postmasterIn(join(directory, name)),
    patroni: () => patroni,
    etcd: () => etcd,
    revive: () => {
      if (!etcd.isRunning()) etcd = startEtcd()
      if (!patroni.isRunning()) patroni = startPatroni()
    }
  }
}
