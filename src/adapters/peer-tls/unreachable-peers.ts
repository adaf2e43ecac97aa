/**
 * Peers that live and to which no connection comes about: a wrong address, a firewall. It is told once it is no passing matter, as
 * a crash is, after which the peer is dead before this.
 */

export interface UnreachablePeer {
  readonly id: string
  readonly address: string
}

export interface UnreachablePeers {
  failed(id: string, address: string, detail: string): void
  /** Nothing came from it for seconds, when it was asked last: it need not be waited for again. */
  isSilent(id: string): boolean
  reached(id: string): void
  /** It is dead: nobody is to be told anything. */
  gone(id: string): void
  beat(): void
  list(): readonly UnreachablePeer[]
}

export interface UnreachablePeersOptions {
  readonly onUnreachable: (peer: UnreachablePeer, detail: string) => void
  readonly onReached: (id: string) => void
}

interface Failing {
  readonly peer: UnreachablePeer
  readonly sinceBeat: number
  lastBeat: number
  detail: string
  isTold: boolean
}

/** Why a connection was given up on which nothing came. */
export const SILENT = 'silent'
const TOLD_AFTER_BEATS = 10
/** Each live peer is asked every few seconds: of one that is asked no more nothing is known. */
const KNOWN_BEATS = 20

export function createUnreachablePeers({ onUnreachable, onReached }: UnreachablePeersOptions): UnreachablePeers {
  const failing = new Map<string, Failing>()
  let beats = 0
  return {
    failed(id, address, detail) {
      const known = failing.get(id) ?? { peer: { id, address }, sinceBeat: beats, lastBeat: beats, detail, isTold: false }
      failing.set(id, known)
      Object.assign(known, { lastBeat: beats, detail })
      if (known.isTold || beats - known.sinceBeat < TOLD_AFTER_BEATS) return
      known.isTold = true
      onUnreachable(known.peer, detail)
    },
    isSilent: (id) => failing.get(id)?.detail === SILENT,
    reached(id) {
      if (failing.get(id)?.isTold === true) onReached(id)
      failing.delete(id)
    },
    gone: (id) => void failing.delete(id),
    beat() {
      beats += 1
      for (const [id, { lastBeat }] of failing) if (beats - lastBeat > KNOWN_BEATS) failing.delete(id)
    },
    list: () => [...failing.values()].filter(({ isTold }) => isTold).map(({ peer }) => peer),
  }
}
