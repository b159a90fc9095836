/** Formats a history as text for people. */
import type { Actors } from "./Actors.ts"
import type { Setup, Step } from "./steps.ts"

export const describeSetup = (setup: Setup): string => {
  const { maxActive, admitPerMinute, prioritySharePercent, absenceSeconds, opensInMs } = setup
  const { general, priority } = setup
  const opening =
    opensInMs === 0 ? "is open" : `opens in ${opensInMs / 1_000} s (draw ${setup.draw})`
  const absence = absenceSeconds === 0 ? "any time" : `${absenceSeconds} s`
  return (
    `A queue ${opening}. At most ${maxActive} inside, ${admitPerMinute} a minute, ` +
    `${prioritySharePercent} % of them from the priority lane; waiting users may be absent for ${absence}. ` +
    `First ${general} users join, and ${priority} with a code.`
  )
}

const nodeName = (node: number): string => `on node ${node === 0 ? "A" : "B"}`
const laneName = (priority: boolean): string => (priority ? " with a code" : "")

/** Describes a step before it runs, so the names are those of the users who have joined so far. */
export const describeStep = (step: Step, actors: Actors): string => {
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
      return `each ${step.every === 2 ? "second" : "third"} waiting user leaves ${nodeName(step.node)}`
    case "buy":
      return `an admitted user (number ${step.who}) buys a seat ${nodeName(step.node)}`
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
      const how = step.by === "sweeper" ? "the sweeper runs" : "the last waiting user polls"
      return `3 s pass, in each of which ${how} ${nodeName(step.node)}`
    }
    case "together":
      return `at once: ${describeStep(step.one, actors)}; and ${describeStep(step.other, actors)}`
    case "cut": {
      const how = step.isLost ? "an answer is lost" : "a commit fails"
      return `while ${how}: ${describeStep({ ...step.during, node: step.node }, actors)}`
    }
  }
}
