/** Finds a tool or prompt by the name that was typed, and says which one was probably meant where there is none. */

import type { JsonObject } from '../../protocol/json-value.ts'
import { ClientError } from '../client/client-error.ts'
import type { Connection } from '../client/connection.ts'
import { listAll, listStarted } from '../client/lists.ts'
import { nearest } from '../client/nearest.ts'
import { toolHeaderFault } from '../client/tool-headers.ts'
import { fullName } from './client-session.ts'
import type { Session, Source } from './client-session.ts'

/** The tool or prompt called `name`. Throws ClientError `unknown_name`. */
export async function findNamed(session: Session, { source, connection, kind, name }: {
  readonly source: Source
  readonly connection: Connection
  readonly kind: 'tools' | 'prompts'
  readonly name: string
}): Promise<JsonObject> {
  const { items } = session.portolan === undefined ? await listStarted(connection, kind, { signal: session.signal }) : await listAll(connection, kind, session.signal)
  const found = items.find((item) => item['name'] === name)
  const what = kind === 'tools' ? 'tool' : 'prompt'
  if (found !== undefined) {
    const fault = kind === 'tools' && connection.era === 'modern' && connection.isHttp ? toolHeaderFault(found) : ''
    if (fault !== '') throw new ClientError('unknown_name', `The tool ${name} must not be called: its definition is wrong (${fault}).`, 'Tell the authors of the server.')
    return found
  }
  const names = items.flatMap((item) => (typeof item['name'] === 'string' ? [item['name']] : []))
  const near = nearest(name, names).map((one) => fullName(session, source, one))
  const all = `portolan ${kind}${session.portolan === undefined ? '' : ` ${source.label}`} lists them.`
  const help = near.length > 0 ? `Did you mean ${near.join(' or ')}? ${all}` : names.length === 0 ? `It has no ${kind}.` : all
  throw new ClientError('unknown_name', `${source.label} has no ${what} called ${name}.`, help)
}
