/** The seven APIs in a Next.js app, below /tickets. */
import { answer } from "../../../tickets"

export { answer as DELETE, answer as GET, answer as HEAD, answer as PATCH, answer as POST }
