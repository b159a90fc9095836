import type { NextConfig } from "next"

export default {
  // Do not bundle these packages: PGlite and the store read files from their own directories.
  serverExternalPackages: [
    "@boxoffice/core",
    "@boxoffice/http-server",
    "@boxoffice/sql-store",
    "@electric-sql/pglite"
  ]
} satisfies NextConfig
