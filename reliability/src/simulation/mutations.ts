/**
 * Faults that the engine once had, each as a change of its text, with a seed that finds it. The command
 * `simulate --mutations` proves that the changed engine fails on that seed and the unchanged one passes.
 *
 * Rules that live in SQL alone are changed in their twin in the database in memory.
 */

/** A change of one text of a file: the text must be there exactly once. */
export interface Change {
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutation {
  readonly name: string
  readonly fault: string
  readonly seed: number
  /** The theme of the seeds to search. */
  readonly theme: string
  /** Makes a bound of the engine small enough for a world, for the unchanged engine as well. */
  readonly scale?: ReadonlyArray<Change>
  readonly changes: ReadonlyArray<Change>
}

const core = "packages/core/src"
const webhooks = "packages/http-server/src/webhooks"

export const mutations: ReadonlyArray<Mutation> = [
  {
    name: "lost-event",
    fault: "a consumer's position within a batch counts from a cursor that other commits can move",
    seed: 10,
    theme: "readers",
    changes: [
      {
        file: `${core}/events/cursor.ts`,
        find: "from: toCursor({ ...round, batchId, highest }),",
        replace: "from: toCursor({ seen, reading: null, batchId: 0n, highest }),"
      }
    ]
  },
  {
    name: "late-commit",
    fault: "a consumer passes all batches up to the highest number, also those that commit later",
    seed: 25,
    theme: "readers",
    changes: [
      {
        file: `${core}/testing/memory/outbox.ts`,
        find: "!isVisibleIn(passed, xid) && isVisibleIn(round, xid)",
        replace: "Number(xid) >= passed.xmax && isVisibleIn(round, xid)"
      }
    ]
  },
  {
    name: "stuck-draw",
    fault: "the place up to which a draw was searched moves only when a token is found there",
    seed: 61,
    theme: "rush",
    changes: [
      {
        file: `${core}/queue/live/LiveQueue.ts`,
        find: "return { limit, drawn: { numbers, upTo: BigInt(place) } }",
        replace:
          "return { limit, drawn: { numbers, upTo: numbers.length > 0 ? BigInt(place) : queue.cursor } }"
      }
    ]
  },
  {
    name: "seat-sold-twice",
    fault: "a payment trusts the instant at which a hold ends, and not the owner of the seats",
    seed: 1105,
    theme: "clock",
    changes: [
      {
        file: `${core}/payment/decide.ts`,
        find: "if (ownSeats(rows, reservation).length < reservation.seats.length) {",
        replace: "if (reservation.seats.length === 0) {"
      }
    ]
  },
  {
    name: "limit-exceeded",
    fault: "the seats of a user are counted without a lock, while another hold of theirs commits",
    seed: 36,
    theme: "limits",
    changes: [
      {
        file: `${core}/testing/memory/locks.ts`,
        find: '      yield* advisory.take(transaction, seatCountLock.user(key), "exclusive")',
        replace: '      yield* advisory.take(transaction, seatCountLock.user(key), "shared")'
      }
    ]
  },
  {
    name: "false-success",
    fault:
      "a commit whose answer was lost is proven by a transaction id, which a crash can give again",
    seed: 290,
    theme: "crashes",
    changes: [
      {
        file: `${core}/engine/attempts.ts`,
        find: 'if (hasRow) return "committed"',
        replace: 'if (hasRow || status === "committed") return "committed"'
      }
    ]
  },
  {
    name: "present-user-removed",
    fault: "a user counts as absent although nodes have yet to hand over that the user polled",
    seed: 500,
    theme: "absence",
    changes: [
      {
        file: `${core}/queue/presence.ts`,
        find: "absenceSeconds + flushDelayMaxSeconds + Math.max(0, staleSeconds - presencePeriodSeconds)",
        replace: "absenceSeconds + 0 * staleSeconds * flushDelayMaxSeconds"
      },
      {
        file: `${core}/queue/decide.ts`,
        find: "      !hasPolled(token) &&\n",
        replace: ""
      }
    ]
  },
  {
    name: "webhooks-stop",
    fault: "deliveries that were parked before count as parked once more, until no more are taken",
    seed: 647,
    theme: "webhooks",
    scale: [
      {
        file: `${webhooks}/runner.ts`,
        find: "const parkedMax = 1_000",
        replace: "const parkedMax = 2"
      },
      // It would heal what the change breaks.
      {
        file: `${webhooks}/runner.ts`,
        find: "if (parked.size > 0) yield* reread",
        replace: "if (parked.size < 0) yield* reread"
      }
    ],
    changes: [
      {
        file: `${webhooks}/runner.ts`,
        find: "if (!isWaiting && isNew) parked.delete(aggregate, eventId)",
        replace: "if (!isWaiting && isNew) return"
      }
    ]
  },
  {
    name: "webhooks-stop-elsewhere",
    fault: "deliveries that another node made after it had lost the lease count as parked for ever",
    seed: 22,
    theme: "webhooks",
    scale: [
      {
        file: `${webhooks}/runner.ts`,
        find: "const parkedMax = 1_000",
        replace: "const parkedMax = 2"
      }
    ],
    changes: [
      {
        file: `${webhooks}/runner.ts`,
        find: "if (parked.size > 0) yield* reread",
        replace: "if (parked.size < 0) yield* reread"
      }
    ]
  },
  {
    name: "priority-takes-all",
    fault: "a lane whose waiting users a batch has not loaded counts as empty",
    seed: 61,
    theme: "rush",
    changes: [
      {
        file: `${core}/queue/decide.ts`,
        find: "return headsLoadedTo >= nextNumber - 1n ? heads[lane].length : waiting",
        replace:
          "return headsLoadedTo >= nextNumber - 1n ? heads[lane].length : waiting * 0 + heads[lane].length"
      }
    ]
  },
  {
    name: "sweeper-ends",
    fault: "a defect in a function of the host ends the sweeper",
    seed: 59,
    theme: "host",
    changes: [
      {
        file: `${core}/engine/backgroundLoop.ts`,
        find: "const cause = yield* Effect.match(Effect.sandbox(work), {",
        replace: "const cause = yield* Effect.match(work, {"
      },
      {
        file: `${core}/Sweeper.ts`,
        find: "Effect.matchCause(work, { onFailure: (cause) => cause, onSuccess: () => undefined })",
        replace:
          "Effect.match(work, { onFailure: (cause) => Cause.fail(cause), onSuccess: () => undefined })"
      },
      {
        file: `${core}/Sweeper.ts`,
        find: 'import { Duration, Effect, Exit, Layer } from "effect"',
        replace: 'import { Cause, Duration, Effect, Exit, Layer } from "effect"'
      }
    ]
  }
]
