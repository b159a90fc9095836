/**
 * Why a call fails after the host has closed what it calls. The message is shown to the host, unlike
 * that of other causes, which may hold what a driver said.
 */
export class Closed extends Error {
  override readonly name = "Closed"
}
