/** PgBouncer between nodes and a server: the name of the database chooses one of its modes. */
import { programOf } from "./packages.ts"
import { configure, type Program, startProgram } from "./processes.ts"

export interface PoolerOptions {
  readonly directory: string
  /** Where the server listens, and where PgBouncer does. */
  readonly writerPort: number
  readonly poolerPort: number
  readonly database: string
  readonly appRole: string
  readonly password: string
  /** How long a transaction waits for a connection of the server. */
  readonly queryWaitSeconds: number
}

export const startPooler = (options: PoolerOptions): Program => {
  const { directory, writerPort, poolerPort, database, appRole, password } = options
  const { queryWaitSeconds } = options
  configure(directory, "pgbouncer-users.txt", "pgbouncer-users.txt", { appRole, password })
  const values = { directory, writerPort, poolerPort, database, queryWaitSeconds }
  const settings = configure(directory, "pgbouncer.ini", "pgbouncer.ini", values)
  return startProgram({
    name: "pgbouncer",
    directory,
    command: [programOf("pgbouncer"), settings]
  })
}
