import { describe, expect, it } from 'vitest'
import { createLimiter } from '../../adapters/memory/limiter.ts'
import { createSnapshotSource } from '../../adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import type { Snapshot } from '../../core/gateway/snapshot.ts'
import { liveLimits } from './live-limits.ts'

const snapshot = (exchanges: number): Snapshot => ({
  digest: String(exchanges), servers: [], separator: '__', pageSize: 100, virtualServers: [], limits: { ...DEFAULT_LIMITS, exchanges },
})

describe('limits that a reload changes', () => {
  it('are in force at the next use, for whoever was made with the old ones', () => {
    const source = createSnapshotSource(snapshot(1))
    const limits = liveLimits(source)
    const limiter = createLimiter(limits)
    const admit = () => limiter.admit({ ownerKey: 'a', upstreamId: '' })
    expect(admit()).toMatchObject({ ok: true })
    expect(admit()).toMatchObject({ ok: false })
    source.replace(snapshot(2))
    expect(admit()).toMatchObject({ ok: true })
    expect(Object.keys(limits)).toEqual(Object.keys(DEFAULT_LIMITS))
  })
})
