/** Makes the plan of a seed. */
import type { QueueSettings } from "@boxoffice/core"
import { Random } from "../random.ts"
import type {
  EndpointPlan,
  Fault,
  HostFunction,
  LockedRows,
  Manner,
  Operation,
  Plan,
  QueuePlan,
  Setup,
  ShowPlan,
  Step,
  Visit
} from "./plan.ts"
import { type Theme, type Timed, themes } from "./themes.ts"

/** For how long steps begin, in milliseconds. */
const spanMs = 14_000

export const planOf = (seed: number): Plan => {
  const random = new Random(`plan/${seed}`)
  const theme = themeOf(random)
  if (theme !== undefined) return themed(seed, random, theme)
  const setup = setupOf(random)
  const visits = times(random.between(3, 9), () => visitOf(random, setup))
  const operations = times(random.below(5), () => operationOf(random, setup))
  const faults = times(random.chance(0.1) ? 0 : random.between(1, 6), () => faultOf(random, setup))
  const steps = [...visits, ...operations, ...faults].map((step) => ({
    at: momentOf(random, step),
    ...step
  }))
  return { seed, theme: "mixed", setup, steps: ordered(steps) }
}

const themeOf = (random: Random): Theme | undefined => {
  let percent = random.below(100)
  return themes.find((theme) => {
    percent -= theme.percent
    return percent < 0
  })
}

const themed = (seed: number, random: Random, theme: Theme): Plan => {
  const setup = theme.setup(random, setupOf(random))
  const visits = times(random.between(...theme.visits), (index) =>
    theme.visit(random, visitOf(random, setup), index)
  )
  const faults = times(theme.faults, () => ({
    ...faultOf(random, setup),
    at: random.below(spanMs)
  }))
  const steps = [...visits, ...theme.extras(random), ...faults]
  return { seed, theme: theme.name, setup, steps: ordered(steps) }
}

const ordered = (steps: ReadonlyArray<Timed>): ReadonlyArray<Step> =>
  steps.toSorted((a, b) => a.at - b.at).map((step, id): Step => ({ id, ...step }))

/** Users come early, so that there is work during the faults. */
const momentOf = (random: Random, step: { readonly do: string }): number =>
  Math.floor(random.next() * (step.do === "visit" ? spanMs / 3 : spanMs))

const setupOf = (random: Random): Setup => {
  const queues = times(random.pick([1, 1, 1, 2, 3]), (i) => queueOf(random, i))
  const shows = queues.map(({ queueId }, i) => showOf(random, i, queueId))
  if (random.chance(0.15)) {
    shows.push({ ...showOf(random, shows.length, queues[0]!.queueId), isGated: false })
  }
  const nodes = random.pick([1, 1, 2, 2, 2, 3, 4])
  return {
    nodes: times(nodes, () => ({
      skewMs: random.chance(0.3) ? random.between(-300_000, 300_000) : 0,
      maxConnections: random.pick([2, 10, 10])
    })),
    queues,
    shows,
    consumers: times(random.pick([0, 0, 1, 1, 2]), (i) => ({
      name: `c${i}`,
      leaseMs: random.pick([1_000, 3_000, 10_000]),
      node: random.below(nodes)
    })),
    endpoints: times(random.pick([0, 0, 0, 0, 1, 2]), (i) => endpointOf(random, i)),
    holdSeconds: random.pick([2, 5, 10, 30]),
    seatsPerUser: random.pick([1, 2, 3, 20]),
    walletCeiling: random.pick([3_000, 100_000, 100_000]),
    endedTokenSeconds: random.pick([20, 86_400]),
    batchSize: random.pick([2, 1_000, 1_000]),
    sweepEveryMs: random.pick([1_000, 3_000, 5_000]),
    latencyMs: random.pick([
      [0, 2],
      [1, 20],
      [5, 300]
    ] as const),
    storeLatencyMs: random.pick([
      [0, 0],
      [0, 1],
      [0, 5],
      [1, 60]
    ] as const)
  }
}

const queueOf = (random: Random, index: number): QueuePlan => {
  const settings: QueueSettings = {
    maxActive: random.pick([1, 1, 2, 3]),
    admitPerMinute: random.pick([6, 20, 60, 60_000]),
    claimSeconds: random.pick([2, 5, 9]),
    sessionSeconds: random.pick([3, 6, 12]),
    prioritySharePercent: random.pick([1, 25, 50, 75, 100]),
    absenceSeconds: random.pick([0, 60])
  }
  return {
    queueId: `q${index}`,
    settings,
    opensInMs: random.chance(0.4) ? random.between(1_000, 8_000) : null,
    codeUses: random.pick([0, 2, 100])
  }
}

const showOf = (random: Random, index: number, queueId: string): ShowPlan => ({
  showId: `show${index}`,
  queueId,
  isGated: true,
  seats: random.between(1, 6),
  price: random.pick([0, 500, 500, 1_000, 1_700])
})

const endpointOf = (random: Random, index: number): EndpointPlan => ({
  name: `e${index}`,
  attempts: random.pick([1, 2, 3, 12]),
  retryMs: random.pick([200, 1_000]),
  timeoutMs: random.pick([500, 2_000])
})

const manners: ReadonlyArray<Manner> = [
  "honest",
  "honest",
  "honest",
  "greedy",
  "slow",
  "repeating",
  "repeating",
  "absent",
  "fickle"
]

const visitOf = (random: Random, { shows, nodes }: Setup): Visit => {
  const show = random.below(shows.length)
  return {
    do: "visit",
    user: random.below(8),
    manner: random.pick(manners),
    ending: random.pick(["pay", "pay", "pay", "pay", "release", "leave", "idle"]),
    show,
    seats: random.pick([1, 1, 1, 2, 3]),
    first: random.below(shows[show]!.seats),
    withCode: random.chance(0.3),
    keyed: random.chance(0.8),
    node: random.below(nodes.length)
  }
}

const operationOf = (random: Random, setup: Setup): Operation => {
  const queue = random.below(setup.queues.length)
  const change = random.pick<Partial<QueueSettings>>([
    { maxActive: 1 },
    { maxActive: 4 },
    { admitPerMinute: 3 },
    { admitPerMinute: 60_000 },
    { prioritySharePercent: 50 }
  ])
  const kinds: ReadonlyArray<() => Operation> = [
    () => ({ do: "mode", queue, mode: random.pick(["paused", "draining", "open"]) }),
    () => ({ do: "mode", queue, mode: "open" }),
    () => ({ do: "mode", queue, mode: random.chance(0.4) ? "closed" : "open" }),
    () => ({ do: "configure", queue, change }),
    () => ({ do: "reschedule", queue, inMs: random.pick([0, 2_000, 8_000]) }),
    () => ({ do: "codes", queue, uses: random.pick([0, 1, 5]) }),
    () => ({ do: "addSeats", show: random.below(setup.shows.length), count: random.between(1, 3) }),
    () => ({ do: "refund", nth: random.below(4) }),
    () => ({ do: "refund", nth: random.below(4) }),
    () => ({ do: "redeliver", endpoint: random.below(2) }),
    () => ({ do: "resetConsumer", consumer: random.below(2) }),
    () => ({ do: "moveConsumer", consumer: random.below(2), node: random.below(4) }),
    () => ({ do: "moveConsumer", consumer: random.below(2), node: random.below(4) })
  ]
  return random.pick(kinds)()
}

const faultOf = (random: Random, { nodes }: Setup): Fault => {
  const node = random.below(nodes.length)
  const forMs = random.pick([200, 1_500, 4_000, 12_000])
  const percent = random.pick([10, 40, 100])
  const rows = random.pick<LockedRows>(["queue", "wallet", "seat"])
  const where = random.pick<HostFunction>([
    "price",
    "admission",
    "walletCeiling",
    "inTransaction",
    "handler"
  ])
  const hour = 3_600_000
  const kinds: ReadonlyArray<() => Fault> = [
    () => ({ do: "slowNetwork", forMs, ms: random.pick([100, 2_000]) }),
    () => ({ do: "loseCalls", forMs, percent: random.pick([10, 40]) }),
    () => ({ do: "duplicateCalls", forMs, percent }),
    () => ({ do: "cutStore", forMs, node, percent, when: "before commit" }),
    () => ({ do: "cutStore", forMs, node, percent, when: "after commit" }),
    () => ({ do: "cutStore", forMs, node, percent, when: "anywhere" }),
    () => ({ do: "slowStore", forMs, node, ms: random.pick([50, 700]) }),
    () => ({ do: "silentStore", forMs, node }),
    () => ({ do: "killBackends" }),
    () => ({ do: "crashStore", forMs: random.pick([100, 2_000, 6_000]) }),
    () => ({ do: "readOnly", forMs }),
    () => ({ do: "lockRows", forMs, rows }),
    () => ({ do: "stepClock", ms: random.pick([-hour, -7_000, -500, 700, 9_000, hour]) }),
    () => ({ do: "stepNodeClock", node, ms: random.pick([-hour, -5_000, 5_000, hour]) }),
    () => ({ do: "killNode", node, forMs: random.pick([500, 3_000]) }),
    () => ({ do: "killNode", node, forMs: random.pick([500, 3_000]) }),
    () => ({ do: "closeNode", node, forMs: random.pick([500, 3_000]) }),
    () => ({
      do: "endpointDown",
      endpoint: random.below(2),
      forMs,
      how: random.pick(["refuses", "resets", "hangs", "asks for patience"])
    }),
    () => ({ do: "hostThrows", forMs, where })
  ]
  return random.pick(kinds)()
}

const times = <A>(count: number, make: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => make(i))
