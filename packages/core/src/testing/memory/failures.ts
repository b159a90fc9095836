/** What an error of the database in memory means for a batch and for its caller. */

import { StoreUnavailable } from "../../Errors.ts"
import {
  type AttemptFault,
  isContentionState,
  isKeyOfCommand,
  isPassingState,
  waitOf
} from "../../engine/attempts.ts"
import type { DatabaseError } from "../database/DatabaseError.ts"

/** The connection was lost, refused or silent: nothing is known of what was sent. */
export class ConnectionLost extends Error {}

export type Failure = DatabaseError | ConnectionLost

const stateOf = (failure: Failure): string | undefined =>
  failure instanceof ConnectionLost ? undefined : failure.code

const isLost = (failure: Failure): boolean =>
  failure instanceof ConnectionLost || failure.code.startsWith("57P")

/** Whether the session itself is the problem, so that another one may work. */
export const isPoisoned = (failure: Failure): boolean =>
  isLost(failure) || stateOf(failure) === "25006"

const isContention = (failure: Failure): boolean =>
  !(failure instanceof ConnectionLost) && isContentionState(failure.code, failure.constraint)

export const unavailable = (failure: Failure): StoreUnavailable =>
  new StoreUnavailable({
    retryable: isLost(failure) || isContention(failure) || isPassingState(stateOf(failure) ?? ""),
    cause: failure,
    ...waitOf(stateOf(failure))
  })

export const faultOf = (failure: Failure): AttemptFault => {
  const constraint = failure instanceof ConnectionLost ? undefined : failure.constraint
  const isDuplicate = stateOf(failure) === "23505"
  return {
    unavailable: unavailable(failure),
    isContention: isContention(failure),
    isLost: isLost(failure),
    duplicateKey: isDuplicate ? `${constraint} ${(failure as DatabaseError).detail}` : undefined,
    isCommandsOwnKey: isDuplicate && isKeyOfCommand(constraint ?? "")
  }
}
