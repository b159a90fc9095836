/** The API as one definition, composed of the groups of this folder. */
import { HttpApi, OpenApi } from "effect/http-api"
import { AdminApi } from "./admin.ts"
import { CatalogApi } from "./catalog.ts"
import { describeAnswers } from "./document.ts"
import { PaymentApi } from "./payment.ts"
import { QueueApi } from "./queue.ts"
import { ReservationApi } from "./reservation.ts"
import { SystemApi } from "./system.ts"
import { WalletApi } from "./wallet.ts"

const about = OpenApi.annotations({
  title: "Box Office",
  version: "1.0.0",
  description:
    "Join the queue, choose seats, hold them, charge the wallet and pay. Errors are problem " +
    "documents (RFC 9457) with a stable `code`.",
  transform: describeAnswers
})

/** The API without the operators' routes: what a server without an admin token serves. */
export const PublicApi = HttpApi.make("boxoffice")
  .add(QueueApi, CatalogApi, ReservationApi, WalletApi, PaymentApi, SystemApi)
  .annotateMerge(about)

/** The whole API, with the operators' routes. */
export const Api = PublicApi.add(AdminApi)
