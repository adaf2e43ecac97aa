/** Where a request at a virtual server goes (decision 0008): what it does not show gets the answer of what does not exist. */

import { member } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import { SKILLS_EXTENSION } from '../../protocol/extension.ts'
import { extensionOf } from '../../protocol/method.ts'
import { partyOf } from '../bridge/party.ts'
import type { ListKind } from '../catalog/list-kind.ts'
import { reachResource, reachTemplate } from '../catalog/reach.ts'
import type { View, Views } from '../catalog/view.ts'
import type { VirtualServer } from '../catalog/virtual-server.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { completedWith, withFixed } from './fixed-arguments.ts'
import type { Found } from './route.ts'
import { uriNotFound } from './uri-not-found.ts'

export interface Asked {
  /** What the request names: an item by its name, a resource or template by its URI, or nothing. */
  readonly by: 'name' | 'uri' | 'none'
  readonly kind: ListKind
  readonly subject: string
}

/** Throws or rejects with PortolanError. */
export function findAtVirtual(context: GatewayContext, views: Views, exchange: Exchange, virtual: VirtualServer, asked: Asked): Found | Promise<Found> {
  // Nobody can tell what a method that no table knows would reach.
  if (asked.by === 'none') throw new PortolanError('method_not_found')
  if (asked.by === 'uri') return findUri(context, exchange, virtual, asked.subject)
  const view = views.view(partyOf(exchange), virtual.name, asked.kind)
  return view instanceof Promise ? view.then((ready) => pick(exchange, virtual, asked, ready)) : pick(exchange, virtual, asked, view)
}

function pick({ message }: Exchange, virtual: VirtualServer, { kind, subject }: Asked, view: View): Found {
  const entry = view.byName.get(subject) ?? view.byOwnName.get(subject)
  if (entry === undefined) {
    const [down] = view.missing
    if (down !== undefined) throw new PortolanError('upstream_unavailable', { message: `Upstream server unavailable: ${down.name}` })
    const word = kind === 'tools' ? 'tool' : 'prompt'
    throw new PortolanError(`unknown_${word}`, { message: `Unknown ${word}: ${subject.slice(0, 128)}` })
  }
  const { upstream, item, fixed } = entry
  const found: Found = { upstream, subject: item.key, headers: item.headers, scope: virtual.name, marked: virtual.isMerged, renamed: item.key !== subject }
  if (fixed === undefined || message === undefined) return found
  if (message.method === 'completion/complete') return { ...found, params: { context: completedWith(message, fixed) } }
  return { ...found, fixed, params: { arguments: withFixed(message, member(message.body, 'arguments'), fixed) } }
}

async function findUri(context: GatewayContext, exchange: Exchange, virtual: VirtualServer, uri: string): Promise<Found> {
  const party = partyOf(exchange)
  const isRef = exchange.message?.method === 'completion/complete'
  const isSkill = extensionOf(exchange.message?.method ?? '') === SKILLS_EXTENSION
  const reached = (isRef ? await reachTemplate(context, party, virtual, uri) : undefined) ?? (await reachResource(context, party, virtual, uri))
  // What is left out of a server's resources could be a file of any of its skills.
  if (reached === undefined || (isSkill && !virtual.isOpen(reached.upstream.name))) throw exchange.message === undefined ? new PortolanError('internal') : uriNotFound(exchange.message)
  return { upstream: reached.upstream, subject: reached.uri, scope: virtual.name, marked: virtual.isMerged }
}
