/**
 * What Node is told where it runs a worker or a program of the tests: PGlite is WebAssembly, and a
 * program that lives for some seconds gains nothing by optimising it, which takes a second of CPU.
 */
export const nodeFlags: ReadonlyArray<string> = ["--liftoff-only"]
