/** Makes calls, and logs each as its client sees it. Some requests are sent twice, the second late. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Random } from "../../random.ts"
import type { Answer, Asked, HistoryLog, Operation } from "../history.ts"
import type { Node, Reply } from "../world/node.ts"
import { digest, tokenIdOf } from "./digest.ts"

/** How long a client waits. A node answers earlier, whatever its database does. */
export const timeoutMs = 60_000

/** Refusals that say that nothing was done. Of all other codes, these leave it open. */
const leaveOpen = ["store_unavailable", "internal_error"]

export interface CallerOptions {
  readonly log: HistoryLog
  readonly nodes: ReadonlyArray<Node>
  /** How many of the requests with a key are sent twice. */
  readonly repeats: { share: number }
}

export class Caller {
  readonly #options: CallerOptions
  readonly #late = new Set<Promise<unknown>>()
  readonly #open = new Map<string, Asked & { readonly call: number }>()

  constructor(options: CallerOptions) {
    this.#options = options
  }

  get nodes(): ReadonlyArray<Node> {
    return this.#options.nodes
  }

  get log(): HistoryLog {
    return this.#options.log
  }

  /** Sends a request to a node of its own choice; without a key it is sent once. */
  call(random: Random, asked: Omit<Asked, "node">): Promise<Answer> {
    const { repeats } = this.#options
    const call = this.#send({ ...asked, node: this.#someNode(random).name })
    if (asked.key !== undefined && random.chance(repeats.share)) {
      const delayMs = random.pick([0, 20, 300, 2_000, 8_000])
      const again = { ...asked, node: this.#someNode(random).name, repeats: call.id }
      this.#keep(sleep(delayMs).then(() => this.#send(again).answer))
    }
    return call.answer
  }

  /** Follows a queue token by an event stream of one server, until `stop` or until the stream ends. */
  async watch(
    random: Random,
    asked: Omit<Asked, "node" | "operation">,
    hear: (result: Answer["result"]) => void,
    stop: AbortSignal
  ): Promise<Answer> {
    const { log, nodes } = this.#options
    const servers = nodes.filter(({ watch }) => watch !== undefined)
    const node = this.#someNode(random, servers)
    const opened: Asked = { ...asked, operation: "watch", node: node.name }
    const id = log.invoke(logged(opened))
    const onBody = (body: Reply["body"]) => {
      const result = digest("watch", body)
      log.told(id, result)
      hear(result)
    }
    const { code, isLost } = await node.watch!(opened, onBody, stop)
    const answer: Answer =
      code === undefined ? { outcome: "ok" } : { outcome: outcomeOf(code, isLost), code }
    log.end(id, answer)
    return answer
  }

  /** Resolves once every request that was sent late is answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#late)
  }

  /** Commands with a key of which no answer has told yet what became of them. */
  get open(): ReadonlyArray<Asked & { readonly call: number }> {
    return [...this.#open.values()]
  }

  /** As behind a load balancer, which takes a moment to notice that a node is gone. */
  #someNode(random: Random, nodes = this.#options.nodes): Node {
    const serving = nodes.filter((node) => node.isServing())
    const isNoticed = serving.length > 0 && random.chance(0.9)
    return random.pick(isNoticed ? serving : nodes)
  }

  #keep(late: Promise<unknown>): void {
    this.#late.add(late)
    void late.finally(() => this.#late.delete(late))
  }

  #note(asked: Asked, call: number, { outcome, replayed }: Answer): void {
    if (asked.key === undefined) return
    // A refusal of the gate says nothing of an earlier request with this key.
    if (outcome === "ok" || replayed) this.#open.delete(asked.key)
    else if (outcome === "unknown") this.#open.set(asked.key, { ...asked, call })
  }

  #send(asked: Asked): { readonly id: number; readonly answer: Promise<Answer> } {
    const { log, nodes } = this.#options
    const id = log.invoke(logged(asked))
    const node = nodes.find(({ name }) => name === asked.node)!
    const answer = node.send(asked, timeoutMs).then((reply) => {
      const answer = answerOf(asked.operation, reply)
      const { token: _, ...told } = answer.result ?? {}
      this.#note(asked, id, answer)
      log.end(id, answer.result === undefined ? answer : { ...answer, result: told })
      return answer
    })
    return { id, answer }
  }
}

const answerOf = (operation: Operation, { code, isLost, body, replayed }: Reply): Answer => {
  const flag = replayed ? { replayed } : {}
  if (code === undefined) return { outcome: "ok", result: digest(operation, body), ...flag }
  return { outcome: outcomeOf(code, isLost), code, ...flag }
}

const outcomeOf = (code: string, isLost: boolean | undefined): "unknown" | "fail" => {
  const isOpen = isLost ? code !== "not_sent" : leaveOpen.includes(code)
  return isOpen ? "unknown" : "fail"
}

/** With the id of the queue token instead of the token, which is too long to keep. */
const logged = (asked: Asked): Asked => {
  const { queueToken, ...rest } = asked.input
  if (queueToken === undefined) return asked
  return { ...asked, input: { ...rest, tokenId: tokenIdOf(queueToken) } }
}
