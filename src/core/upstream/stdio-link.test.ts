import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { createSpawner } from '../../adapters/child-process/spawner.ts'
import { createEgress } from '../../adapters/undici/egress.ts'
import { configOf, depsOf, recordHealth } from '../../../test/fixtures/upstream/support.ts'
import type { StdioServer } from '../gateway/snapshot.ts'
import type { UpstreamLink } from './link.ts'
import type { Spawner } from './spawner.ts'
import { createStdioLink } from './stdio-link.ts'

const server = fileURLToPath(new URL('../../../test/fixtures/upstream/stdio-server.mjs', import.meta.url))
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Opened {
  readonly link: UpstreamLink
  readonly started: () => number
  /** Of the children, so many lived at a time. */
  readonly most: () => number
}

function open(mode: string): Opened {
  const inner = createSpawner()
  const alive = new Set<object>()
  const seen = { started: 0, most: 0 }
  const spawner: Spawner = {
    ...inner,
    spawn(request, handler) {
      const one = {}
      alive.add(one)
      seen.started += 1
      seen.most = Math.max(seen.most, alive.size)
      return inner.spawn(request, { ...handler, onExit: (exit) => (alive.delete(one), handler.onExit(exit)) })
    },
  }
  const target: StdioServer = { transport: 'stdio', command: process.execPath, args: [server, mode], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined }
  const egress = createEgress({ env: {} })
  const deps = depsOf({ egress, spawner })
  const link = createStdioLink({ ...deps, config: configOf(target), target, health: recordHealth(), probeTimeoutMs: 300, requestTimeoutMs: 5_000 })
  closers.push(() => egress.close(), () => inner.close(), () => link.close())
  return { link, started: () => seen.started, most: () => seen.most }
}

describe('the link to a server over stdio', () => {
  it.each<[when: string, first: 'probeModern' | 'openModern']>([
    ['asks what it is and another one needs it', 'probeModern'],
    ['needs it and another one asks what it is', 'openModern'],
  ])('has one modern child where somebody %s in the same moment', async (_when, first) => {
    const { link, started } = open('modern')
    const probe = (): unknown => link.probeModern()
    const use = (): unknown => link.openModern('2026-07-28')
    const [one, other] = first === 'probeModern' ? [probe, use] : [use, probe]
    await Promise.all([one(), other(), one(), other()])
    expect([started(), link.children()]).toEqual([1, 1])
  })

  it('starts no modern child beside one that was asked in vain and has not gone yet', async () => {
    const { link, started, most } = open('legacy')
    const asked = [await link.probeModern(), await link.openModern('2026-07-28'), await link.probeModern()]
    expect(asked).toMatchObject([{ verdict: 'absent' }, { ok: false }, { verdict: 'absent' }])
    expect([started(), most()]).toEqual([3, 1])
  })
})
