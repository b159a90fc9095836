/** A history as a story that a person can read. */
import type { Actors } from "./Actors.ts"
import type { Setup, Step } from "./steps.ts"

export const tellSetup = (setup: Setup): string => {
  const { maxActive, admitPerMinute, prioritySharePercent, absenceSeconds, opensInMs } = setup
  const { general, priority } = setup
  const opening =
    opensInMs === 0 ? "is open" : `opens in ${opensInMs / 1_000} s (draw ${setup.draw})`
  const absence = absenceSeconds === 0 ? "ever" : `${absenceSeconds} s`
  return (
    `A queue ${opening}. At most ${maxActive} inside, ${admitPerMinute} a minute, ` +
    `${prioritySharePercent} % of them from the priority lane; whoever is away is waited for ${absence}. ` +
    `First ${general} people come, and ${priority} with a code.`
  )
}

const nodeName = (node: number): string => `on node ${node === 0 ? "A" : "B"}`
const laneName = (priority: boolean): string => (priority ? " with a code" : "")

/** Told before it happens: so the names are those of who came until then. */
export const tellStep = (step: Step, actors: Actors): string => {
  const name = (who: number) => actors.personAt(who)?.userId ?? "nobody"
  switch (step._tag) {
    case "join": {
      const first = actors.nextUser
      const names =
        step.size === 1 ? `u${first} joins` : `u${first} to u${first + step.size - 1} join`
      return `${names}${laneName(step.priority)} ${nodeName(step.node)}`
    }
    case "joinByKey":
      return `u${actors.nextUser} joins${laneName(step.priority)} by a key ${nodeName(step.node)}`
    case "joinAgain":
      return `${name(step.who)} joins again${step.keyed ? " by a key" : ""} ${nodeName(step.node)}`
    case "repeat": {
      const key = actors.requestAt(step.back)?.idempotencyKey ?? "none"
      return `the request with the key ${key} is sent again ${nodeName(step.node)}`
    }
    case "poll":
      return `${name(step.who)} polls ${nodeName(step.node)}`
    case "pollAll":
      return `all poll ${nodeName(step.node)}`
    case "leave":
      return `${name(step.who)} leaves ${nodeName(step.node)}`
    case "leaveMany":
      return `each ${step.every === 2 ? "second" : "third"} of those who wait leaves ${nodeName(step.node)}`
    case "buy":
      return `one of those inside (number ${step.who}) buys a seat ${nodeName(step.node)}`
    case "hold":
      return `${name(step.who)} asks for a seat ${nodeName(step.node)}`
    case "mode":
      return `an operator makes the queue ${step.mode} ${nodeName(step.node)}`
    case "configure":
      return `an operator sets ${JSON.stringify(step.change)} ${nodeName(step.node)}`
    case "reschedule": {
      const when = step.inMs === 0 ? "now" : `in ${step.inMs / 1_000} s`
      return `an operator moves the opening to ${when} ${nodeName(step.node)}`
    }
    case "restart":
      return `a node is closed and another one started ${nodeName(step.node)}`
    case "wait":
      return `${step.ms} ms pass`
    case "minutes":
      return `${step.count} min pass, in which ${step.pollers} poll ${nodeName(step.node)}`
    case "seconds": {
      const how = step.by === "sweeper" ? "the sweeper runs" : "the last who waits polls"
      return `3 s pass, in each of which ${how} ${nodeName(step.node)}`
    }
    case "together":
      return `at once: ${tellStep(step.one, actors)}; and ${tellStep(step.other, actors)}`
    case "cut": {
      const how = step.isLost ? "an answer is lost" : "a commit fails"
      return `while ${how}: ${tellStep({ ...step.during, node: step.node }, actors)}`
    }
  }
}
