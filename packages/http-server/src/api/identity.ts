/** The security schemes of the API, for OpenAPI and for the typed client. */
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { errors, problems } from "./problem.ts"

/** A user, named by the gateway in front of the server or by a JWT. */
export class Identity extends HttpApiMiddleware.Service<Identity>()(
  "@boxoffice/http-server/Identity",
  {
    requiredForClient: true,
    security: {
      userId: HttpApiSecurity.apiKey({ in: "header", key: "X-User-Id" }),
      jwt: HttpApiSecurity.http({ scheme: "Bearer" })
    },
    error: errors("IdentityRequired", "IdentityUnavailable")
  }
) {}

/** An operator, identified by the admin token. */
export class Admin extends HttpApiMiddleware.Service<Admin>()("@boxoffice/http-server/Admin", {
  requiredForClient: true,
  security: { adminToken: HttpApiSecurity.http({ scheme: "Bearer" }) },
  error: problems.IdentityRequired.schema
}) {}
