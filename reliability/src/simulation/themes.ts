/**
 * Themes of seeds: each brings one kind of trouble close together, which a seed of everything seldom
 * does. A theme changes a drawn setup, and says when steps begin and which of them come in addition.
 */

import type { Random } from "../random.ts"
import type { Fault, Operation, Setup, Visit } from "./plan.ts"

type Action = Visit | Operation | Fault
/** An action, and when it begins: in milliseconds after the start. */
export type Timed = Action & { readonly at: number }

export interface Theme {
  readonly name: string
  /** How many of a hundred seeds have it. */
  readonly percent: number
  readonly setup: (random: Random, setup: Setup) => Setup
  readonly visit: (random: Random, visit: Visit, index: number) => Visit & { readonly at: number }
  readonly visits: readonly [low: number, high: number]
  readonly extras: (random: Random) => ReadonlyArray<Timed>
  /** How many drawn faults come in addition. */
  readonly faults: number
}

const oneQueue = (setup: Setup, change: Partial<Setup["queues"][number]> = {}): Setup => ({
  ...setup,
  queues: [{ ...setup.queues[0]!, ...change }],
  shows: [{ ...setup.shows[0]!, queueId: "q0", isGated: true }]
})

const openToAll = (setup: Setup, seats: number): Setup => {
  const only = oneQueue(setup)
  return { ...only, shows: [{ ...only.shows[0]!, isGated: false, seats }] }
}

const soon = (random: Random, ms: number): { readonly at: number } => ({ at: random.below(ms) })

const times = (count: number, make: () => Timed): ReadonlyArray<Timed> =>
  Array.from({ length: count }, make)

export const themes: ReadonlyArray<Theme> = [
  {
    // Many users come to one draw; some leave before it.
    name: "rush",
    percent: 15,
    visits: [6, 10],
    faults: 1,
    setup: (random, setup) => {
      const { settings } = setup.queues[0]!
      return oneQueue(setup, {
        opensInMs: random.between(2_500, 5_000),
        codeUses: random.pick([0, 100, 100]),
        settings: {
          ...settings,
          maxActive: random.pick([1, 2, 3]),
          admitPerMinute: 60_000,
          prioritySharePercent: random.pick([25, 50, 50]),
          absenceSeconds: 0
        }
      })
    },
    visit: (random, visit, index) => ({
      ...visit,
      // Most come before the draw, and some when it is over.
      at: random.chance(0.7) ? random.below(1_500) : 5_000 + random.below(3_000),
      user: index,
      show: 0,
      manner: random.pick(["honest", "honest", "fickle", "fickle", "absent"]),
      ending: random.pick(["pay", "leave", "idle"]),
      withCode: random.chance(0.5)
    }),
    extras: () => []
  },
  {
    // One user asks for more and more seats at once, on several nodes.
    name: "limits",
    percent: 9,
    visits: [6, 9],
    faults: 1,
    setup: (random, setup) => ({
      ...openToAll(setup, 6),
      nodes: [0, 1].map(() => ({ skewMs: 0, maxConnections: 10 })),
      seatsPerUser: random.pick([1, 2]),
      storeLatencyMs: [1, 20],
      latencyMs: [0, 2]
    }),
    visit: (random, visit, index) => ({
      ...visit,
      at: random.below(2) * 3_000 + random.below(40),
      user: 0,
      show: 0,
      manner: "honest",
      ending: random.pick(["pay", "pay", "idle"]),
      seats: 1,
      first: index % 6,
      node: index % 2
    }),
    extras: () => []
  },
  {
    // The database's clock goes back while holds lapse and others take their seats.
    name: "clock",
    percent: 9,
    visits: [4, 7],
    faults: 1,
    setup: (random, setup) => ({
      ...openToAll(setup, random.pick([1, 1, 2])),
      holdSeconds: 2,
      seatsPerUser: 20,
      sweepEveryMs: 5_000
    }),
    visit: (random, visit, index) => ({
      ...visit,
      ...soon(random, 9_000),
      user: index,
      show: 0,
      manner: random.pick(["slow", "slow", "honest"]),
      ending: "pay"
    }),
    extras: (random) =>
      times(random.between(2, 4), () => ({
        ...{ do: "stepClock", ms: random.pick([-7_000, -7_000, -4_000, 9_000]) },
        at: random.below(16_000)
      }))
  },
  {
    // The host's own functions throw while holds and sessions lapse.
    name: "host",
    percent: 7,
    visits: [3, 6],
    faults: 0,
    setup: (random, setup) => ({
      ...setup,
      nodes: setup.nodes.slice(0, random.pick([1, 1, 2])),
      holdSeconds: 2,
      sweepEveryMs: 1_000
    }),
    visit: (random, visit) => ({
      ...visit,
      ...soon(random, 3_000),
      ending: random.pick(["idle", "idle", "pay"])
    }),
    extras: (random) =>
      times(2, () => ({
        do: "hostThrows",
        at: random.below(6_000),
        forMs: random.pick([1_500, 4_000]),
        where: random.pick(["inTransaction", "inTransaction", "handler", "price"])
      }))
  },
  {
    // Consumers stop in the middle of batches with many events, and go on elsewhere.
    name: "readers",
    percent: 8,
    visits: [5, 8],
    faults: 2,
    setup: (random, setup) => ({
      ...oneQueue(setup, { opensInMs: random.between(1_500, 4_000) }),
      queues: [
        {
          ...oneQueue(setup, { opensInMs: random.between(1_500, 4_000) }).queues[0]!,
          settings: { ...setup.queues[0]!.settings, maxActive: 4, admitPerMinute: 60_000 }
        }
      ],
      consumers: [
        { name: "c0", leaseMs: 1_000, node: 0 },
        { name: "c1", leaseMs: 3_000, node: 1 }
      ],
      storeLatencyMs: [1, 60]
    }),
    visit: (random, visit, index) => ({ ...visit, ...soon(random, 2_000), user: index, show: 0 }),
    extras: (random) =>
      times(random.between(4, 7), () => ({
        ...{ do: "moveConsumer", consumer: random.below(2), node: random.below(4) },
        at: 1_500 + random.below(9_000)
      }))
  },
  {
    // Endpoints fail, events become dead letters, and are delivered again.
    name: "webhooks",
    percent: 7,
    visits: [3, 5],
    faults: 1,
    setup: (random, setup) => ({
      ...setup,
      endpoints: [{ name: "e0", attempts: random.pick([1, 2, 3]), retryMs: 200, timeoutMs: 500 }]
    }),
    visit: (random, visit) => ({ ...visit, ...soon(random, 4_000) }),
    extras: (random) => [
      {
        do: "endpointDown",
        endpoint: 0,
        at: 500,
        forMs: random.pick([4_000, 25_000]),
        how: random.pick(["refuses", "refuses", "resets", "hangs", "asks for patience"])
      },
      { do: "resetWebhooks", endpoint: 0, at: 3_000 + random.below(4_000) },
      { do: "redeliver", endpoint: 0, at: 6_000 + random.below(6_000) }
    ]
  },
  {
    // The database crashes again and again while batches commit.
    name: "crashes",
    percent: 8,
    visits: [5, 8],
    faults: 1,
    setup: (_, setup) => ({
      ...openToAll(setup, 6),
      nodes: [0, 1, 2].map(() => ({ skewMs: 0, maxConnections: 10 })),
      // A transaction is open for a while, so that a crash often meets one.
      storeLatencyMs: [10, 60]
    }),
    visit: (random, visit, index) => ({
      ...visit,
      ...soon(random, 3_000),
      user: index,
      show: 0,
      manner: random.pick(["honest", "greedy", "repeating"]),
      ending: "pay",
      node: index % 3
    }),
    extras: (random) =>
      times(random.between(6, 10), () => ({
        ...{ do: "crashStore", forMs: random.pick([20, 60, 200]) },
        at: random.below(5_000)
      }))
  },
  {
    // Users wait for minutes and poll, while nodes close and die. It takes long: few seeds have it.
    name: "absence",
    percent: 2,
    visits: [3, 4],
    faults: 0,
    setup: (random, setup) => ({
      ...oneQueue(setup, {
        opensInMs: null,
        settings: {
          ...setup.queues[0]!.settings,
          maxActive: 1,
          admitPerMinute: 60_000,
          sessionSeconds: random.pick([75, 100]),
          absenceSeconds: random.pick([30, 60])
        }
      }),
      nodes: [0, 1].map(() => ({ skewMs: 0, maxConnections: 10 })),
      consumers: [],
      endpoints: [],
      sweepEveryMs: 5_000
    }),
    visit: (random, visit, index) => ({
      ...visit,
      ...soon(random, 2_000),
      user: index,
      show: 0,
      manner: index === 2 && random.chance(0.5) ? "absent" : "honest",
      ending: "idle"
    }),
    extras: (random) =>
      times(2, () => ({
        ...{ do: random.pick(["closeNode", "killNode"]), node: random.below(2), forMs: 3_000 },
        at: 20_000 + random.below(160_000)
      }))
  }
]

/** A seed without a theme is mixed. */
export const themeNames: ReadonlyArray<string> = ["mixed", ...themes.map(({ name }) => name)]
