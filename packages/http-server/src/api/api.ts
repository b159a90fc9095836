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

/** What everyone may call: the API of a server without an admin token. */
export const PublicApi = HttpApi.make("boxoffice")
  .add(QueueApi, CatalogApi, ReservationApi, WalletApi, PaymentApi, SystemApi)
  .annotateMerge(about)

/** The whole API. */
export const Api = PublicApi.add(AdminApi)
