/** Server-Sent Events as wire text. JSON may hold raw line ends between its tokens: each line becomes a `data` line. */

import type { WireText } from '../../protocol/json.ts'

export const SSE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  // nginx must not hold events back (2026-07-28, Streamable HTTP, Receiving Messages).
  'x-accel-buffering': 'no',
}

export const SSE_KEEP_ALIVE: WireText = ':\n\n'

/** One event. `eventId` '' for none, `name` '' for the default. */
export function sseText(text: WireText, eventId = '', name = ''): WireText {
  const head = `${name === '' ? '' : `event: ${name}\n`}${eventId === '' ? '' : `id: ${eventId}\n`}`
  return `${head}data: ${text.includes('\n') || text.includes('\r') ? text.replace(/\r\n|\r|\n/g, '\ndata: ') : text}\n\n`
}

/** An event without data whose id lets the client resume from the start (2025-11-25, Transports, priming event). */
export function ssePrime(eventId: string, retryMs: number): WireText {
  return `id: ${eventId}\nretry: ${retryMs}\ndata: \n\n`
}
