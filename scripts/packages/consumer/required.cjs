/** The packages are ES modules alone; Node lets CommonJS require those. */
const { makeBoxOffice } = require("@boxoffice/core")
const { SqlStore } = require("@boxoffice/sql-store")
const { toNodeHandler } = require("@boxoffice/http-server")

console.log(typeof makeBoxOffice, typeof SqlStore.layerUrl, typeof toNodeHandler)
