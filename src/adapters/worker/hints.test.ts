import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { testHints } from '../../../test/contracts/hints.contract.ts'
import { MISSED } from '../../core/event/hints.ts'
import { createMemoryTelemetry } from '../memory/telemetry.ts'
import { createSystemRandom } from '../node/random.ts'
import { hintLineOver } from './hint-line.ts'
import type { HintLine } from './hint-line.ts'
import { createHintHub } from './hint-hub.ts'
import { createWorkerHints } from './hints.ts'

const hintsOver = (line: HintLine) => createWorkerHints({ line, random: createSystemRandom(), telemetry: createMemoryTelemetry() })

/** A process that sends back what it gets: two of them are the channels of two workers. */
const MIRROR = fileURLToPath(new URL('../../../test/fixtures/mirror.mjs', import.meta.url))

/** What is said to one end of a mirror comes out of its other end. */
function ends(mirror: ChildProcess): readonly [HintLine, HintLine] {
  const endOf = (mine: string, other: string): HintLine =>
    hintLineOver({
      send: (message, _handle, _options, done) => mirror.send({ to: other, message }, undefined, undefined, done),
      on: (_event, take) => mirror.on('message', (back: { to: string; message: unknown }) => (back.to === mine ? take(back.message) : undefined)),
    })
  return [endOf('worker', 'hub'), endOf('hub', 'worker')]
}

testHints('a supervisor and its workers', async () => {
  const mirrors = [fork(MIRROR), fork(MIRROR)]
  await Promise.all(mirrors.map((mirror) => once(mirror, 'spawn')))
  const hub = createHintHub('hub')
  const [near, far] = mirrors.map((mirror) => {
    const [worker, supervisor] = ends(mirror)
    hub.join(supervisor)
    return hintsOver(worker)
  })
  if (near === undefined || far === undefined) throw new TypeError('two are opened')
  return {
    near, far,
    async close() {
      await Promise.all([near.close(), far.close(), ...mirrors.map((mirror) => (mirror.disconnect(), once(mirror, 'exit')))])
    },
  }
}, false)

describe('a worker that does not read', () => {
  it('holds nobody up, costs a bounded memory, and is told that it missed something', async () => {
    const hub = createHintHub('hub')
    const taken: (() => void)[] = []
    const got: string[] = []
    let say = (_text: string): void => undefined
    hub.join({ send: (text) => new Promise((resolve) => void (got.push(text), taken.push(resolve))), onText: () => undefined })
    hub.join({ send: () => Promise.resolve(), onText: (take) => void (say = take) })
    for (let at = 0; at < 1_000; at++) say(`{"v":1,"from":"a","n":${at},"hints":[["a","${at}"]]}`)
    expect(got.length).toBe(64)
    for (const take of taken.splice(0)) take()
    await expect.poll(() => got.length).toBe(65)
    const heard: string[] = []
    const hints = hintsOver({ send: () => Promise.resolve(), onText: (take) => void queueMicrotask(() => take(got.at(-1) ?? '')) })
    hints.subscribe('a', ({ revision }) => heard.push(revision))
    await expect.poll(() => heard).toContain(MISSED)
  })
})

describe('a worker whose supervisor is gone', () => {
  it('says so', async () => {
    const hints = hintsOver({ send: () => Promise.reject(new Error('gone')), onText: () => undefined })
    hints.publish({ topic: 'a', revision: '1' })
    await expect.poll(() => hints.state()).toEqual({ wire: 'workers', isUp: false, detail: 'the supervisor is gone' })
  })
})
