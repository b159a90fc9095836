/**
 * The HTTP API as one definition: the server serves it, OpenAPI documents it, and the client is
 * derived from it. It holds no server code and can be used from a browser.
 *
 * @module
 */
import { HttpApi, OpenApi } from "effect/http-api"
import { AdminApi } from "./api/admin.ts"
import { CatalogApi } from "./api/catalog.ts"
import { describeAnswers } from "./api/document.ts"
import { PaymentApi } from "./api/payment.ts"
import { QueueApi } from "./api/queue.ts"
import { ReservationApi } from "./api/reservation.ts"
import { SystemApi } from "./api/system.ts"
import { WalletApi } from "./api/wallet.ts"

const about = OpenApi.annotations({
  title: "Box Office",
  version: "1.0.0",
  description:
    "Join the queue, choose seats, hold them, charge the wallet and pay. Errors are problem " +
    "documents (RFC 9457) with a stable `code`.",
  transform: describeAnswers
})

/** What everyone may call: the API of a server without an admin token. */
export const PublicApi = HttpApi.make("boxoffice")
  .add(QueueApi, CatalogApi, ReservationApi, WalletApi, PaymentApi, SystemApi)
  .annotateMerge(about)

/** The whole API. */
export const Api = PublicApi.add(AdminApi)

export * from "./api/admin.ts"
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
