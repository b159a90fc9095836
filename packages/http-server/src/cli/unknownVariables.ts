/**
 * Finds environment variables that begin with `BOXOFFICE_` and are no setting of the server: a misspelt
 * one leaves a default in force that the operator did not choose. The server warns and does not refuse,
 * so that an operator can set a variable of the next release before the upgrade, and roll back.
 */
import { lettersApart } from "@boxoffice/core/store"
import { ConfigProvider, Effect } from "effect"

const prefix = "BOXOFFICE_"

/** One warning for each unknown variable, with the known name that is nearest to it. */
export const unknownVariables = (
  known: ReadonlyArray<string>
): Effect.Effect<Array<string>, ConfigProvider.SourceError> =>
  Effect.map(variablesBelow([]), (variables) =>
    variables
      .filter(({ name, value }) => !known.includes(name) && !isServiceLink(name, value))
      .map(
        ({ name }) =>
          `${name} is ignored: it is no setting of this server. Did you mean ${nearestOf(name, known)}?`
      )
  )

interface Variable {
  readonly name: string
  readonly value: string
}

/**
 * The variables with a value whose names begin with the prefix. A provider that reads a process's
 * environment splits names at `_` into a tree; one that reads an object has them as they are.
 */
const variablesBelow = (
  path: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Variable>, ConfigProvider.SourceError> =>
  Effect.gen(function* () {
    const name = path.join("_")
    const node = yield* (yield* ConfigProvider.ConfigProvider).load(path)
    if (node === undefined) return []
    const own = node.value?.trim() && name.startsWith(prefix) ? [{ name, value: node.value }] : []
    const children = node._tag === "Record" ? Array.from(node.keys) : []
    // Of numbered names only the last is known to exist.
    if (node._tag === "Array") children.push(String(node.length - 1))
    const below = yield* Effect.forEach(
      children.filter((key) => `${[...path, key].join("_")}_`.startsWith(prefix)),
      (key) => variablesBelow([...path, key])
    )
    return [...own, ...below.flat()]
  })

/**
 * Whether Kubernetes sets the variable in every container beside a Service whose name begins with
 * `boxoffice`: no operator wrote it, and none can remove it.
 */
const isServiceLink = (name: string, value: string): boolean =>
  /_SERVICE_(?:HOST|PORT(?:_\w+)?)$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(
    name
  ) ||
  (name.endsWith("_PORT") && /^(?:tcp|udp|sctp):\/\//.test(value))

const nearestOf = (name: string, known: ReadonlyArray<string>): string => {
  // Some settings have names without the prefix, such as PORT.
  const bare = name.slice(prefix.length)
  if (known.includes(bare)) return bare
  const [nearest] = known
    .filter((other) => other.startsWith(prefix))
    .map((other) => ({ other, apart: lettersApart(name.slice(0, 100), other) }))
    .sort((a, b) => a.apart - b.apart)
  return nearest!.other
}
