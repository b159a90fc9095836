/**
 * Makes a failing plan small: it leaves out ranges of steps, then single steps, nodes, consumers,
 * endpoints, queues' draws and latencies, as long as the plan still breaks the same promise.
 */
import type { Plan, Setup, Step } from "./plan.ts"
import { type Played, play } from "./simulate.ts"

export interface Shrunk {
  readonly played: Played
  /** How many plans were played. */
  readonly tries: number
}

const triesMax = 400

export const shrink = (failed: Played, replay: (plan: Plan) => Played = play): Shrunk => {
  const invariants = new Set(failed.findings.map(({ invariant }) => invariant))
  let best = failed
  let tries = 0
  const attempt = (plan: Plan): boolean => {
    if (tries >= triesMax) return false
    tries++
    const played = replay(plan)
    const isSame = played.findings.some(({ invariant }) => invariants.has(invariant))
    if (isSame) best = played
    return isSame
  }
  for (let before = -1; before !== sizeOf(best.plan); ) {
    before = sizeOf(best.plan)
    dropSteps(() => best.plan, attempt)
    for (const simpler of simplerSetups(best.plan.setup)) {
      attempt({ ...best.plan, setup: simpler(best.plan.setup) })
    }
    for (const step of best.plan.steps) {
      const calmer = calmed(step)
      if (calmer === step) continue
      attempt({
        ...best.plan,
        steps: best.plan.steps.map((one) => (one.id === step.id ? calmer : one))
      })
    }
  }
  return { played: best, tries }
}

/** Leaves out half of the steps, then quarters, down to single ones. */
const dropSteps = (plan: () => Plan, attempt: (plan: Plan) => boolean): void => {
  for (let size = Math.ceil(plan().steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < plan().steps.length; ) {
      const { steps } = plan()
      const left = [...steps.slice(0, from), ...steps.slice(from + size)]
      if (!attempt({ ...plan(), steps: left })) from += size
    }
  }
}

type Simplify = (setup: Setup) => Setup

const simplerSetups = (setup: Setup): ReadonlyArray<Simplify> => [
  (now) => ({ ...now, nodes: now.nodes.slice(0, 1) }),
  (now) => ({ ...now, nodes: now.nodes.slice(0, 2) }),
  (now) => ({ ...now, nodes: now.nodes.map((node) => ({ ...node, skewMs: 0 })) }),
  (now) => ({ ...now, consumers: now.consumers.slice(0, -1) }),
  (now) => ({ ...now, endpoints: now.endpoints.slice(0, -1) }),
  (now) => ({ ...now, latencyMs: [0, 0] }),
  (now) => ({ ...now, storeLatencyMs: [0, 0] }),
  (now) => ({ ...now, queues: now.queues.map((queue) => ({ ...queue, codeUses: 0 })) }),
  ...setup.queues.map(
    (_, index): Simplify =>
      (now) => ({
        ...now,
        queues: now.queues.map((queue, i) => (i === index ? { ...queue, opensInMs: null } : queue))
      })
  )
]

/** A step that is easier to follow: an honest user, a shorter fault. */
const calmed = (step: Step): Step => {
  if (step.do === "visit" && step.manner !== "honest") return { ...step, manner: "honest" }
  if ("forMs" in step && step.forMs > 200) return { ...step, forMs: 200 }
  return step
}

const sizeOf = ({ steps, setup }: Plan): number =>
  steps.length + setup.nodes.length + setup.consumers.length + setup.endpoints.length
