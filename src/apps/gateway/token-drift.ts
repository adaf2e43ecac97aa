/**
 * Whether all replicas let in the same token: where they do not, clients are let in by one and refused by the next. Each asks the
 * others, with a digest that only who has the key ring can make, so that no replica learns another's token.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { Clock } from '../../core/clock.ts'
import type { PeerLink } from '../../core/gateway/peer-link.ts'
import type { ReplicaStore } from '../../core/replica/replica-store.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { asciiJson } from '../../protocol/json.ts'
import type { Log } from './log.ts'

export interface TokenDriftOptions {
  readonly peers: PeerLink
  readonly replicas: Pick<ReplicaStore, 'live'>
  readonly keyring: Pick<Keyring, 'secret' | 'secretOf'>
  readonly clock: Clock
  readonly log: Log
  /** That is let in now; '' where nobody needs one. */
  readonly token: () => string
}

export interface TokenDrift {
  /** Replicas that let in another one, as far as is known. */
  elsewhere(): readonly string[]
  close(): void
}

const TOPIC = 'token'
const USE = 'token-digest'
/** To give all of them another one takes a while, and is no fault: what two looks in a row have found is told. */
const LOOK_MS = 30_000

export function watchTokenDrift({ peers, replicas, keyring, clock, log, token }: TokenDriftOptions): TokenDrift {
  let others: ReadonlySet<string> = new Set()
  /** By the last look. */
  let seen: ReadonlySet<string> = new Set()
  let cancel = (): void => undefined
  let isClosed = false

  const stopServing = peers.serve(TOPIC, async function* (text) {
    const asked: unknown = JSON.parse(text)
    const { keyId, digest } = isJsonObject(asked) ? asked : {}
    const secret = typeof keyId === 'string' ? keyring.secretOf(keyId, USE) : undefined
    yield secret === undefined || typeof digest !== 'string' ? 'unknown' : verdict(digest, digestOf(secret, token()))
  })
  /** Undefined for one that is of a version that is not asked so. */
  const isOther = async (replicaId: string): Promise<boolean | undefined> => {
    const { keyId, secret } = keyring.secret(USE)
    const answer = await peers.send(replicaId, TOPIC, asciiJson({ keyId, digest: digestOf(secret, token()) }))
    let said = 'unknown'
    for await (const text of answer.messages) said = text
    return said === 'unknown' ? undefined : said === 'other'
  }
  const look = async (): Promise<void> => {
    const ids = (await replicas.live()).map(({ id }) => id).filter((id) => id !== peers.replicaId)
    const found = await Promise.all(ids.map((id) => isOther(id).catch(() => undefined)))
    if (isClosed) return
    const [before, last] = [others, seen]
    // One that did not say leaves all as it is known.
    seen = new Set(ids.filter((id, at) => found[at] ?? last.has(id)))
    others = new Set(ids.filter((id, at) => seen.has(id) && (found[at] === undefined ? before : last).has(id)))
    for (const peer of others) if (!before.has(peer)) log.warn({ peer }, 'Another replica lets in another token, and refuses what is let in here: give all of them the same file "token"')
    if (before.size > 0 && others.size === 0) log.info({}, 'All replicas let in the same token again')
  }
  const later = (): void => {
    cancel = clock.after(LOOK_MS, () => {
      look().catch(() => undefined).finally(() => void (isClosed || later()))
    })
  }
  later()
  return {
    elsewhere: () => [...others],
    close() {
      isClosed = true
      cancel()
      stopServing()
    },
  }
}

function digestOf(secret: Uint8Array, token: string): string {
  return createHmac('sha256', secret).update(token).digest('base64url')
}

function verdict(theirs: string, own: string): 'same' | 'other' {
  const [left, right] = [Buffer.from(theirs, 'latin1'), Buffer.from(own, 'latin1')]
  return left.length === right.length && timingSafeEqual(left, right) ? 'same' : 'other'
}
