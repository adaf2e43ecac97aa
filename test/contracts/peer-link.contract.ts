/** What every PeerLink must do. */
import { describe, expect, it } from 'vitest'
import type { PeerLink } from '../../src/core/gateway/peer-link.ts'

export interface PeerLinkRig {
  readonly near: PeerLink
  readonly far: PeerLink
  /** The far replica dies. */
  kill(): Promise<void>
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

export function testPeerLink(name: string, open: () => Promise<PeerLinkRig>): void {
  describe(`PeerLink contract: ${name}`, () => {
    it('brings a request to its owner and the messages back, in order and byte for byte', async () => {
      const { near, far } = await open()
      const text = Buffer.from('{"a":"é\u2028\\n"}').toString('latin1')
      far.serve('call', async function* (received) {
        yield `1${received}`
        yield `2${received}`
      })
      const answer = await near.send(far.replicaId, 'call', text)
      expect(await all(answer.messages)).toEqual([`1${text}`, `2${text}`])
    })

    it('delivers each message when it is there, not when all are', async () => {
      const { near, far } = await open()
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

    it('reaches itself', async () => {
      const { near } = await open()
      near.serve('call', async function* () {
        yield 'me'
      })
      expect(await all((await near.send(near.replicaId, 'call', '')).messages)).toEqual(['me'])
    })

    it('says that no such replica, or nobody for that topic, is there', async () => {
      const { near, far } = await open()
      const stop = far.serve('call', async function* () {})
      stop()
      await expect(near.send('nobody', 'call', '')).rejects.toMatchObject({ code: 'upstream_unavailable' })
      await expect(near.send(far.replicaId, 'call', '')).rejects.toMatchObject({ code: 'upstream_unavailable' })
      await expect(near.send(far.replicaId, 'other', '')).rejects.toMatchObject({ code: 'upstream_unavailable' })
    })

    it('tells the owner of a cancel, and ends the answer although the owner hangs', async () => {
      const { near, far } = await open()
      let cancelled: Promise<void> | undefined
      far.serve('call', async function* (_text, signal) {
        cancelled = aborted(signal)
        yield 'first'
        await new Promise(() => {})
      })
      const answer = await near.send(far.replicaId, 'call', '')
      const messages = answer.messages[Symbol.asyncIterator]()
      await messages.next()
      const rest = messages.next()
      answer.cancel()
      await cancelled
      expect((await rest).done).toBe(true)
    })

    it('fails an answer whose owner dies or throws, instead of ending it', async () => {
      const { near, far, kill } = await open()
      far.serve('throws', async function* () {
        yield 'first'
        throw new Error('broken')
      })
      far.serve('hangs', async function* () {
        yield 'first'
        await new Promise(() => {})
      })
      await expect(all((await near.send(far.replicaId, 'throws', '')).messages)).rejects.toThrow()
      const hanging = all((await near.send(far.replicaId, 'hangs', '')).messages)
      await kill()
      await expect(hanging).rejects.toMatchObject({ code: 'upstream_unavailable' })
    })
  })
}
