import type { TestProject } from "vitest/node"
import "./database.ts"
import { startPostgres } from "./startPostgres.ts"

/**
 * Provides one Postgres server to all tests: that of TEST_DATABASE_URL, or one started for this
 * run.
 */
export default async (project: TestProject) => {
  const given = process.env.TEST_DATABASE_URL
  if (given) {
    project.provide("postgresUrl", given)
    return
  }
  const server = await startPostgres()
  project.provide("postgresUrl", server.url)
  return server.stop
}
