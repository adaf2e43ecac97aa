/** The ids of POST streams name their request: a replica that never heard of the stream can still end it for its client. */

import type { IdText } from '../../protocol/message.ts'
import type { Exchange } from './exchange.ts'

/** Beyond this an id is not named: events would be longer than what they hold. */
const ID_LENGTH = 64

export function postStreamId({ id, message }: Pick<Exchange, 'id' | 'message'>): string {
  const idText = message?.idText ?? ''
  return idText === '' || idText.length > ID_LENGTH ? id : `${id}.${encodeURIComponent(idText)}`
}

/** The request whose stream an event of such an id was of; undefined where the id names none. */
export function requestOfEvent(eventId: string): IdText | undefined {
  const named = /^[^.]+\.(.{1,200})_\d+$/.exec(eventId)?.[1]
  if (named === undefined) return undefined
  try {
    const idText = decodeURIComponent(named)
    const value: unknown = JSON.parse(idText)
    return typeof value === 'string' || typeof value === 'number' ? idText : undefined
  } catch {
    return undefined
  }
}
