/** A key ring kept in one process, for replicas that live in it. */
import type { KeyStore, NewKey, StoredKey } from '../../core/auth/key-store.ts'
import type { Clock } from '../../core/clock.ts'
import { fail, ok } from '../../protocol/result.ts'

type Row = Omit<StoredKey, 'ageMs'>

export function createKeyStore(clock: Clock): KeyStore {
  /** Waiting ones, then those that were activated, the one that seals last. */
  let rows: readonly Row[] = []

  const rowOf = ({ id, secret }: NewKey, isActive: boolean): Row => ({
    id, secret, addedAtMs: clock.nowMs(), activatedAtMs: isActive ? clock.nowMs() : undefined,
  })

  return {
    async list() {
      return rows.map((row) => ({ ...row, ageMs: clock.nowMs() - row.addedAtMs }))
    },
    async seed(keys) {
      if (rows.length > 0) return false
      rows = keys.map((key) => rowOf(key, true))
      return true
    },
    async add(key) {
      if (rows.some(({ id }) => id === key.id)) return
      const waiting = rows.filter(({ activatedAtMs }) => activatedAtMs === undefined)
      rows = [...waiting, rowOf(key, false), ...rows.slice(waiting.length)]
    },
    async replaceSecret({ id, secret }, next) {
      const isThere = rows.some((row) => row.id === id && row.secret === secret)
      rows = rows.map((row) => (row.id === id && row.secret === secret ? { ...row, secret: next } : row))
      return isThere
    },
    async activate(id) {
      const row = rows.find((one) => one.id === id)
      if (row === undefined) return fail({ reason: 'unknown' })
      if (row.activatedAtMs !== undefined) return fail({ reason: 'activated' })
      rows = [...rows.filter((one) => one !== row), { ...row, activatedAtMs: clock.nowMs() }]
      return ok(undefined)
    },
    async retire(id) {
      const row = rows.find((one) => one.id === id)
      if (row === undefined) return fail({ reason: 'unknown' })
      if (row.activatedAtMs !== undefined && row === rows.at(-1)) return fail({ reason: 'sealing' })
      rows = rows.filter((one) => one !== row)
      return ok(undefined)
    },
  }
}
