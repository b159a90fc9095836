import type { NextConfig } from "next"

export default {
  // Node loads these as they are: PGlite and the store read files that lie beside them.
  serverExternalPackages: [
    "@boxoffice/core",
    "@boxoffice/http-server",
    "@boxoffice/sql-store",
    "@electric-sql/pglite"
  ]
} satisfies NextConfig
