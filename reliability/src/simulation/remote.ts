/**
 * The store as a node has it: what the database does in its name runs as the database, and goes on if
 * the node dies. Each answer reaches the node in a turn of its own; a dead node never learns it.
 */
import { BoxOfficeStore } from "@boxoffice/core"
import { Clock, Context, Effect, Layer, Scheduler } from "effect"
import type { Host } from "./Host.ts"
import type { Actor, Machine } from "./Machine.ts"

type Operation = (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>

export const layerRemote = ({
  machine,
  actor,
  host
}: {
  readonly machine: Machine
  readonly actor: Actor
  readonly host: Host
}): Layer.Layer<BoxOfficeStore, never, BoxOfficeStore> => {
  const server = machine.contextOf(machine.server)
  const onServer = Context.make(Clock.Clock, Context.get(server, Clock.Clock)).pipe(
    Context.add(Scheduler.Scheduler, Context.get(server, Scheduler.Scheduler))
  )
  const remote = (effect: Effect.Effect<unknown, unknown>) =>
    Effect.flatMap(Effect.exit(Effect.provideContext(effect, onServer)), (exit) =>
      Effect.andThen(machine.turn(actor), exit)
    )
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
