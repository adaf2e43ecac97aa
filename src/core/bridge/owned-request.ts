/**
 * The request that each attempt of a task sends: one of 2026-07-28, whoever asked. It declares what its client can be asked, and no
 * tasks: the task is Portolan's.
 */

import { TASKS_EXTENSION } from '../../protocol/capability.ts'
import { asciiJson, member, readString, toWireText } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { objectText } from '../../protocol/input-required.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { META, OWN_META } from '../../protocol/meta.ts'
import { LATEST_MODERN } from '../../protocol/revision.ts'
import { splice } from '../../protocol/splice.ts'
import type { LiveSession } from '../session/live-session.ts'
import { modernCapabilities } from './party.ts'
import { declaredBy } from './task-support.ts'

/** Of a modern client: its own, byte for byte but for the extension. */
export function modernAttempt(message: Message): WireText {
  const meta = member(message.body, '_meta')
  const capabilities = member(meta, META.clientCapabilities)
  const id = member(message.root, 'id')
  const { extensions, ...others } = declaredBy(message)
  const kept = isJsonObject(extensions) ? Object.fromEntries(Object.entries(extensions).filter(([key]) => key !== TASKS_EXTENSION)) : {}
  const declared = Object.keys(kept).length === 0 ? others : { ...others, extensions: kept }
  return splice(message.text, [
    ...(id === undefined ? [] : [{ node: id, text: '0' }]),
    ...(capabilities === undefined ? [] : [{ node: capabilities, text: asciiJson(declared) }]),
  ])
}

/** Of a legacy client: what its session says of it, said in the request. */
export function legacyAttempt({ text, body }: Message, session: LiveSession): WireText {
  const params = Array.from(body?.members ?? [], ([key, { value }]) => [key, text.slice(value.start, value.end)] as const).filter(([key]) => key !== '_meta' && key !== 'task')
  const own = Array.from(member(body, '_meta')?.members ?? [], ([key, { value }]) => [key, text.slice(value.start, value.end)] as const)
  const { clientInfo, logLevel } = session.data
  const meta = objectText([
    ...own.filter(([key]) => key !== META.relatedTask),
    [META.protocolVersion, asciiJson(LATEST_MODERN)],
    [META.clientInfo, toWireText(clientInfo)],
    [META.clientCapabilities, modernCapabilities(session)],
    ...(logLevel === '' ? [] : [[META.logLevel, asciiJson(logLevel)] as const]),
  ])
  return `{"jsonrpc":"2.0","id":0,"method":"tools/call","params":${objectText([...params, ['_meta', meta]])}}`
}

/** The same with what it was asked for. */
export function withInput(text: WireText, answers: readonly (readonly [key: string, answer: WireText])[], stateText: WireText): WireText {
  const scan = parseMessage(text)
  if (!scan.ok || scan.value.body === undefined) return text
  const set = { inputResponses: objectText(answers), ...(stateText === '' ? {} : { requestState: stateText }) }
  return splice(text, [{ node: scan.value.body, set }])
}

/** The client's key, which makes a second identical call the same task; undefined for none. */
export function idempotencyKey({ text, body }: Message): string | undefined {
  return readString(text, member(member(body, '_meta'), OWN_META.idempotencyKey))
}
