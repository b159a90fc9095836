/** A server process, `boxoffice serve`, that does not outlive the harness. */
process.on("disconnect", () => process.exit(1))
await import("../../../../packages/http-server/src/bin.ts")

export {}
