/**
 * The load generator: HTTP connections in a process of its own, each with one request in flight. It
 * uses plain sockets, so that it takes as little processor time from the server as possible.
 */
import { connect, type Socket } from "node:net"

/** The message of the parent process. */
export interface LoadJob {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** Complete requests as bytes; each connection sends the next one in the list. */
  readonly requests: ReadonlyArray<string>
  /** Whether to start again at the first request after the last one, or to stop. */
  readonly repeat: boolean
}

/** The result that the parent receives. */
export interface LoadReport {
  readonly answers: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Processor time of this process, in microseconds. */
  readonly cpuMicros: number
  /** The number of responses by status. */
  readonly statuses: Readonly<Record<string, number>>
}

const runJob = (job: LoadJob): Promise<LoadReport> =>
  new Promise((resolve, reject) => {
    const requests = job.requests.map((request) => Buffer.from(request))
    const latencies: Array<number> = []
    const statuses: Record<string, number> = {}
    const started = performance.now()
    const cpu = process.cpuUsage()
    const deadline = started + job.seconds * 1_000
    let next = 0
    let open = job.connections

    const end = (socket: Socket) => {
      socket.destroy()
      if (--open > 0) return
      const { user, system } = process.cpuUsage(cpu)
      latencies.sort((a, b) => a - b)
      const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0
      resolve({
        answers: latencies.length,
        seconds: (performance.now() - started) / 1_000,
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        cpuMicros: user + system,
        statuses
      })
    }

    for (let i = 0; i < job.connections; i++) {
      const socket = connect({ port: job.port, host: "127.0.0.1", noDelay: true })
      let sentAt = 0
      let missing = 0
      let head = ""
      const send = () => {
        if (performance.now() >= deadline) return end(socket)
        if (next >= requests.length && !job.repeat) return end(socket)
        sentAt = performance.now()
        socket.write(requests[next++ % requests.length]!)
      }
      const answered = () => {
        latencies.push(performance.now() - sentAt)
        send()
      }
      socket.on("connect", send)
      socket.on("error", reject)
      socket.on("data", (chunk) => {
        if (missing > 0) {
          missing -= chunk.length
          if (missing <= 0) answered()
          return
        }
        head += chunk.toString("latin1", 0, Math.min(chunk.length, 4_096))
        const headEnd = head.indexOf("\r\n\r\n")
        if (headEnd < 0) return
        const status = head.slice(9, 12)
        statuses[status] = (statuses[status] ?? 0) + 1
        const length = Number(/content-length: (\d+)/i.exec(head.slice(0, headEnd))?.[1] ?? 0)
        missing = length - (chunk.length - (headEnd + 4))
        head = ""
        if (missing <= 0) answered()
      })
    }
  })

process.on("message", (job: LoadJob) => {
  runJob(job).then(
    (report) => process.send!(report),
    (error) => {
      console.error(error)
      process.exit(1)
    }
  )
})
