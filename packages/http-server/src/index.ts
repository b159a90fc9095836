/**
 * The reference HTTP server, for a host that runs it as a part of something else. On its own it is
 * the `boxoffice` command.
 *
 * @module
 */
export * from "./api.ts"
export type { AskedCharge, ChargesOption } from "./charges.ts"
export { Drain } from "./drain.ts"
export type { RequestRecord } from "./exchange.ts"
export type { IdentityOptions } from "./identity.ts"
export { type NodeHandler, type NodeHandlerOptions, toNodeHandler } from "./nodeHandler.ts"
export { layerRoutes, type RoutesOptions, routerConfig, type Services } from "./routes.ts"
export { type ListenOptions, layerServer, toWebHandler } from "./server.ts"
