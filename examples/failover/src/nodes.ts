/** Nodes of Box Office, each a `boxoffice serve`, and the other commands of the command line. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { appRole, type Cluster, type Way } from "./cluster.ts"
import { freePorts, logOf, type Program, startProgram, waitFor } from "./processes.ts"

const bin = fileURLToPath(import.meta.resolve("@boxoffice/http-server")).replace("index.", "bin.")
const boxoffice = [process.execPath, "--conditions=boxoffice-source", bin]

export const adminToken = "an operator on this machine"
export const signingKeys = { k1: "a secret of at least thirty-two bytes" }

/** What the nodes share. They know nothing of the cluster: they have one URL, and the defaults. */
const settings = {
  HOST: "127.0.0.1",
  BOXOFFICE_IDENTITY: "header",
  BOXOFFICE_CHARGES: "user",
  BOXOFFICE_ADMIN_TOKEN: adminToken,
  BOXOFFICE_SIGNING_KEYS: `k1:${signingKeys.k1}`,
  BOXOFFICE_LOG_LEVEL: "warn"
}

export interface ServingNode {
  readonly way: Way
  readonly url: string
  readonly program: Program
}

/** Starts a node, and waits until it can serve users. */
export const startNode = async (
  cluster: Cluster,
  name: string,
  way: Way,
  more: Readonly<Record<string, string>> = {}
): Promise<ServingNode> => {
  const [port] = await freePorts(1)
  const program = startProgram({
    name,
    directory: cluster.directory,
    command: [...boxoffice, "serve"],
    asCaller: true,
    environment: {
      ...process.env,
      ...settings,
      DATABASE_URL: cluster.urlBy(way),
      // PgBouncer of Debian 12 is 1.18, which does not keep track of names in transaction mode.
      BOXOFFICE_PREPARED_STATEMENTS: way === "transaction" ? "off" : "on",
      PORT: String(port),
      ...more
    }
  })
  const url = `http://127.0.0.1:${port}`
  const isReady = async () => {
    if (!program.isRunning()) {
      throw new Error(`${name} ended:\n${logOf(cluster.directory, name)}`)
    }
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    return answer?.ok || undefined
  }
  await waitFor(`${name} is ready`, isReady, { seconds: 60 })
  return { way, url, program }
}

/** Runs a command of `boxoffice` as the owner of the tables. Throws if it does not succeed. */
export const runBoxoffice = async (cluster: Cluster, ...args: ReadonlyArray<string>) => {
  const [program, ...flags] = [...boxoffice, ...args] as [string, ...Array<string>]
  const environment = { ...process.env, DATABASE_URL: cluster.url, NO_COLOR: "1" }
  const { stdout } = await promisify(execFile)(program, flags, { env: environment })
  return stdout
}

export const migrate = (cluster: Cluster) =>
  runBoxoffice(cluster, "migrate", `--app-role=${appRole}`)
