/** PgBouncer in transaction mode, between some of the nodes and Postgres. */
import { installPackages } from "@boxoffice/example-failover/packages"
import { startPooler } from "@boxoffice/example-failover/pooler"
import {
  freePorts,
  makeDirectory,
  type Program,
  removeEverything
} from "@boxoffice/example-failover/processes"

export interface Pooler {
  readonly url: string
  /** Kills it, and starts it again at the same address. */
  readonly kill: () => Promise<void>
  readonly close: () => void
}

/** Says so, for all to see, if it is not. */
export const isPoolerPossible = (say: (text: string) => void): boolean => {
  const problem = installPackages(say, ["pgbouncer", "util-linux"])
  if (problem !== undefined) {
    say(`NOT POSSIBLE on this machine, and left out: PgBouncer: ${problem}`)
  }
  return problem === undefined
}

/** The last node of each kind, unless it is the only one. */
export const pooledOf = (nodes: ReadonlyArray<string>): ReadonlyArray<string> =>
  ["server", "embedded"].flatMap((kind) => {
    const ofKind = nodes.filter((name) => name.startsWith(kind))
    return ofKind.length > 1 ? ofKind.slice(-1) : []
  })

export const openPooler = async (database: string): Promise<Pooler> => {
  const target = new URL(database)
  const [poolerPort] = (await freePorts(1)) as [number]
  const options = {
    directory: makeDirectory(),
    writerPort: Number(target.port),
    poolerPort,
    database: target.pathname.slice(1),
    appRole: target.username,
    password: target.password,
    // Shorter than these nodes wait for an answer.
    queryWaitSeconds: 4
  }
  let program: Program = startPooler(options)
  const through = new URL(database)
  through.port = String(poolerPort)
  through.pathname = "/boxoffice_transaction"
  return {
    url: through.href,
    kill: async () => {
      await program.end("SIGKILL")
      program = startPooler(options)
    },
    close: removeEverything
  }
}
