/** Starts a server, prints its address, and ends as stdin requests. The harness test kills it. */
import { text } from "node:stream/consumers"
import { startPostgres } from "./startPostgres.ts"

const server = await startPostgres()
console.log(JSON.stringify(server))
if ((await text(process.stdin)) === "throw") throw new Error("as asked")
await server.stop()
