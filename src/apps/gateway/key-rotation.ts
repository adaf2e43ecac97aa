/** When a key may be activated or retired: rules for people, over what the store itself refuses. */

import type { KeyFault, KeyStore, StoredKey } from '../../core/auth/key-store.ts'
import type { Result } from '../../protocol/result.ts'
import { fail, ok } from '../../protocol/result.ts'
import { KEY_SPREAD_MS } from './key-ring.ts'

/** What the former key sealed is rarely of use for longer: sessions end when they are idle for half an hour, request states after one. */
const RETIRE_AFTER_MS = 24 * 60 * 60_000

export type KeyState = 'waits' | 'opens' | 'seals'

export interface KeyRow {
  readonly id: string
  readonly state: KeyState
  readonly addedAtMs: number
  readonly activatedAtMs: number | undefined
}

/** `ls`: without a secret. */
export async function listKeys(store: KeyStore): Promise<readonly KeyRow[]> {
  const keys = await store.list()
  return keys.map((key, index) => ({ id: key.id, state: stateOf(keys, index), addedAtMs: key.addedAtMs, activatedAtMs: key.activatedAtMs }))
}

function stateOf(keys: readonly StoredKey[], index: number): KeyState {
  if (keys[index]?.activatedAtMs === undefined) return 'waits'
  return index === keys.length - 1 ? 'seals' : 'opens'
}

/** How long until every replica knows the key; 0 where it does. */
export function spreadLeftMs({ ageMs }: Pick<StoredKey, 'ageMs'>): number {
  return Math.max(0, KEY_SPREAD_MS - ageMs)
}

/** `atOnce`: whether or not every replica knows it. The fault is a sentence. */
export async function activateKey(store: KeyStore, id: string, atOnce: boolean): Promise<Result<undefined, string>> {
  const key = (await store.list()).find((one) => one.id === id)
  const leftMs = key === undefined ? 0 : spreadLeftMs(key)
  if (!atOnce && leftMs > 0) return fail(`Not every replica knows ${id} yet: try again in ${Math.ceil(leftMs / 1_000)} s, or say --now where there is one replica only.`)
  const activated = await store.activate(id)
  return activated.ok ? ok(undefined) : fail(faultText(id, activated.fault))
}

/** `anyway`: whether or not what it sealed may still be in use. The fault is a sentence. */
export async function retireKey(store: KeyStore, id: string, anyway: boolean): Promise<Result<undefined, string>> {
  const keys = await store.list()
  const index = keys.findIndex((one) => one.id === id)
  const successor = keys[index]?.activatedAtMs === undefined ? undefined : keys[index + 1]
  const leftMs = successor === undefined ? 0 : retireLeftMs(successor)
  if (!anyway && leftMs > 0) {
    return fail(`Handles that ${id} sealed may still be in use: retire it in ${Math.ceil(leftMs / 3_600_000)} h, or say --force, and clients that hold some start their sessions anew.`)
  }
  const retired = await store.retire(id)
  return retired.ok ? ok(undefined) : fail(faultText(id, retired.fault))
}

function retireLeftMs({ activatedAtMs = 0, addedAtMs, ageMs }: StoredKey): number {
  const nowMs = addedAtMs + ageMs
  return Math.max(0, activatedAtMs + RETIRE_AFTER_MS - nowMs)
}

function faultText(id: string, fault: KeyFault): string {
  const texts: Readonly<Record<KeyFault['reason'], string>> = {
    unknown: `There is no key ${id}: portolan key ls shows them.`,
    activated: `The key ${id} was activated before. To seal with another, add one: portolan key rotate.`,
    sealing: `The key ${id} is the one that seals. Activate another first: portolan key rotate.`,
  }
  return texts[fault.reason]
}
