/**
 * What upstream servers announce on their own: changed lists and updated resources, counted and shared, so that any
 * number of clients costs one subscription (bridge-rulings §4, Subscriptions).
 */

import { member, readString } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { covers } from '../../protocol/subscription.ts'
import { LISTS, listsChangedBy } from '../catalog/list-kind.ts'
import type { ListKind } from '../catalog/list-kind.ts'
import type { Clock } from '../clock.ts'
import type { Era } from '../../protocol/revision.ts'
import type { Interest } from '../replica/interests.ts'
import type { LegacyChannel } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createLegacyWatch } from './legacy-watch.ts'
import { createModernWatch } from './modern-watch.ts'
import { NOTHING, isSameInterest, missedNews, ownInterests, updateOf } from './others-interest.ts'
import type { InterestByServer } from './others-interest.ts'
import { isListsOnly, isWanted, newWatched, spokenBy, watchedUris } from './watched.ts'
import type { Watched } from './watched.ts'

export interface Watch {
  /** True once the upstream agreed; false where it refused or has no such thing. */
  readonly ready: Promise<boolean>
  stop(): void
}

/** `together` is the same for changes that happened at once: whoever sees several of those servers tells its client once. */
export type ListChange = (upstream: Upstream, kinds: readonly ListKind[], together?: symbol) => void

export interface Watches {
  /** Calls `run` for every list change of any upstream that is being watched or says so by itself. */
  onListChange(run: ListChange): () => void
  /** Starts watching an upstream's lists, once; a modern listen or a shared session with its stream. Resolves when it is watched, or cannot be. Never rejects. */
  ensureLists(upstream: Upstream, era: Era): Promise<unknown>
  /**
   * `run` gets the upstream's `notifications/resources/updated` for this URI, in the upstream's form. `era` is the one in
   * which the client's calls go there: a child of the other era is another process, whose resources are others.
   */
  watchResource(upstream: Upstream, era: Era, uri: string, run: (message: Message) => void): Watch
  /** A message that came outside any call on a session or listen of this era. `isOwn`: the session is one client's. */
  announce(upstream: Upstream, era: Era, message: Message, isOwn?: boolean): void
  /** What another replica heard of this upstream; `isOnly`: no other one did. What this one hears by itself too, it is told by that. */
  relayed(upstream: Upstream, era: Era, message: Message, isOnly: boolean): void
  /** Everything of these upstreams is to be taken as changed, at once: they came up, or went away. */
  changed(...upstreams: readonly Upstream[]): void
  /** What was watched at one is watched at its successor from now on; nowhere, where it has none. */
  replace(upstream: Upstream, successor: Upstream | undefined): void
  /** A new server: its lists are watched where those of others are. */
  added(upstream: Upstream): void
  /**
   * A session beside the shared one, with a process of its own: it is subscribed to what is watched at that server, because what
   * happens there nobody else sees.
   */
  follow(upstream: Upstream, channel: LegacyChannel): void
  /** A shared session was lost. What it was subscribed to is subscribed again: at once, or with its next user where it `wasIdle`. */
  lost(upstream: Upstream, channel: LegacyChannel | undefined, wasIdle: boolean): void
  /** A shared session was opened. */
  opened(upstream: Upstream): void
  /** What clients here listen to at servers with children of their own on each replica. */
  interests(): readonly Interest[]
  /** The same of all other replicas: the children here are asked for it too, because a call that they serve may change it. */
  othersListen(wanted: InterestByServer): void
}

export interface WatchesDeps {
  readonly clock: Clock
  readonly self: { readonly name: string; readonly version: string }
  readonly shared: (upstream: Upstream) => Promise<LegacyChannel>
  /** This replica heard it, before anybody here is told. */
  readonly onHeard: (upstream: Upstream, era: Era, message: Message, isOwn: boolean) => void
  /** What clients here listen to has changed. */
  readonly onInterest: () => void
}

/** One upstream's subscriptions, in its own era. */
export interface UpstreamWatch {
  /** Brings the upstream's subscriptions in line with `uris`; resolves with whether `uri` is among what it honours. */
  sync(uris: ReadonlySet<string>, uri: string | undefined): Promise<boolean>
  close(): void
  /** Of a legacy server. */
  readonly channel?: LegacyChannel
}

const ERAS = ['legacy', 'modern'] as const
const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 60_000
const ALL_LISTS = Object.keys(LISTS) as readonly ListKind[]

export function createWatches(deps: WatchesDeps): Watches {
  const listeners = new Set<ListChange>()
  const watched: Readonly<Record<Era, Map<Upstream, Watched>>> = { legacy: new Map(), modern: new Map() }
  const followers = new WeakMap<Upstream, Map<LegacyChannel, UpstreamWatch>>()

  const syncFollowers = (upstream: Upstream): void => {
    const uris = watchedUris(watched.legacy.get(upstream))
    for (const [channel, follower] of followers.get(upstream) ?? []) {
      if (channel.closed) followers.get(upstream)?.delete(channel)
      else void follower.sync(uris, undefined).catch(() => undefined)
    }
  }
  const entry = (upstream: Upstream, era: Era): Watched => {
    const known = watched[era].get(upstream)
    if (known !== undefined) return known
    const created = newWatched(upstream)
    watched[era].set(upstream, created)
    return created
  }
  const heard = (upstream: Upstream, era: Era, message: Message, isOwn = false): void => {
    deps.onHeard(upstream, era, message, isOwn)
    announce(upstream, era, message)
  }
  const announce = (upstream: Upstream, era: Era, message: Message): void => {
    const kinds = listsChangedBy(message.method)
    if (kinds.length > 0) for (const run of listeners) run(upstream, kinds)
    if (message.method !== 'notifications/resources/updated') return
    const uri = readString(message.text, member(message.body, 'uri'))
    if (uri === undefined) return
    // A server may announce a sub-resource of what was subscribed to (Resources, Subscriptions).
    for (const asked of ERAS) {
      if (asked !== era && upstream.knownProfile()?.[asked] !== undefined) continue
      for (const [subscribed, runs] of watched[asked].get(upstream)?.uris ?? []) {
        if (covers(subscribed, uri)) for (const run of runs) run(message)
      }
    }
  }
  const open = async (upstream: Upstream, asked: Era): Promise<UpstreamWatch> => {
    const era = spokenBy(upstream.knownProfile() ?? (await upstream.profile()), asked)
    if (era === 'modern') return createModernWatch({ ...deps, upstream, announce: (message) => heard(upstream, era, message), onMissed: () => tellMissed(watched[asked].get(upstream), era) })
    return createLegacyWatch(await deps.shared(upstream), deps, { holds: true })
  }
  const linkOf = (upstream: Upstream, era: Era, state: Watched): Promise<UpstreamWatch> => {
    if (state.link === undefined) {
      const opening = open(upstream, era)
      state.link = opening
      opening.then(
        () => (state.openedTicks = deps.clock.ticksMs()),
        () => state.link === opening && (state.link = undefined),
      )
    }
    return state.link
  }
  const sync = async (state: Watched, era: Era, uri: string | undefined): Promise<boolean> => {
    const { upstream } = state
    if (upstream === undefined) return false
    if (era === 'legacy') syncFollowers(upstream)
    try {
      const profile = upstream.knownProfile() ?? (await upstream.profile())
      if (state.upstream !== upstream) return await sync(state, era, uri)
      if (spokenBy(profile, era) !== era && isListsOnly(state)) return await watchListsElsewhere(state, upstream, spokenBy(profile, era))
      const link = await linkOf(upstream, era, state)
      const isHonoured = await link.sync(watchedUris(state), uri)
      if (state.isBroken) tellMissed(state, era)
      return isHonoured
    } catch {
      // It was replaced meanwhile: nothing is missed that was not told of with that.
      if (state.upstream !== upstream) return await sync(state, era, uri)
      state.isBroken = isWanted(state)
      retry(state, era)
      return false
    }
  }
  /** Whoever asked for them did not know yet what it speaks: there they are watched once for all. */
  const watchListsElsewhere = (state: Watched, upstream: Upstream, era: Era): Promise<boolean> => {
    state.wantsLists = false
    state.isBroken = false
    const other = entry(upstream, era)
    if (other.wantsLists) return Promise.resolve(true)
    other.wantsLists = true
    other.isBroken = true
    deps.onInterest()
    return sync(other, era, undefined)
  }
  const changed = (...upstreams: readonly Upstream[]): void => {
    const together = Symbol('together')
    for (const upstream of upstreams) for (const run of listeners) run(upstream, ALL_LISTS, together)
  }
  /** A server that is down has nobody to tell us when it is back: it is tried again, once for all who want it. */
  const retry = (state: Watched, era: Era): void => {
    if (!state.isBroken || state.stopRetry !== undefined) return
    state.failures += 1
    state.stopRetry = deps.clock.after(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(state.failures - 1, 10)), () => {
      state.stopRetry = undefined
      if (state.isBroken && state.link === undefined && isWanted(state)) void sync(state, era, undefined)
    })
  }
  /** What happened while nobody listened is not known: all that is watched is told as changed (bridge-rulings §4, Subscriptions). */
  const tellMissed = (state: Watched | undefined, era: Era): void => {
    if (state?.upstream === undefined) return
    state.isBroken = false
    state.failures = 0
    if (state.wantsLists) changed(state.upstream)
    for (const [uri, runs] of state.uris) {
      const message = updateOf(uri)
      if (message !== undefined) for (const run of runs) run(message)
    }
    for (const message of missedNews(state.others)) deps.onHeard(state.upstream, era, message, false)
  }

  return {
    onListChange(run) {
      listeners.add(run)
      return () => void listeners.delete(run)
    },
    ensureLists(upstream, era) {
      const state = entry(upstream, era)
      if (state.wantsLists) return state.link?.catch(() => undefined) ?? sync(state, era, undefined)
      state.wantsLists = true
      deps.onInterest()
      return sync(state, era, undefined)
    },
    watchResource(upstream, era, uri, run) {
      const state = entry(upstream, era)
      const { uris } = state
      const runs = uris.get(uri) ?? new Set()
      if (runs.size === 0) deps.onInterest()
      uris.set(uri, runs.add(run))
      const ready = sync(state, era, uri)
      return {
        ready,
        stop() {
          runs.delete(run)
          if (runs.size > 0 || uris.get(uri) !== runs) return
          uris.delete(uri)
          deps.onInterest()
          void sync(state, era, undefined)
        },
      }
    },
    announce: heard,
    relayed(upstream, era, message, isOnly) {
      const hearsItself = !isOnly && ERAS.some((one) => watched[one].get(upstream)?.link !== undefined)
      if (!hearsItself) announce(upstream, era, message)
    },
    changed,
    replace(upstream, successor) {
      for (const era of ERAS) {
        const state = watched[era].get(upstream)
        if (state === undefined) continue
        watched[era].delete(upstream)
        void state.link?.then((link) => link.close()).catch(() => undefined)
        state.link = undefined
        state.stopRetry?.()
        state.stopRetry = undefined
        state.failures = 0
        state.upstream = successor
        if (successor === undefined) continue
        watched[era].set(successor, state)
        if (isWanted(state)) void sync(state, era, undefined)
      }
    },
    added(upstream) {
      for (const era of ERAS) {
        if (![...watched[era].values()].some(({ wantsLists }) => wantsLists)) continue
        const state = entry(upstream, era)
        state.wantsLists = true
        void sync(state, era, undefined)
      }
    },
    follow(upstream, channel) {
      const known = followers.get(upstream) ?? new Map<LegacyChannel, UpstreamWatch>()
      if (known.has(channel)) return
      followers.set(upstream, known.set(channel, createLegacyWatch(channel, deps, { holds: false })))
      syncFollowers(upstream)
    },
    lost(upstream, channel, wasIdle) {
      for (const era of ERAS) {
        const state = watched[era].get(upstream)
        const link = state?.link
        void link?.then((watch) => {
          if (state === undefined || state.link !== link || watch.channel !== channel) return
          state.link = undefined
          state.isBroken = true
          if (wasIdle || !isWanted(state)) return
          // One that the server loses at once must not be opened in a circle.
          if (deps.clock.ticksMs() - state.openedTicks < FIRST_RETRY_MS) retry(state, era)
          else void sync(state, era, undefined)
        }, () => undefined)
      }
    },
    opened(upstream) {
      for (const era of ERAS) {
        const state = watched[era].get(upstream)
        if (state?.isBroken === true && state.link === undefined && isWanted(state)) void sync(state, era, undefined)
      }
    },
    interests: () => ERAS.flatMap((era) => ownInterests(era, watched[era])),
    othersListen(wanted) {
      for (const era of ERAS) {
        for (const upstream of new Set([...watched[era].keys(), ...wanted[era].keys()])) {
          const state = entry(upstream, era)
          const others = wanted[era].get(upstream) ?? NOTHING
          if (isSameInterest(state.others, others)) continue
          state.others = others
          // A legacy server says of its lists without being asked to whoever has a session: no child is started for that.
          if (state.link !== undefined || others.uris.size > 0 || (era === 'modern' && others.lists)) void sync(state, era, undefined)
        }
      }
    },
  }
}
