/** The packages are ES modules only; Node lets CommonJS modules require them. */
const { makeBoxOffice } = require("@boxoffice/core")
const { SqlStore } = require("@boxoffice/sql-store")
const { toNodeHandler } = require("@boxoffice/http-server")

console.log(typeof makeBoxOffice, typeof SqlStore.layerUrl, typeof toNodeHandler)
