/** What operators do: they arrange the sale, and change it while it runs. */
import { money } from "@boxoffice/core"
import { Effect } from "effect"
import type { Outcome } from "./History.ts"
import { worldStart } from "./Machine.ts"
import type { Ask } from "./Network.ts"
import type { Operation, Step } from "./plan.ts"
import { codeOf, currency, performanceOf, seatOf } from "./visits.ts"
import type { World } from "./World.ts"

/** Calls a node with a key, again until it is answered. */
const insist = (
  world: World,
  step: number,
  operation: string,
  key: string,
  ask: (key: string) => Ask<unknown>
): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const asked = { operation, user: "operator", key: `${operation}-${key}`, body: "", step }
    for (let again = 0; ; again++) {
      const outcome = yield* world.network.call(asked, again, ask(asked.key))
      const isRefused = outcome._tag === "refused"
      if (outcome._tag === "ok") return outcome
      if (isRefused && !["NoNode", "Overloaded"].includes(outcome.error._tag)) return outcome
      if (again === 30) return outcome
      yield* Effect.sleep(1_000)
    }
  })

const seats = (show: number, from: number, count: number, price: number) => ({
  performanceId: performanceOf(show),
  seats: Array.from({ length: count }, (_, i) => ({
    seatId: seatOf(from + i),
    section: "A",
    row: "1",
    number: String(from + i),
    price: money(BigInt(price), currency)
  }))
})

/** Creates the queues, shows and seats. */
export const arrange = (world: World): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { queues, shows } = world.plan.setup
    for (const { queueId, settings, opensInMs, codeUses } of queues) {
      const opensAt = opensInMs === null ? undefined : new Date(worldStart + opensInMs)
      yield* insist(
        world,
        -1,
        "create",
        queueId,
        (idempotencyKey) =>
          ({ queue }) =>
            queue.create({ queueId, settings, opensAt, idempotencyKey })
      )
      if (codeUses === 0) continue
      yield* insist(
        world,
        -1,
        "addCodes",
        queueId,
        (idempotencyKey) =>
          ({ queue }) =>
            queue.addCodes({ queueId, codes: [codeOf(queueId)], uses: codeUses, idempotencyKey })
      )
    }
    for (const [show, { showId, queueId, seats: count, price }] of shows.entries()) {
      const sales = { salesOpenAt: null, salesCloseAt: null }
      const performance = {
        performanceId: performanceOf(show),
        showId,
        startsAt: new Date("2999-01-01T10:00:00Z"),
        timeZone: "Asia/Seoul"
      }
      yield* insist(
        world,
        -1,
        "addShow",
        showId,
        (idempotencyKey) =>
          ({ catalog }) =>
            catalog.addShow({ showId, title: showId, queueId, ...sales, idempotencyKey })
      )
      yield* insist(
        world,
        -1,
        "addPerformance",
        showId,
        (idempotencyKey) =>
          ({ catalog }) =>
            catalog.addPerformance({ ...performance, idempotencyKey })
      )
      yield* insist(
        world,
        -1,
        "addSeats",
        showId,
        (idempotencyKey) =>
          ({ catalog }) =>
            catalog.addSeats({ ...seats(show, 0, count, price), idempotencyKey })
      )
    }
  })

/** Performs an operation of the plan. */
export const operate = (world: World, step: Step & Operation): Effect.Effect<unknown> => {
  const { setup } = world.plan
  const key = `${step.id}-${step.at}-${world.calmSince ?? ""}`
  const run = (operation: string, ask: (key: string) => Ask<unknown>) =>
    insist(world, step.id, operation, key, ask)
  switch (step.do) {
    case "mode": {
      const { queueId } = setup.queues[step.queue]!
      const { mode } = step
      return run(
        `mode-${mode}-${queueId}`,
        (idempotencyKey) =>
          ({ queue }) =>
            queue.setMode(queueId, mode, { idempotencyKey })
      )
    }
    case "configure": {
      const { queueId } = setup.queues[step.queue]!
      return run(
        "configure",
        (idempotencyKey) =>
          ({ queue }) =>
            queue.configure(queueId, step.change, { idempotencyKey })
      )
    }
    case "reschedule": {
      const { queueId } = setup.queues[step.queue]!
      const opensAt = step.inMs === 0 ? null : new Date(world.database.now() + step.inMs)
      return run(
        "reschedule",
        (idempotencyKey) =>
          ({ queue }) =>
            queue.reschedule(queueId, opensAt, { idempotencyKey })
      )
    }
    case "codes": {
      const { queueId } = setup.queues[step.queue]!
      const codes = [codeOf(queueId)]
      return run(
        "codes",
        (idempotencyKey) =>
          ({ queue }) =>
            queue.addCodes({ queueId, codes, uses: step.uses, idempotencyKey })
      )
    }
    case "addSeats": {
      const { seats: before, price } = setup.shows[step.show]!
      const added = seats(step.show, before + 10 * step.id, step.count, price)
      return run(
        "moreSeats",
        (idempotencyKey) =>
          ({ catalog }) =>
            catalog.addSeats({ ...added, idempotencyKey })
      )
    }
    case "refund": {
      const paid = world.history.calls.filter(
        ({ operation, outcome }) => operation === "pay" && outcome?._tag === "ok"
      )
      const { outcome } = paid[step.nth] ?? {}
      if (outcome?._tag !== "ok") return Effect.void
      const { paymentId } = outcome.value as { readonly paymentId: string }
      return run(
        "refund",
        (idempotencyKey) =>
          ({ payments }) =>
            payments.refund({ paymentId, idempotencyKey })
      )
    }
    case "redeliver": {
      const name = setup.endpoints[step.endpoint]?.name
      if (name === undefined) return Effect.void
      return run(
        "redeliver",
        () =>
          ({ webhooks }) =>
            webhooks.redeliver(name)
      )
    }
    case "resetConsumer": {
      const name = setup.consumers[step.consumer]?.name
      if (name === undefined) return Effect.void
      return run(
        "resetConsumer",
        () =>
          ({ events }) =>
            events.reset(name, "beginning")
      )
    }
    case "resetWebhooks": {
      const name = setup.endpoints[step.endpoint]?.name
      if (name === undefined) return Effect.void
      return run(
        "resetWebhooks",
        () =>
          ({ events }) =>
            events.reset(`webhook:${name}`, "beginning")
      )
    }
    case "moveConsumer":
      return Effect.sync(() => world.consumers.move(step.consumer, step.node))
  }
}
