/**
 * Signed webhooks: deliver every event to the endpoints that the host configures, at least once and
 * in order for each aggregate.
 *
 * @module
 */
export { type WebhookEndpoint, WebhookEndpointInvalid } from "./webhooks/endpoint.ts"
export {
  type DeadLettersPage,
  type StartedWebhooks,
  startWebhooks,
  Webhooks
} from "./webhooks/webhooks.ts"
