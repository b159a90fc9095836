/** Counts and times requests, for Prometheus. */
import { type Context, Effect, Metric } from "effect"

const requests = "boxoffice_http_requests_total"
const durations = "boxoffice_http_request_duration_seconds"
const boundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const methods = new Set(["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"])

export const makeMeasure = Effect.contextWith((context: Context.Context<never>) =>
  Effect.sync(() => {
    // Nested maps, because a text as the key would be built again for each request.
    const known = new Map<string, Map<string, Map<number, (ms: number) => void>>>()
    return (method: string, route: string, status: number, ms: number): void => {
      let record = known.get(method)?.get(route)?.get(status)
      if (record === undefined) {
        // A client can send any method; the number of label values must stay bounded.
        const attributes = { method: methods.has(method) ? method : "other", route }
        const count = Metric.counter(requests, {
          description: "Requests answered",
          attributes: { ...attributes, status: String(status) },
          incremental: true
        })
        const duration = Metric.histogram(durations, {
          description: "Time to the head of the answer",
          attributes,
          boundaries
        })
        record = (ms) => {
          count.updateUnsafe(1, context)
          duration.updateUnsafe(ms / 1_000, context)
        }
        if (methods.has(method)) {
          const routes = getOrAdd(known, method, () => new Map())
          getOrAdd(routes, route, () => new Map()).set(status, record)
        }
      }
      record(ms)
    }
  })
)

const getOrAdd = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
}
