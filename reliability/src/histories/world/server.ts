/** A node that is a server process of its own, which clients reach by HTTP. */

import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { Asked, Operation } from "../history.ts"
import type { Line } from "../line/line.ts"
import type { SettableClock } from "./clocks.ts"
import { followEvents } from "./events.ts"
import { lostBecause, type Node, type Reply, Supervised, type Way } from "./node.ts"
import { freePort } from "./ports.ts"
import {
  adminToken,
  currency,
  drawnQueue,
  gated,
  holdSeconds,
  signingKey,
  waits,
  webhookSecret
} from "./settings.ts"
import { seatsToAdd } from "./setUp.ts"

/** Which variable of the server has the secret of its webhooks. */
export const secretVariable = "HISTORIES_WEBHOOK_SECRET"

export interface ServerOptions {
  readonly name: string
  readonly line: Line
  readonly clock: SettableClock | undefined
  readonly logs: string
  readonly webhooks: string
  readonly way: Way
  readonly onEnd: (name: string, how: string) => void
}

export const makeServer = async (options: ServerOptions): Promise<Node> => {
  const { name, line, clock, logs, way, onEnd } = options
  const port = await freePort()
  const baseUrl = `http://127.0.0.1:${port}`
  const isReady = async () => {
    const signal = AbortSignal.timeout(3_000)
    const answer = await fetch(`${baseUrl}/readyz`, { signal }).catch(() => undefined)
    await answer?.body?.cancel()
    return answer?.status === 200
  }
  const isLive = async () => {
    const answer = await fetch(`${baseUrl}/livez`).catch(() => undefined)
    await answer?.body?.cancel()
    return answer !== undefined
  }
  const child = new Supervised({
    name,
    program: fileURLToPath(new URL("./serverProcess.ts", import.meta.url)),
    args: ["serve"],
    environment: {
      ...clock?.environment,
      ...way.environment,
      BOXOFFICE_PREPARED_STATEMENTS: way.isPooled ? "off" : "on",
      HOST: "127.0.0.1",
      PORT: String(port),
      DATABASE_URL: line.url,
      BOXOFFICE_IDENTITY: "header",
      BOXOFFICE_CHARGES: "user",
      BOXOFFICE_SIGNING_KEYS: `k1:${signingKey}`,
      BOXOFFICE_ADMIN_TOKEN: adminToken,
      BOXOFFICE_CURRENCY: currency,
      BOXOFFICE_GATE: gated.join(),
      BOXOFFICE_HOLD_SECONDS: String(holdSeconds),
      BOXOFFICE_CONNECTIONS: "6",
      BOXOFFICE_LOG_LEVEL: "warn",
      BOXOFFICE_DRAIN_SECONDS: "2",
      BOXOFFICE_WEBHOOKS: options.webhooks,
      [secretVariable]: webhookSecret,
      BOXOFFICE_LOCK_TIMEOUT_MS: String(waits.lockTimeoutMs),
      BOXOFFICE_STATEMENT_TIMEOUT_MS: String(waits.statementTimeoutMs),
      BOXOFFICE_IDLE_IN_TRANSACTION_MS: String(waits.idleInTransactionMs),
      BOXOFFICE_ANSWER_WITHIN_MS: String(waits.answerWithinMs),
      BOXOFFICE_CONNECT_WITHIN_MS: String(waits.connectWithinMs),
      BOXOFFICE_CLOSE_WITHIN_MS: String(waits.closeWithinMs)
    },
    logs,
    untilServing: async (process) => {
      while (!(await isLive())) {
        if (process.exitCode !== null || process.signalCode !== null) throw new Error("it ended")
        await sleep(50)
      }
    },
    onEnd
  })
  return {
    name,
    line,
    clock,
    send: (asked, withinMs) => request(baseUrl, asked, withinMs),
    watch: (asked, hear, stop) => {
      const { path } = requestOf(asked)
      return followEvents(`${baseUrl}${path}`, headersOf(asked), hear, stop)
    },
    isReady,
    ...child.controls
  }
}

interface Request {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly isOperator?: true
}

const modePaths: Readonly<Record<string, string>> = {
  open: "resume",
  paused: "pause",
  draining: "drain"
}

const requestOf = ({ operation, input }: Asked): Request => {
  const { queueId, performanceId, reservationId, seatIds, amount } = input
  const requests: Record<Operation, () => Request> = {
    join: () => ({ method: "POST", path: `/v1/queues/${queueId}/token` }),
    poll: () => ({ method: "GET", path: `/v1/queues/${queueId}/token` }),
    watch: () => ({ method: "GET", path: `/v1/queues/${queueId}/token/events` }),
    leave: () => ({ method: "DELETE", path: `/v1/queues/${queueId}/token` }),
    seats: () => ({ method: "GET", path: `/v1/performances/${performanceId}/seats?status=all` }),
    hold: () => ({ method: "POST", path: "/v1/reservations", body: { performanceId, seatIds } }),
    reservation: () => ({ method: "GET", path: `/v1/reservations/${reservationId}` }),
    release: () => ({ method: "DELETE", path: `/v1/reservations/${reservationId}` }),
    charge: () => ({ method: "POST", path: "/v1/wallet/charges", body: { amount, currency } }),
    balance: () => ({ method: "GET", path: "/v1/wallet" }),
    pay: () => ({ method: "POST", path: "/v1/payments", body: { reservationId } }),
    refund: () => ({
      method: "POST",
      path: `/v1/admin/payments/${input.paymentId}/refund`,
      isOperator: true
    }),
    setMode: () => ({
      method: "POST",
      path: `/v1/admin/queues/${queueId}/${modePaths[input.mode!]}`,
      isOperator: true
    }),
    queue: () => ({ method: "GET", path: `/v1/admin/queues/${queueId}`, isOperator: true }),
    createQueue: () => ({
      method: "POST",
      path: "/v1/admin/queues",
      body: { queueId, settings: drawnQueue, opensAt: new Date(input.opensAt!).toISOString() },
      isOperator: true
    }),
    notice: () => ({ method: "GET", path: `/v1/queues/${queueId}` }),
    addSeats: () => ({
      method: "POST",
      path: `/v1/admin/performances/${performanceId}/seats`,
      body: { seats: seatsToAdd(seatIds!) },
      isOperator: true
    })
  }
  return requests[operation]()
}

const headersOf = (asked: Asked): Record<string, string> => {
  const headers: Record<string, string> = requestOf(asked).isOperator
    ? { authorization: `Bearer ${adminToken}` }
    : { "x-user-id": asked.user, "queue-token": asked.input.queueToken ?? "" }
  if (asked.input.code !== undefined) headers["queue-code"] = asked.input.code
  if (asked.key !== undefined) headers["idempotency-key"] = asked.key
  return headers
}

const request = async (baseUrl: string, asked: Asked, withinMs: number): Promise<Reply> => {
  const { method, path, body } = requestOf(asked)
  const headers = headersOf(asked)
  if (body !== undefined) headers["content-type"] = "application/json"
  const signal = AbortSignal.timeout(withinMs)
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  try {
    const answer = await fetch(`${baseUrl}${path}`, { method, headers, signal, ...sent })
    const text = await answer.text()
    const read = text === "" ? {} : JSON.parse(text)
    const replayed = answer.headers.get("idempotency-replayed") === "true"
    if (answer.ok) return { body: read, ...(replayed && { replayed }) }
    return {
      code: read.code ?? `status_${answer.status}`,
      body: read,
      ...(replayed && { replayed })
    }
  } catch (error) {
    return { code: lostBecause(error), isLost: true }
  }
}
