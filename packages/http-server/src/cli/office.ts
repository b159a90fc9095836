/** The engine of a command that does one thing and ends. */
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

// Whom to let in, the servers decide, by policies that may be functions of their host's. What is
// changed here takes effect with their next admission.
const policies = { ...defaultPolicies, admission: () => 0 }

/** The database, without the engine. */
export const layerStore = (url: string, schema: string): Layer.Layer<BoxOfficeStore, unknown> =>
  SqlStore.layerUrl({ url, schema, maxConnections: 2 })

export const layerOffice = (
  url: string,
  schema: string
): Layer.Layer<BoxOfficeServices, unknown> => {
  // Nobody joins a queue here, so that no token is ever signed by this.
  const secret = Redacted.make(randomBytes(32).toString("hex"))
  return BoxOffice.layer.pipe(
    Layer.provide([
      QueueTokens.layer([{ id: "cli", secret }]),
      Layer.succeed(Policies, policies),
      layerStore(url, schema)
    ])
  )
}
