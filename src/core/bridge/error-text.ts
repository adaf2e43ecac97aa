/** A failure of Portolan's own as a task keeps it: a JSON-RPC error object, and what it says to people. */

import { asciiJson } from '../../protocol/json.ts'
import type { PortolanError } from '../../protocol/error.ts'
import { toErrorObject, toWire } from '../../protocol/error.ts'
import type { AttemptFailure } from '../task/attempt-end.ts'

export function errorTexts(error: PortolanError): Pick<AttemptFailure, 'errorText' | 'message'> {
  return { errorText: asciiJson(toErrorObject(toWire(error, 'modern'))), message: error.message }
}
