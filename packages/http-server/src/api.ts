/**
 * The HTTP API as one definition: the server serves it, OpenAPI documents it, and the client is
 * derived from it. It holds no server code and can be used from a browser.
 *
 * @module
 */
export * from "./api/admin.ts"
export { Api, PublicApi } from "./api/api.ts"
export { SeatsFilter } from "./api/catalog.ts"
export * from "./api/errors.ts"
export { Admin, Identity } from "./api/identity.ts"
export { NewPayment } from "./api/payment.ts"
export {
  type KnownError,
  type Problem,
  type ProblemTag,
  problemContentType,
  problems
} from "./api/problem.ts"
export { NewReservation } from "./api/reservation.ts"
export { NewCharge } from "./api/wallet.ts"
