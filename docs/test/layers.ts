/** The layers of the packages: a file imports files of its own layer and of those below it. */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, matchesGlob, relative } from "node:path"
import { importsIn } from "./imports.ts"
import { root } from "./markdown.ts"

export interface Layer {
  readonly name: string
  /** What it holds, as the diagram in `docs/architecture.md` says it. */
  readonly holds: string
  readonly files: ReadonlyArray<string>
}

/** From the top down. */
export const coreLayers: ReadonlyArray<Layer> = [
  {
    name: "entries",
    holds: "what other packages import: index, schema, store, testing",
    files: ["index.ts", "schema.ts", "store.ts", "testing.ts", "testing/**"]
  },
  {
    name: "promises",
    holds: "the services as promises",
    files: ["Promises.ts", "promises/**"]
  },
  {
    name: "assembly",
    holds: "BoxOffice, Sweeper",
    files: ["BoxOffice.ts", "Sweeper.ts"]
  },
  {
    name: "services",
    holds: "Queue, QueueOperations, Catalog, Reservations, Wallet, Payments, EventFeed",
    files: [
      "Queue.ts",
      "QueueOperations.ts",
      "Catalog.ts",
      "Reservations.ts",
      "Wallet.ts",
      "Payments.ts",
      "EventFeed.ts",
      "WebhookSignature.ts",
      "isBoxOfficeError.ts"
    ]
  },
  {
    name: "gate",
    holds: "Gate, gatedCommand, TokenCache",
    files: ["Gate.ts", "gate/gatedCommand.ts", "gate/TokenCache.ts"]
  },
  {
    name: "memory of a node",
    holds: "LiveQueues, shared reads of the catalogue, signed tokens, sessions of consumers",
    files: [
      "queue/live/**",
      "catalog/sharedReads.ts",
      "token/QueueTokens.ts",
      "token/hmac.ts",
      "events/session.ts"
    ]
  },
  {
    name: "commands",
    holds: "Command, Batcher, Idempotency, queue batches, SharedReads, CommittedEvents",
    files: [
      "engine/Batcher.ts",
      "engine/BlockedRows.ts",
      "engine/WaitingCommands.ts",
      "engine/batchRuns.ts",
      "engine/Command.ts",
      "engine/CommittedEvents.ts",
      "engine/Idempotency.ts",
      "engine/SharedReads.ts",
      "engine/Shutdown.ts",
      "engine/attempts.ts",
      "engine/backgroundLoop.ts",
      "queue/batch.ts",
      "queue/join.ts"
    ]
  },
  {
    name: "rules",
    holds: "decide, operate, evolve: pure",
    files: [
      "*/decide.ts",
      "queue/operate.ts",
      "*/evolve.ts",
      "*/views.ts",
      "policies/check.ts",
      "policies/evaluate.ts"
    ]
  },
  {
    name: "rows",
    holds: "the port of the store, LoadPlan, Rows, positions, events",
    files: [
      "BoxOfficeStore.ts",
      "HostTransaction.ts",
      "engine/LoadPlan.ts",
      "engine/Rows.ts",
      "queue/position.ts",
      "queue/status.ts",
      "events/*.ts",
      "token/format.ts"
    ]
  },
  {
    name: "words",
    holds: "ids, money, instants, models, errors, settings",
    files: [
      "Events.ts",
      "Errors.ts",
      "Ids.ts",
      "Instant.ts",
      "Interval.ts",
      "Money.ts",
      "Policies.ts",
      "options.ts",
      "*/errors.ts",
      "*/model.ts",
      "policies/*.ts",
      "queue/code.ts",
      "queue/lottery.ts",
      "queue/presence.ts",
      "engine/CommandIds.ts",
      "engine/RecentMap.ts",
      "engine/Closed.ts",
      "engine/TaggedError.ts",
      "engine/droppedPromises.ts",
      "engine/engineClosed.ts",
      "engine/fnv.ts",
      "engine/input.ts",
      "engine/page.ts",
      "engine/realPause.ts",
      "engine/tracing.ts"
    ]
  }
]

export const sqlStoreLayers: ReadonlyArray<Layer> = [
  {
    name: "entries",
    holds: "what hosts import: index, migrate",
    files: ["index.ts", "migrate.ts"]
  },
  { name: "opening", holds: "openBoxOffice, pglite", files: ["openBoxOffice.ts", "pglite.ts"] },
  {
    name: "services",
    holds: "SqlStore, Host, Doctor, Invariants",
    files: ["SqlStore.ts", "Host.ts", "Doctor.ts", "Invariants.ts", "ScratchSchema.ts"]
  },
  { name: "drivers", holds: "host, pglite, doctor", files: ["host/**", "pglite/**", "doctor/**"] },
  {
    name: "connection",
    holds: "opening, closing, probing",
    files: ["connection/[!w]*.ts"]
  },
  {
    name: "statements",
    holds: "batch, operations, invariants, migrator",
    files: ["Migrator.ts", "batch/**", "operations/**", "invariants/**", "migrator/**"]
  },
  { name: "columns", holds: "columns of the tables", files: ["columns/**"] },
  {
    name: "words",
    holds: "Query, Pipeline, names, failures, instants, limits on waiting",
    files: [
      "connection/waits.ts",
      "options.ts",
      "Query.ts",
      "Pipeline.ts",
      "schemaName.ts",
      "sqlFailure.ts",
      "instant.ts"
    ]
  }
]

/** The layer of a file: the first with a pattern that it matches. */
export const layerOf = (layers: ReadonlyArray<Layer>, file: string): number =>
  layers.findIndex(({ files }) => files.some((pattern) => matchesGlob(file, pattern)))

export interface Edge {
  readonly from: string
  readonly to: string
  readonly isOfTypes: boolean
}

/** The imports between the files of a package. */
export const edgesIn = (pkg: string): ReadonlyArray<Edge> => {
  const src = join(root, "packages", pkg, "src")
  return globSync("**/*.ts", { cwd: src }).flatMap((from) =>
    importsIn(readFileSync(join(src, from), "utf8"))
      .filter(({ path }) => path.startsWith("."))
      .map(({ path, isOfTypes }) => ({
        from,
        to: relative(src, join(src, dirname(from), path)),
        isOfTypes
      }))
  )
}

/** The first line of the diagram of layers: a comment, by which it is found in a page. */
export const layersTitle = "%% packages/core/src, from the top down"

/** A Mermaid flowchart of layers, from the top down. */
export const diagramOfLayers = (layers: ReadonlyArray<Layer>): string => {
  const idOf = ({ name }: Layer) => name.replaceAll(" ", "_")
  const boxes = layers.map(
    (layer) => `    ${idOf(layer)}["<b>${layer.name}</b><br>${layer.holds}"]`
  )
  return [layersTitle, "flowchart TD", ...boxes, `    ${layers.map(idOf).join(" --> ")}`, ""].join(
    "\n"
  )
}

/** Files that import each other in a circle, as one path for each circle. Imports of types count not. */
export const circlesIn = (edges: ReadonlyArray<Edge>): ReadonlyArray<string> => {
  const targets = new Map<string, Array<string>>()
  for (const { from, to, isOfTypes } of edges) {
    if (!isOfTypes) targets.set(from, [...(targets.get(from) ?? []), to])
  }
  const circles: Array<string> = []
  const done = new Set<string>()
  const visit = (file: string, path: ReadonlyArray<string>): void => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].join(" imports "))
      return
    }
    if (done.has(file)) return
    for (const target of targets.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of targets.keys()) visit(file, [])
  return circles
}
