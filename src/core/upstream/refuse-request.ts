/** A server's request that nobody is asked: `ping` is answered, all else refused. Never an empty answer, which servers would keep (bridge-rulings §3). */

import { asciiJson } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import type { Channel } from './channel.ts'

export interface RequestRefusal {
  readonly code: number
  readonly message: string
}

const NOBODY: RequestRefusal = { code: -32601, message: 'No client can be asked here' }

/** Whether the answer arrives is the server's own affair. */
export function refuseRequest(channel: Pick<Channel, 'notify'>, { method, idText }: Pick<Message, 'method' | 'idText'>, refusal: RequestRefusal = NOBODY): void {
  const body = method === 'ping' ? '"result":{}' : `"error":${asciiJson(refusal)}`
  void channel.notify(`{"jsonrpc":"2.0","id":${idText},${body}}`).catch(() => undefined)
}
