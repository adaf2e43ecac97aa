/** −32042 of a legacy server, for a modern client: its URLs as `input_required`, after which it calls afresh (bridge-rulings §4, URL mode). */

import type { InputCapability } from '../../protocol/capability.ts'
import { PortolanError } from '../../protocol/error.ts'
import { objectText, visitRequests } from '../../protocol/input-required.ts'
import { asciiJson } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { IdText } from '../../protocol/message.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { AFRESH } from './own-state.ts'

export interface Visitor {
  /** The client's own id of the call. */
  readonly idText: IdText
  /** What the client may be asked for. */
  readonly input: ReadonlySet<InputCapability>
  readonly seal: (state: string) => string
}

/** `data` of the error. Throws `missing_capability` where the client cannot be sent anywhere, `upstream_malformed` where no URL is named. */
export function visitOutcome({ idText, input, seal }: Visitor, data: unknown): Outcome {
  const visits = isJsonObject(data) ? visitRequests(data['elicitations']) : []
  if (visits.length === 0) throw new PortolanError('upstream_malformed', { cause: 'no elicitations to visit' })
  if (!input.has('elicitation.url')) throw new PortolanError('missing_capability', { data: { requiredCapabilities: { elicitation: { url: {} } } } })
  const requests = objectText(visits.map((text, index) => [`visit-${index + 1}`, text] as const))
  const result = `{"resultType":"input_required","inputRequests":${requests},"requestState":${asciiJson(seal(AFRESH))}}`
  return { kind: 'inputRequired', text: `{"jsonrpc":"2.0","id":${idText},"result":${result}}` }
}
