/**
 * Flags of Node for workers and programs of the tests. PGlite is WebAssembly, and optimising it
 * takes a second of CPU, from which a program that runs for a few seconds does not benefit.
 */
export const nodeFlags: ReadonlyArray<string> = ["--liftoff-only"]
