/**
 * The store as a node has it: what the database does in its name runs as the database, and goes on if
 * the node dies. Each answer reaches the node in a turn of its own; a dead node never learns it.
 */
import { BoxOfficeStore } from "@boxoffice/core"
import { type Context, Effect, Fiber, Layer } from "effect"
import type { Host } from "./Host.ts"
import type { Actor, Machine } from "./Machine.ts"

type Operation = (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>

export const layerRemote = ({
  machine,
  actor,
  server,
  host
}: {
  readonly machine: Machine
  readonly actor: Actor
  /** What the database runs with. */
  readonly server: Context.Context<never>
  readonly host: Host
}): Layer.Layer<BoxOfficeStore, never, BoxOfficeStore> => {
  const run = Effect.runForkWith(server)
  const remote = (effect: Effect.Effect<unknown, unknown>) =>
    Effect.callback<unknown, unknown>((resume) => {
      const fiber = run(effect)
      const forget = fiber.addObserver((exit) => machine.enqueue(actor, () => resume(exit)))
      return Effect.suspend(() => {
        forget()
        return Fiber.interrupt(fiber)
      })
    })
  const wrap = (operation: unknown): unknown => {
    if (Effect.isEffect(operation)) return remote(operation as Effect.Effect<unknown, unknown>)
    if (typeof operation === "function") {
      return (...args: ReadonlyArray<unknown>) =>
        remote(Effect.suspend(() => (operation as Operation)(...args)))
    }
    return wrapAll(operation as object)
  }
  const wrapAll = (operations: object): object =>
    Object.fromEntries(Object.entries(operations).map(([name, one]) => [name, wrap(one)]))
  return Layer.effect(
    BoxOfficeStore,
    Effect.map(BoxOfficeStore, (store) => {
      const transact: typeof store.transact = (plan, decide) =>
        store.transact(plan, (rows) => {
          const decided = decide(rows)
          host.inTransaction(rows.events)
          return decided
        })
      return {
        ...(wrapAll({ ...store, transact }) as typeof store),
        // It ends with the scope of its caller, which is the node's.
        closing: store.closing
      }
    })
  )
}
