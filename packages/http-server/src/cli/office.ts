/** The engine for a command that does one thing and ends. */
import { randomBytes } from "node:crypto"
import {
  BoxOffice,
  type BoxOfficeServices,
  type BoxOfficeStore,
  defaultPolicies,
  Policies,
  QueueTokens
} from "@boxoffice/core"
import { SqlStore } from "@boxoffice/sql-store"
import { Layer, Redacted } from "effect"

// Only the servers admit users, because their admission policy may be a function of the host. A
// change that a command makes takes effect with their next admission.
const policies = { ...defaultPolicies, admission: () => 0 }

/** The store, without the engine. */
export const layerStore = (url: string, schema: string): Layer.Layer<BoxOfficeStore, unknown> =>
  SqlStore.layerUrl({ url, schema, maxConnections: 2 })

export const layerOffice = (
  url: string,
  schema: string
): Layer.Layer<BoxOfficeServices, unknown> => {
  // No user joins a queue through a command, so this key never signs a token.
  const secret = Redacted.make(randomBytes(32).toString("hex"))
  return BoxOffice.layer.pipe(
    Layer.provide([
      QueueTokens.layer([{ id: "cli", secret }]),
      Layer.succeed(Policies, policies),
      layerStore(url, schema)
    ])
  )
}
