/** What every PeerLink must do. */
import { afterEach, describe, expect, it } from 'vitest'
import type { PeerLink } from '../../src/core/gateway/peer-link.ts'
import { PortolanError } from '../../src/protocol/error.ts'

export interface PeerLinkRig {
  readonly near: PeerLink
  readonly far: PeerLink
  /** That replica dies: no farewell. */
  kill(which: 'near' | 'far'): Promise<void>
  close(): Promise<void>
}

async function all(messages: AsyncIterable<string>): Promise<string[]> {
  const got: string[] = []
  for await (const message of messages) got.push(message)
  return got
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
}

/** Once the count has stood still for a while. */
async function settled(count: () => number): Promise<number> {
  for (let before = -1; ; ) {
    before = count()
    await new Promise((resolve) => setTimeout(resolve, 150))
    if (count() === before) return before
  }
}

const never = (): Promise<void> => new Promise(() => {})

export function testPeerLink(name: string, open: () => Promise<PeerLinkRig>): void {
  const opened: PeerLinkRig[] = []
  const rig = async (): Promise<PeerLinkRig> => {
    const one = await open()
    opened.push(one)
    return one
  }

  describe(`PeerLink contract: ${name}`, () => {
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((one) => one.close()))
    })

    it('brings a request to its owner and the messages back, in order and byte for byte', async () => {
      const { near, far } = await rig()
      const text = Buffer.from('{"a":"é\u2028\\n"}\r\n\n').toString('latin1')
      far.serve('call', async function* (received) {
        yield `1${received}`
        yield ''
        yield `2${received}`
      })
      const answer = await near.send(far.replicaId, 'call', text)
      expect(await all(answer.messages)).toEqual([`1${text}`, '', `2${text}`])
    })

    it('carries a text of several megabytes, either way', async () => {
      const { near, far } = await rig()
      far.serve('call', async function* (received) {
        yield received
      })
      const text = 'é'.repeat(3_000_000)
      const [back] = await all((await near.send(far.replicaId, 'call', text)).messages)
      expect(back === text).toBe(true)
    })

    it('delivers each message when it is there, not when all are', async () => {
      const { near, far } = await rig()
      let release = (): void => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      far.serve('call', async function* () {
        yield 'first'
        await held
        yield 'second'
      })
      const answer = await near.send(far.replicaId, 'call', '')
      const messages = answer.messages[Symbol.asyncIterator]()
      expect((await messages.next()).value).toBe('first')
      release()
      expect((await messages.next()).value).toBe('second')
      expect((await messages.next()).done).toBe(true)
    })

    it('keeps many conversations apart', async () => {
      const { near, far } = await rig()
      far.serve('call', async function* (received, _signal, more) {
        for await (const further of more) yield `${received}${further}`
      })
      const ids = Array.from({ length: 40 }, (_, at) => `${at}-`)
      const answers = await Promise.all(ids.map((id) => near.send(far.replicaId, 'call', id)))
      for (const answer of answers) void answer.write('x').then(() => answer.end())
      expect(await Promise.all(answers.map(({ messages }) => all(messages)))).toEqual(ids.map((id) => [`${id}x`]))
    })

    it('reaches itself', async () => {
      const { near } = await rig()
      near.serve('call', async function* () {
        yield 'me'
      })
      expect(await all((await near.send(near.replicaId, 'call', '')).messages)).toEqual(['me'])
    })

    it('carries further texts to the owner while it answers, in order, and their end', async () => {
      const { near, far } = await rig()
      far.serve('call', async function* (received, _signal, more) {
        yield `begun ${received}`
        for await (const text of more) yield `got ${text}`
        yield 'done'
      })
      const answer = await near.send(far.replicaId, 'call', '0')
      const messages = answer.messages[Symbol.asyncIterator]()
      expect((await messages.next()).value).toBe('begun 0')
      const written = [answer.write('1'), answer.write('\xff2'), answer.write('')]
      for (const text of ['got 1', 'got \xff2', 'got ']) expect((await messages.next()).value).toBe(text)
      await Promise.all(written)
      answer.end()
      expect((await messages.next()).value).toBe('done')
      expect((await messages.next()).done).toBe(true)
    })

    it('does not read ahead of an asker that does not read', async () => {
      const { near, far } = await rig()
      const texts = 500
      let made = 0
      far.serve('call', async function* () {
        for (; made < texts; made++) yield 'x'.repeat(65_536)
      })
      const answer = await near.send(far.replicaId, 'call', '')
      // What kernels buffer on a connection is a few megabytes, each way.
      expect(await settled(() => made)).toBeLessThan(400)
      expect(await all(answer.messages)).toHaveLength(texts)
    }, 20_000)

    it('lets an asker wait that writes more than the owner reads', async () => {
      const { near, far } = await rig()
      let read = (): void => {}
      const reading = new Promise<void>((resolve) => (read = resolve))
      far.serve('call', async function* (_text, _signal, more) {
        await reading
        yield String((await all(more)).length)
      })
      const answer = await near.send(far.replicaId, 'call', '')
      let room = 0
      const written = Array.from({ length: 40 }, () => answer.write('x'.repeat(10_000)).then(() => room++))
      expect(await settled(() => room)).toBeLessThan(20)
      read()
      await Promise.all(written)
      answer.end()
      expect(await all(answer.messages)).toEqual(['40'])
    })

    it('says that nothing was delivered where no such replica, or nobody for that topic, is there', async () => {
      const { near, far } = await rig()
      const stop = far.serve('call', async function* () {})
      stop()
      await expect(near.send('nobody', 'call', '')).rejects.toMatchObject({ code: 'upstream_unavailable' })
      await expect(near.send(far.replicaId, 'call', '')).rejects.toMatchObject({ code: 'upstream_unavailable' })
      await expect(near.send(far.replicaId, 'other', '')).rejects.toMatchObject({ code: 'upstream_unavailable' })
    })

    it('says that nothing was delivered to a replica that is dead', async () => {
      const { near, far, kill } = await rig()
      far.serve('call', async function* () {})
      await kill('far')
      await expect(near.send(far.replicaId, 'call', '')).rejects.toMatchObject({ code: 'upstream_unavailable' })
    })

    it('tells the owner of a cancel, and ends the answer although the owner hangs', async () => {
      const { near, far } = await rig()
      let cancelled: Promise<void> | undefined
      let moreEnded: Promise<string[]> | undefined
      far.serve('call', async function* (_text, signal, more) {
        cancelled = aborted(signal)
        moreEnded = all(more)
        yield 'first'
        await never()
      })
      const answer = await near.send(far.replicaId, 'call', '')
      const messages = answer.messages[Symbol.asyncIterator]()
      await messages.next()
      const rest = messages.next()
      answer.cancel()
      await cancelled
      expect((await rest).done).toBe(true)
      expect(await moreEnded).toEqual([])
    })

    it('takes leaving the loop for a cancel', async () => {
      const { near, far } = await rig()
      let cancelled: Promise<void> | undefined
      far.serve('call', async function* (_text, signal) {
        cancelled = aborted(signal)
        for (;;) yield 'x'
      })
      for await (const message of (await near.send(far.replicaId, 'call', '')).messages) if (message === 'x') break
      await cancelled
    })

    it('tells the asker what the owner threw, without the text of what is no PortolanError', async () => {
      const { near, far } = await rig()
      far.serve('throws', async function* () {
        yield 'first'
        throw new Error('a secret')
      })
      far.serve('refuses', async function* (received) {
        if (received === '') throw new PortolanError('session_not_found', { message: 'gone', data: { since: 'é' }, retryAfterSec: 2 })
        yield received
      })
      const failure = all((await near.send(far.replicaId, 'throws', '')).messages)
      await expect(failure).rejects.toMatchObject({ code: 'internal', message: 'Internal error' })
      const refusal = all((await near.send(far.replicaId, 'refuses', '')).messages)
      await expect(refusal).rejects.toMatchObject({ code: 'session_not_found', message: 'gone', data: { since: 'é' }, retryAfterSec: 2 })
    })

    it('fails an answer whose owner dies with an unknown outcome, instead of ending it', async () => {
      const { near, far, kill } = await rig()
      far.serve('call', async function* () {
        yield 'first'
        await never()
      })
      const answer = await near.send(far.replicaId, 'call', '')
      const messages = answer.messages[Symbol.asyncIterator]()
      expect((await messages.next()).value).toBe('first')
      const rest = messages.next()
      await Promise.all([expect(rest).rejects.toMatchObject({ code: 'outcome_unknown' }), kill('far')])
      await expect(answer.write('x')).rejects.toBeInstanceOf(PortolanError)
    })

    it('tells the owner of an asker that dies', async () => {
      const { near, far, kill } = await rig()
      let cancelled: Promise<void> | undefined
      far.serve('call', async function* (_text, signal) {
        cancelled = aborted(signal)
        yield 'first'
        await never()
      })
      const answer = await near.send(far.replicaId, 'call', '')
      await answer.messages[Symbol.asyncIterator]().next()
      await kill('near')
      await cancelled
    })
  })
}
