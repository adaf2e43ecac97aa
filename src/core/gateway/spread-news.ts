/** What servers announce to one replica, told to the clients of every replica. */

import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import type { Era } from '../../protocol/revision.ts'
import { interestByServer } from '../bridge/others-interest.ts'
import { listsChangedBy } from '../catalog/list-kind.ts'
import { startInterests } from '../replica/interests.ts'
import type { Interests } from '../replica/interests.ts'
import { startNews } from '../replica/news.ts'
import type { News, NewsItem } from '../replica/news.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { GatewayContext, GatewayDeps } from './context.ts'

/** Undefined for a replica without others. */
export function startSpreading({ clock, hints, peers, replica }: GatewayDeps, context: () => GatewayContext): News | undefined {
  if (replica === undefined) return undefined
  return startNews({
    clock, hints, peers, replicas: replica.store,
    onNews: (item) => takeNews(context(), item),
    onMissed: () => context().watches.changed(...context().upstreams.all()),
  })
}

/** What clients of other replicas listen to; undefined for a replica without others. */
export function startListening({ clock, hints, peers, replica }: GatewayDeps, context: () => GatewayContext): Interests | undefined {
  if (replica === undefined) return undefined
  return startInterests({
    clock, hints, peers, replicas: replica.store,
    own: () => context().watches.interests(),
    onOthers: (interests) => context().watches.othersListen(interestByServer((id) => context().upstreams.byId(id), interests)),
  })
}

/**
 * This replica heard it. Changes of lists and resources concern everybody; the rest is for whoever is connected here. `isOwn`: of a
 * session that one client has.
 */
export function spread({ news }: GatewayContext, { id, config, placement }: Upstream, era: Era, { method, text }: Message, isOwn: boolean): void {
  // A server over HTTP tells each of its sessions, and the one child of all replicas is heard by each that uses it.
  const isOnly = config.target.transport === 'stdio' && (placement === undefined || isOwn)
  if (method === 'notifications/resources/updated' || listsChangedBy(method).length > 0) news?.heard({ upstreamId: id, era, isOnly, text })
}

function takeNews({ catalog, upstreams, watches }: GatewayContext, { upstreamId, era, isOnly, text }: NewsItem): void {
  const upstream = upstreams.byId(upstreamId)
  const scan = parseMessage(text)
  if (upstream === undefined || !scan.ok) return
  catalog.invalidate(upstream, listsChangedBy(scan.value.method))
  watches.relayed(upstream, era, scan.value, isOnly ?? upstream.config.target.transport === 'stdio')
}
