/** Events of servers as they come: changed lists, updated resources, log messages. A lost stream is opened again. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '../../protocol/json-value.ts'
import { ClientError } from '../client/client-error.ts'
import type { Connection } from '../client/connection.ts'
import type { Heard } from '../client/tap.ts'
import { setLevel } from './client-call.ts'
import { failureText } from './client-lists.ts'
import { showLog } from './client-session.ts'
import type { Session, Source } from './client-session.ts'
import { safeName } from './terminal/safe-text.ts'
import type { WatchFlags } from './watch.ts'

const RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000
const EVENTS = /^notifications\/(?:.+\/list_changed|resources\/updated|message|elicitation\/complete|tasks\/status)$/

/** Until Ctrl+C, or until no server is left to watch. */
export async function watchServers(session: Session, flags: WatchFlags): Promise<void> {
  const [name] = session.words
  const isAll = name === undefined && session.portolan !== undefined
  const sources = isAll ? session.sources : [session.source(name)]
  await Promise.all(sources.map((source) => watchServer(session, source, flags).catch((error: unknown) => {
    if (session.signal.aborted) return
    if (!isAll) throw error
    session.fail()
    session.note(failureText(source, error), 'yellow')
  })))
}

async function watchServer(session: Session, source: Source, flags: WatchFlags): Promise<void> {
  const connection = await session.open(source, { logLevel: flags.logLevel, onHeard: (heard) => showEvent(session, source, flags, heard) })
  const uris = flags.resource ?? []
  if (connection.era === 'modern') return watchModern(session, source, { connection, filter: filterOf(connection, uris) })
  await setLevel(connection, flags.logLevel)
  for (const uri of uris) await connection.request('resources/subscribe', { uri }, { signal: session.signal })
  said(session, source, 'watching until Ctrl+C')
  await new Promise<void>((resolve) => session.signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Everything that the server offers to tell. */
function filterOf({ capabilities }: Connection, uris: readonly string[]): JsonObject {
  const changes = (['tools', 'prompts', 'resources'] as const).filter((kind) => capabilities[kind] !== undefined)
  return { ...Object.fromEntries(changes.map((kind) => [`${kind}ListChanged`, true])), ...(uris.length > 0 && { resourceSubscriptions: uris }) }
}

interface Modern {
  readonly connection: Connection
  readonly filter: JsonObject
}

async function watchModern(session: Session, source: Source, { connection, filter }: Modern): Promise<void> {
  let waitMs = RETRY_MS
  for (let isFirst = true; !session.signal.aborted; isFirst = false) {
    try {
      const { ended } = await connection.listen(filter, session.signal)
      said(session, source, isFirst ? 'watching until Ctrl+C' : 'watching again')
      waitMs = RETRY_MS
      const cause = await ended
      if (cause === 'local') return
      said(session, source, cause === 'graceful' ? 'the server ended the subscription' : 'the connection was lost')
    } catch (error) {
      if (session.signal.aborted) return
      if (isFirst) throw error
      said(session, source, error instanceof ClientError ? error.message : 'no answer')
    }
    await sleep(waitMs, undefined, { signal: session.signal }).catch(() => undefined)
    waitMs = Math.min(MAX_RETRY_MS, waitMs * 2)
  }
}

function said(session: Session, source: Source, text: string): void {
  session.note(`${source.label}: ${text}`)
}

function showEvent(session: Session, source: Source, flags: WatchFlags, heard: Heard): void {
  if (heard.kind !== 'notification' || !EVENTS.test(heard.method)) return
  const { out } = session.terminal
  if (flags.json === true) return out.write(`{"server":${JSON.stringify(source.label)},"message":${oneLine(heard.text)}}\n`)
  if (heard.method === 'notifications/message') return showLog(session, source.label, heard)
  const time = out.paint('dim', new Date().toLocaleTimeString('sv'))
  out.write(`${time}  ${safeName(source.label)}  ${eventText(heard)}\n`)
}

/** JSON may hold line breaks between its tokens, never within. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ')
}

function eventText({ method, params }: Heard): string {
  const list = /^notifications\/(?<kind>.+)\/list_changed$/.exec(method)?.groups?.['kind']
  if (list !== undefined) return `${list} changed`
  if (method === 'notifications/resources/updated') return `updated  ${safeName(String(params['uri']))}`
  return `${safeName(method.replace('notifications/', ''))}  ${safeName(JSON.stringify(params))}`
}
