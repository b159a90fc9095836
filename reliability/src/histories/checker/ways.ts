/** I14: in a run with TLS or with PgBouncer, the nodes were served that way. */
import { encryptedConnections } from "../facts.ts"
import type { Evidence } from "./evidence.ts"
import type { Judge } from "./judge.ts"

export const checkWays = ({ history, facts, calls }: Evidence, judge: Judge): void => {
  const { tls, pooled, nodes } = history.run
  const encrypted = facts.log.find(({ text }) => text === encryptedConnections)?.count ?? 0
  // A line with TLS lets no other connection through.
  const least = tls ? nodes.length - pooled.length : 0
  judge.expect(
    "I14",
    encrypted >= least,
    () => `${encrypted} connections had TLS, and ${least} nodes were to have it`
  )
  for (const name of pooled) {
    const isServed = calls.some(({ node, outcome }) => node === name && outcome === "ok")
    judge.expect("I14", isServed, () => `${name}, behind PgBouncer, served no call`)
  }
}
