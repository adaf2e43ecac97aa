/** What every SnapshotSource must do. `change` makes the configuration another one, with the digest it names. */
import { describe, expect, it } from 'vitest'
import type { Snapshot, SnapshotSource } from '../../src/core/gateway/snapshot.ts'

export interface SnapshotSourceRig {
  readonly source: SnapshotSource
  /** Resolves when the change was taken up. */
  change(): Promise<Snapshot>
  /** The same configuration once more. */
  repeat(): Promise<void>
}

export function testSnapshotSource(name: string, open: () => Promise<SnapshotSourceRig>): void {
  describe(`SnapshotSource contract: ${name}`, () => {
    it('gives the same snapshot until it changes, and leaves a pinned one alone', async () => {
      const { source, change } = await open()
      const pinned = source.current()
      const before = JSON.stringify(pinned)
      expect(source.current()).toBe(pinned)
      const next = await change()
      expect(source.current()).toEqual(next)
      expect(source.current().digest).not.toBe(pinned.digest)
      expect(JSON.stringify(pinned)).toBe(before)
    })

    it('tells subscribers of each change once, after it counts, until they unsubscribe', async () => {
      const { source, change, repeat } = await open()
      const told: string[] = []
      const stop = source.subscribe((snapshot) => told.push(`${snapshot.digest === source.current().digest}`))
      const stopSecond = source.subscribe(() => told.push('second'))
      await change()
      expect(told).toEqual(['true', 'second'])
      await repeat()
      expect(told).toHaveLength(2)
      stop()
      stop()
      stopSecond()
      await change()
      expect(told).toHaveLength(2)
    })
  })
}
