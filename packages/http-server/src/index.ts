/**
 * The reference HTTP server as a library, for a host that mounts it in its own program. The
 * `boxoffice` command runs the same server as a program.
 *
 * @module
 */
export * from "./api.ts"
export type { ChargesOption, RequestedCharge } from "./http/charges.ts"
export { Drain } from "./http/drain.ts"
export type { IdentityOptions } from "./http/identity.ts"
export type { RequestRecord } from "./http/requestContext.ts"
export { type NodeHandler, type NodeHandlerOptions, toNodeHandler } from "./server/nodeHandler.ts"
export { layerRoutes, type RoutesOptions, routerConfig, type Services } from "./server/router.ts"
export { type ListenOptions, layerServer, toWebHandler } from "./server/server.ts"
