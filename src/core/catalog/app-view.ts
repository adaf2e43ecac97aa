/**
 * The same-server rule of apps (SEP-1865, Visibility) where several servers are one: an app calls tools by the names that its
 * server gave them, and nothing in a call says whose app it is of. So an app may call only where no other server has apps.
 */

import type { Snapshot } from '../gateway/snapshot.ts'
import type { CatalogItem } from './catalog-list.ts'

interface Owned {
  readonly upstream: object
  readonly item: CatalogItem
}

export interface AppRule<T extends Owned> {
  /** `shown`: as the server says; `forModels`: to be called by models only; `hidden`: nobody could call it. */
  looks(entry: T): 'shown' | 'forModels' | 'hidden'
  /** Tools that an app may call by their own names. */
  readonly byOwnName: ReadonlyMap<string, T>
}

const ALL_SHOWN: AppRule<never> = { looks: () => 'shown', byOwnName: new Map<string, never>() }

/** `calls`: what the configuration allows apps. */
export function appRule<T extends Owned>(entries: readonly T[], calls: NonNullable<Snapshot['apps']>['calls']): AppRule<T> {
  const servers = new Set(entries.filter(({ item }) => item.app?.uri !== undefined).map(({ upstream }) => upstream))
  if (servers.size === 0) return ALL_SHOWN
  const isKept = ({ upstream }: T): boolean => calls === 'endpoint' || (servers.size === 1 && servers.has(upstream))
  return {
    looks(entry) {
      if (isKept(entry)) return 'shown'
      return entry.item.app?.isForModels === false ? 'hidden' : 'forModels'
    },
    byOwnName: unique(entries.filter((entry) => isKept(entry) && entry.item.app?.isForApps !== false)),
  }
}

/** A name that several have says nothing. */
function unique<T extends Owned>(entries: readonly T[]): ReadonlyMap<string, T> {
  const found = new Map<string, T | undefined>()
  for (const entry of entries) found.set(entry.item.key, found.has(entry.item.key) ? undefined : entry)
  return new Map([...found].flatMap(([name, entry]) => (entry === undefined ? [] : [[name, entry] as const])))
}
