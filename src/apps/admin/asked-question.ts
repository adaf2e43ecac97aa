/**
 * What a task waits for, as operators see it where they asked for content: what its owner is asked, and no means to answer in his place.
 * An address that he is to open names him by its query or fragment often enough, so those stay away.
 */

import type { WireText } from '../../protocol/json.ts'
import { utf8Of } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { shownUrl } from '../gateway/config-secret.ts'

export interface AskedQuestion {
  readonly key: string
  readonly method: string
  /** What the person, or the model (the last words to it), is asked; '' for what has no words. */
  readonly message: string
  /** Of the form. */
  readonly schema?: JsonObject
  /** The page to open, without user, query, fragment, and what looks like a key in its path; '' for what is no web page. */
  readonly url?: string
}

export function askedQuestions(questions: Readonly<Record<string, WireText>>): readonly AskedQuestion[] {
  return Object.entries(questions).map(([key, text]) => askedQuestion(key, text))
}

function askedQuestion(key: string, text: WireText): AskedQuestion {
  const entry: unknown = JSON.parse(utf8Of(text))
  const { method, params } = isJsonObject(entry) ? entry : {}
  const { message, messages, requestedSchema: schema, url } = isJsonObject(params) ? params : {}
  return {
    key,
    method: typeof method === 'string' ? method : '',
    message: typeof message === 'string' ? message : lastWords(messages),
    ...(isJsonObject(schema) ? { schema } : {}),
    ...(typeof url === 'string' ? { url: pageOf(url) } : {}),
  }
}

/** Of a conversation with a model (S26 client/sampling, Messages). */
function lastWords(messages: unknown): string {
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined
  const content = isJsonObject(last) ? [last['content']].flat() : []
  return content.flatMap((part) => (isJsonObject(part) && typeof part['text'] === 'string' ? [part['text']] : [])).join(' ')
}

function pageOf(text: string): string {
  const url = URL.parse(text)
  if (url === null || !(url.protocol === 'https:' || url.protocol === 'http:')) return ''
  return shownUrl(`${url.protocol}//${url.host}${url.pathname}`)
}
