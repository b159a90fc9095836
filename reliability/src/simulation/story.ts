/** Tells a plan, and what came of it, in words. */
import { type Finding, toldOf } from "./check/facts.ts"
import type { QueuePlan, Setup, Step, Visit } from "./plan.ts"
import type { Played } from "./simulate.ts"

export const storyOf = ({ plan, findings, log }: Played): string => {
  const told = findings.slice(0, findingsMax)
  const more = findings.length - told.length
  const broken = [
    "What broke:",
    ...told.map((finding) => `  ${toldOf(finding)}`),
    ...(more > 0 ? [`  … and ${more} more`] : []),
    ""
  ]
  return [
    `Seed ${plan.seed} (${plan.theme}).`,
    ...tellSetup(plan.setup),
    "",
    ...plan.steps.map((step) => `  ${seconds(step.at)}  ${tellStep(step, plan.setup)}`),
    "",
    ...(findings.length > 0 ? broken : []),
    "The log, in milliseconds:",
    ...shortened(marked(log, told)).map((line) =>
      line.length > 230 ? `  ${line.slice(0, 230)} …` : `  ${line}`
    )
  ].join("\n")
}

const findingsMax = 12
const mark = ">>> "

/** The log, with a line at each place at which a promise broke. */
const marked = (
  log: ReadonlyArray<string>,
  findings: ReadonlyArray<Finding>
): ReadonlyArray<string> => {
  const lines = [...log]
  for (const { invariant, atMs } of findings) {
    if (atMs === undefined) continue
    // Each line of the log begins with its instant.
    const next = lines.findIndex((line) => Number.parseInt(line, 10) > atMs)
    lines.splice(next < 0 ? lines.length : next, 0, `${mark}${invariant} breaks here`)
  }
  return lines
}

/** The beginning and the end of a long log say most, and what is near to a mark. */
const shortened = (log: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (log.length <= 160) return log
  const marks = log.flatMap((line, index) => (line.startsWith(mark) ? [index] : []))
  const isKept = (index: number) =>
    index < 110 ||
    index >= log.length - 50 ||
    marks.some((at) => index >= at - 15 && index <= at + 5)
  return log.flatMap((line, index) => {
    if (isKept(index)) return [line]
    return isKept(index - 1) ? ["     …"] : []
  })
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1).padStart(6)} s`

const tellSetup = (setup: Setup): ReadonlyArray<string> => [
  `${setup.nodes.length} node(s), clocks off by ${setup.nodes.map(({ skewMs }) => `${skewMs} ms`).join(", ")}; ` +
    `a call takes ${setup.latencyMs.join(" to ")} ms, a message to the database ${setup.storeLatencyMs.join(" to ")} ms.`,
  ...setup.queues.map(tellQueue),
  ...setup.shows.map(
    ({ showId, queueId, seats, price, isGated }) =>
      `${showId} has ${seats} seat(s) at ${price}${isGated ? `, behind ${queueId}` : ", open to all"}.`
  ),
  `A hold lasts ${setup.holdSeconds} s; a user may have ${setup.seatsPerUser} seat(s), and ${setup.walletCeiling} in the wallet.`,
  ...setup.consumers.map(
    ({ name, leaseMs }) => `The consumer ${name} has leases of ${leaseMs} ms.`
  ),
  ...setup.endpoints.map(
    ({ name, attempts, timeoutMs }) =>
      `The endpoint ${name} gets ${attempts} attempt(s) of ${timeoutMs} ms.`
  )
]

const tellQueue = ({ queueId, settings, opensInMs, codeUses }: QueuePlan): string => {
  const opening = opensInMs === null ? "is open" : `opens with a draw at ${opensInMs / 1_000} s`
  const codes = codeUses === 0 ? "no code" : `a code for ${codeUses} join(s)`
  return (
    `${queueId} ${opening}: at most ${settings.maxActive} inside and ${settings.admitPerMinute} a minute, ` +
    `claims of ${settings.claimSeconds} s, sessions of ${settings.sessionSeconds} s, ` +
    `absence of ${settings.absenceSeconds} s, a priority share of ${settings.prioritySharePercent} %, ${codes}.`
  )
}

const nodeName = (index: number): string => `node ${String.fromCharCode(65 + index)}`

const tellStep = (step: Step, setup: Setup): string => {
  const queue = "queue" in step ? setup.queues[step.queue]?.queueId : undefined
  const until = "forMs" in step ? `for ${step.forMs} ms` : ""
  switch (step.do) {
    case "visit":
      return tellVisit(step, setup)
    case "mode":
      return `an operator makes ${queue} ${step.mode}`
    case "configure":
      return `an operator sets ${JSON.stringify(step.change)} in ${queue}`
    case "reschedule":
      return `an operator moves the opening of ${queue} to ${step.inMs / 1_000} s from now`
    case "codes":
      return `an operator sets the code of ${queue} to ${step.uses} use(s)`
    case "addSeats":
      return `an operator adds ${step.count} seat(s) to show${step.show}`
    case "refund":
      return `an operator refunds payment ${step.nth + 1}`
    case "redeliver":
      return `an operator redelivers the dead letters of e${step.endpoint}`
    case "resetConsumer":
      return `an operator resets c${step.consumer} to the beginning`
    case "resetWebhooks":
      return `an operator resets the consumer of e${step.endpoint} to the beginning`
    case "moveConsumer":
      return `c${step.consumer} stops and goes on on ${nodeName(step.node)}`
    case "slowNetwork":
      return `calls take up to ${step.ms} ms longer ${until}`
    case "loseCalls":
      return `${step.percent} % of calls and of answers are lost ${until}`
    case "duplicateCalls":
      return `${step.percent} % of calls arrive twice ${until}`
    case "cutStore":
      return `${nodeName(step.node)} loses ${step.percent} % of its connections (${step.when}) ${until}`
    case "slowStore":
      return `messages of ${nodeName(step.node)} to the database take up to ${step.ms} ms longer ${until}`
    case "silentStore":
      return `the connections of ${nodeName(step.node)} are silent ${until}`
    case "killBackends":
      return "half of the database's sessions are killed"
    case "crashStore":
      return `the database crashes, and is away ${until}`
    case "readOnly":
      return `the database is read-only ${until}`
    case "lockRows":
      return `another program locks rows (${step.rows}) ${until}`
    case "stepClock":
      return `the database's clock steps by ${step.ms} ms`
    case "stepNodeClock":
      return `the clock of ${nodeName(step.node)} steps by ${step.ms} ms`
    case "killNode":
      return `${nodeName(step.node)} is killed, and is away ${until}`
    case "closeNode":
      return `${nodeName(step.node)} closes, and is away ${until}`
    case "endpointDown":
      return `e${step.endpoint} ${step.how} ${until}`
    case "hostThrows":
      return `the host's function ${step.where} throws ${until}`
  }
}

const tellVisit = (visit: Visit, setup: Setup): string => {
  const { showId } = setup.shows[visit.show]!
  const how = [visit.keyed ? "with keys" : "without keys", visit.withCode ? "with a code" : ""]
  return (
    `u${visit.user} (${visit.manner}) visits ${showId} by ${nodeName(visit.node)} ${how.join(" ").trim()}: ` +
    `wants ${visit.seats} seat(s), then ${visit.ending}`
  )
}
