/** The answer to a request whose URI nothing here answers to, as its method says it. */

import { PortolanError } from '../../protocol/error.ts'
import { member, readString } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { extensionOf } from '../../protocol/method.ts'

const SHOWN = 1024

/** What is out of reach and what never was are answered alike. */
export function uriNotFound({ text, body, method }: Message): PortolanError {
  const ref = method === 'completion/complete' ? member(body, 'ref') : body
  const uri = (readString(text, member(ref, 'uri')) ?? '').slice(0, SHOWN)
  // SEP-2640, Error Handling: −32602, in every revision.
  if (extensionOf(method) !== undefined) return new PortolanError('invalid_params', { message: `Invalid params: nothing is served at ${uri}` })
  return new PortolanError('resource_not_found', { data: { uri } })
}
