/** The purchase over HTTP: the routes in a Node server, and the typed client. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { toNodeHandler } from "@boxoffice/http-server"
import { buy } from "./browser.ts"
import { openGala } from "./gala.ts"

const office = await openGala()
const options = { identity: { mode: "header" }, charges: "user", prefix: "/tickets" } as const
const tickets = toNodeHandler(options, office.services)
const server = createServer(tickets.handler).listen(0, "127.0.0.1")
await once(server, "listening")
console.log(await buy(`http://127.0.0.1:${(server.address() as AddressInfo).port}/tickets`))

server.close(() => office.close())
await tickets.dispose()
server.closeAllConnections()
