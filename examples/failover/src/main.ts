/** Starts the cluster and two nodes of Box Office, and leaves them until Ctrl-C. */
import { startCluster } from "./cluster.ts"
import { migrate, startNode } from "./nodes.ts"
import { installPackages } from "./packages.ts"
import { removeEverything } from "./processes.ts"
import { addPerformance, openSale } from "./sale.ts"

const print = (line: string) => console.log(line)
const obstacle = installPackages(print)
if (obstacle !== undefined) {
  console.error(`The cluster cannot start: ${obstacle}`)
  process.exit(1)
}
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve())
})
try {
  const cluster = await startCluster({ ttl: 20, loopWait: 5, retryTimeout: 7 }, print)
  await migrate(cluster)
  const nodes = [
    await startNode(cluster, "boxoffice1", "haproxy"),
    await startNode(cluster, "boxoffice2", "haproxy")
  ]
  await openSale(nodes[0]!.url)
  await addPerformance(nodes[0]!.url, "gala-1", 1_000)
  print(`
Box Office:   ${nodes.map(({ url }) => url).join("  ")}
Postgres:     ${cluster.url}
By PgBouncer: ${cluster.urlBy("session")}
Settings and logs: ${cluster.directory}

  patronictl -c ${cluster.directory}/node1.yml list        # which node leads
  patronictl -c ${cluster.directory}/node1.yml switchover  # a new leader, as planned
  kill -9 $(head -1 ${cluster.directory}/node1/postmaster.pid)   # and unplanned
  curl -i -X POST ${nodes[0]!.url}/v1/queues/main/token -H 'X-User-Id: ada'

Ctrl-C ends everything and removes the directory.`)
  await interrupted
  print("ending")
  await Promise.all(nodes.map(({ program }) => program.end("SIGTERM")))
} finally {
  removeEverything()
}
