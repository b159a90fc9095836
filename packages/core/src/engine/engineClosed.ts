import { StoreUnavailable } from "../Errors.ts"
import { Closed } from "./Closed.ts"

/** What every call gets after the host has closed the engine. */
export const engineClosed = new StoreUnavailable({
  retryable: false,
  cause: new Closed("This engine is closed: open another one.")
})
