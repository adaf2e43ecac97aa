/** A PortolanError on its way to the replica that asked. */
import { asciiJson } from '../../protocol/json.ts'
import { ERRORS, PortolanError } from '../../protocol/error.ts'
import type { ErrorCode, PortolanErrorOptions } from '../../protocol/error.ts'
import { isJsonObject } from '../../protocol/json-value.ts'

export function writeError({ code, message, data, retryAfterSec }: PortolanError): string {
  return asciiJson({ code, message, data, retryAfterSec })
}

/** A code that this version does not know is `internal`: a newer replica has it. */
export function readError(text: string): PortolanError {
  const { code, message, data, retryAfterSec }: Record<string, unknown> = JSON.parse(text)
  if (!isErrorCode(code)) return new PortolanError('internal')
  const options: { -readonly [K in keyof PortolanErrorOptions]: PortolanErrorOptions[K] } = {}
  if (typeof message === 'string') options.message = message
  if (typeof retryAfterSec === 'number') options.retryAfterSec = retryAfterSec
  if (isJsonObject(data)) options.data = data
  return new PortolanError(code, options)
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code)
}
