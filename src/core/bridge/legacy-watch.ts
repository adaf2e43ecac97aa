/** `resources/subscribe` and `unsubscribe` on one session at a legacy server, for everybody here: the first subscribes, the last unsubscribes. */

import { asciiJson } from '../../protocol/json.ts'
import type { LegacyChannel } from '../upstream/channel.ts'
import { ask } from '../upstream/request.ts'
import type { Asker } from '../upstream/request.ts'
import type { UpstreamWatch } from './watches.ts'

/** `holds`: a child in which resources are watched is in use; nobody else would hear of them. */
export function createLegacyWatch(channel: LegacyChannel, asker: Asker, { holds }: { readonly holds: boolean }): UpstreamWatch {
  const subscribed = new Map<string, Promise<boolean>>()
  let letGo: (() => void) | undefined
  const hold = (isNeeded: boolean): void => {
    if (!isNeeded) letGo?.()
    letGo = isNeeded ? (letGo ?? channel.hold?.()) : undefined
  }
  const subscribe = async (uri: string): Promise<boolean> =>
    (await ask(channel, 'resources/subscribe', { uri: asciiJson(uri) }, asker)).kind === 'result'
  void channel.openStream()
  return {
    channel,
    async sync(uris, uri) {
      if (holds) hold(uris.size > 0)
      for (const wanted of uris) if (!subscribed.has(wanted)) subscribed.set(wanted, subscribe(wanted).catch(() => false))
      for (const old of subscribed.keys()) {
        if (uris.has(old)) continue
        subscribed.delete(old)
        void ask(channel, 'resources/unsubscribe', { uri: asciiJson(old) }, asker).catch(() => undefined)
      }
      return uri === undefined ? true : ((await subscribed.get(uri)) ?? false)
    },
    close: () => hold(false),
  }
}
