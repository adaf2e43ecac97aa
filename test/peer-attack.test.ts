/** The peer link as an enemy on the replicas' network would treat it, and as dying peers do. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bind } from '../src/adapters/http/bind.ts'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createFrameReader, frameText } from '../src/adapters/peer-tls/frame.ts'
import { parsePeerAddress } from '../src/adapters/peer-tls/peer-address.ts'
import { connectSecurely, createSecureServer } from '../src/adapters/peer-tls/secure.ts'
import { startReplica } from './peer-process.ts'
import { keyringOf, openReplica } from './peer-rig.ts'
import type { PeerReplica } from './peer-rig.ts'
import { openTcpProxy, sendRaw } from './tcp-proxy.ts'
import type { TcpProxy } from './tcp-proxy.ts'

const SECRET = 'a secret text'
const NEVER_DELIVERED = { code: 'upstream_unavailable' }
const OUTCOME_UNKNOWN = { code: 'outcome_unknown' }

let addresses: Map<string, string>
let opened: { close(): unknown }[]
let served: string[]

beforeEach(() => {
  addresses = new Map()
  opened = []
  served = []
})
afterEach(async () => {
  await Promise.all(opened.map((one) => one.close()))
})

async function replica(more: Parameters<typeof openReplica>[1] = {}): Promise<PeerReplica> {
  const one = await openReplica(addresses, more)
  opened.push(one)
  one.serve('call', async function* (text) {
    served.push(text)
    yield `1 ${text}`
    yield `2 ${text}`
  })
  one.serve('hang', async function* (text) {
    served.push(text)
    yield 'begun'
    await new Promise(() => {})
  })
  return one
}

/** All traffic from askers to `far` passes through it from now on. */
async function between(far: PeerReplica): Promise<TcpProxy> {
  const { hostname, port } = new URL(far.address)
  const proxy = await openTcpProxy({ host: hostname, port: Number(port) })
  opened.push(proxy)
  addresses.set(far.replicaId, `tls://127.0.0.1:${proxy.port}`)
  return proxy
}

async function all(messages: AsyncIterable<string>): Promise<string[]> {
  const got: string[] = []
  for await (const message of messages) got.push(message)
  return got
}

const ask = async (near: PeerReplica, far: PeerReplica, text: string): Promise<string[]> => all((await near.send(far.replicaId, 'call', text)).messages)

/** As somebody who holds a key ring and says what he likes; `got` frames are waited for, or the end of the connection. */
function speak(far: PeerReplica, bytes: string, { ring = 'all replicas', to = far.replicaId, got = Infinity } = {}): Promise<string[]> {
  const target = parsePeerAddress(far.address)
  if (target === undefined) throw new TypeError('no address')
  const { socket } = connectSecurely(keyringOf(ring), to, target)
  const frames: string[] = []
  const read = createFrameReader((kind, stream, text) => {
    if (kind !== 'beat') frames.push(`${kind} ${stream} ${text}`)
    if (frames.length >= got) socket.destroy()
  })
  socket.on('secureConnect', () => socket.write(bytes, 'latin1')).on('data', read).on('error', () => {})
  return new Promise((resolve) => void socket.on('close', () => resolve(frames)))
}

const HELLO = frameText('hello', 0, '{"v":1,"from":"enemy"}')
const CALL = frameText('call', 1, 'call\nx')

/** The TLS records in what went one way; the first byte of each is its type (RFC 5246 §6.2.1): 22 handshake, 23 what is said. */
function recordsOf(bytes: string): string[] {
  const records: string[] = []
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.charCodeAt(at + 3) * 256 + bytes.charCodeAt(at + 4)
    if (end > bytes.length) break
    records.push(bytes.slice(at, end))
    at = end
  }
  return records
}
const isSaid = (record: string): boolean => record.charCodeAt(0) === 23

describe('whoever has no key of the ring', () => {
  it('is refused without a word, and nothing of what it sends is acted on', async () => {
    const far = await replica()
    const stranger = await replica({ keyring: keyringOf('another ring') })
    await expect(ask(stranger, far, 'x')).rejects.toMatchObject(NEVER_DELIVERED)
    expect(await speak(far, HELLO + CALL, { ring: 'another ring' })).toEqual([])
    // What is no TLS gets an alert at most.
    for (const bytes of ['GET / HTTP/1.1\r\nhost: x\r\n\r\n', HELLO + CALL, 'A'.repeat(20_000)]) expect((await sendRaw(far.address, bytes)).length).toBeLessThan(10)
    expect(served).toEqual([])
    await expect.poll(() => far.foreign).toHaveLength(5)
    expect(far.foreign.slice(0, 2)).toEqual(['a key that is not in the key ring', 'a key that is not in the key ring'])
    expect(far.telemetry.value('portolan_peer_requests_total', { side: 'served', outcome: 'foreign' })).toBe(5)
  })

  it('does not get further with the name of a key that is in it', async () => {
    const far = await replica()
    const known = keyringOf('all replicas').secret('x').keyId
    const guess = { ...keyringOf('another ring'), secret: () => ({ keyId: known, secret: Buffer.alloc(32) }) }
    const stranger = await replica({ keyring: guess })
    await expect(ask(stranger, far, 'x')).rejects.toMatchObject(NEVER_DELIVERED)
    expect(served).toEqual([])
    await expect.poll(() => far.foreign).toHaveLength(1)
  })

  it('learns nothing by taking the place of a replica, not even that there was a call', async () => {
    const near = await replica()
    const impostor = await replica({ keyring: keyringOf('another ring') })
    addresses.set('far', impostor.address)
    const proxy = await between({ ...impostor, replicaId: 'far' })
    await expect(near.send('far', 'call', SECRET)).rejects.toMatchObject(NEVER_DELIVERED)
    expect(recordsOf(proxy.seen()).length).toBeGreaterThan(0)
    expect(recordsOf(proxy.seen()).filter(isSaid)).toEqual([])
  })

  it('cannot read what passes', async () => {
    const [near, far] = [await replica(), await replica()]
    const proxy = await between(far)
    let answers = ''
    proxy.alter = (piece) => {
      answers += piece
      return piece
    }
    expect(await ask(near, far, SECRET)).toEqual([`1 ${SECRET}`, `2 ${SECRET}`])
    for (const bytes of [proxy.seen(), answers]) {
      expect(recordsOf(bytes).filter(isSaid).length).toBeGreaterThan(0)
      expect(bytes).not.toContain('secret')
      expect(bytes).not.toContain(near.replicaId)
    }
  })
})

describe('what was recorded', () => {
  it('is not acted on again, at the replica that it was for or at another', async () => {
    const [near, far, third] = [await replica(), await replica(), await replica()]
    const proxy = await between(far)
    expect(await ask(near, far, 'once')).toEqual(['1 once', '2 once'])
    for (const { address } of [far, third]) await sendRaw(address, proxy.seen())
    expect(served).toEqual(['once'])
    await expect.poll(() => [far.foreign.length, third.foreign]).toEqual([1, ['for another replica']])
  })

  it('is good for no other moment of its own connection', async () => {
    const [near, far] = [await replica(), await replica()]
    const proxy = await between(far)
    expect(await ask(near, far, 'once')).toEqual(['1 once', '2 once'])
    const call = recordsOf(proxy.seen()).findLast(isSaid) ?? ''
    proxy.inject(call)
    await expect(ask(near, far, 'after it')).rejects.toMatchObject({ code: expect.stringMatching(/^(?:upstream_unavailable|outcome_unknown)$/) })
    expect(served.filter((text) => text === 'once')).toHaveLength(1)
  })

  it('needs no clocks that agree', async () => {
    const far = await replica()
    for (const skewMs of [-86_400_000, 86_400_000]) {
      const near = await replica({ clock: { ...createSystemClock(), nowMs: () => Date.now() + skewMs } })
      expect(await ask(near, far, 'x')).toEqual(['1 x', '2 x'])
    }
  })
})

describe('a connection that somebody led elsewhere', () => {
  it('finds no common key at another replica, nor back at its own', async () => {
    const [near, far, third] = [await replica(), await replica(), await replica()]
    for (const wrong of [third, near]) {
      addresses.set(far.replicaId, wrong.address)
      await expect(ask(near, far, 'x')).rejects.toMatchObject(NEVER_DELIVERED)
      expect(wrong.foreign).toEqual(['for another replica'])
    }
    expect(served).toEqual([])
  })
})

describe('whoever holds the key ring', () => {
  it('says first in which format it speaks: a later one is refused, not guessed at, and members that are not known are overlooked', async () => {
    const far = await replica()
    const later = frameText('hello', 0, '{"v":2,"from":"enemy"}')
    expect(await speak(far, later, { got: 1 })).toEqual(['refused 0 a format that is not known'])
    for (const bytes of [later + CALL, CALL]) expect(await speak(far, bytes)).toEqual([])
    expect(served).toEqual([])
    const [welcome = ''] = await speak(far, frameText('hello', 0, '{"v":1,"from":"enemy","later":1}'), { got: 1 })
    expect(welcome).toContain(far.replicaId)
    expect(await speak(far, `${HELLO}\xf0\0\0\0\x01\0\0\0\x05later${CALL}`, { got: 5 })).toEqual([welcome, 'taken 1 ', 'message 1 1 x', 'message 1 2 x', 'end 1 '])
  })

  it('is hung up on for what is no frame, one that is too long, or a text that is', async () => {
    const far = await replica({ maxTextChars: 1_000 })
    for (const bytes of ['\xff'.repeat(9), '\x10\0\0\0\x01\xff\xff\xff\xff', frameText('call', 1, 'x'.repeat(2_000)), frameText('part', 1, 'x'.repeat(900)).repeat(2) + CALL]) {
      expect((await speak(far, HELLO + bytes)).slice(1)).toEqual([])
    }
    expect(await speak(far, frameText('hello', 0, '{'))).toEqual([])
    expect(served).toEqual([])
  })
})

describe('a key that has left the ring', () => {
  const rotating = () => {
    let ring = keyringOf('all replicas')
    const keyring: typeof ring = { ...ring, secret: (use) => ring.secret(use), secretOf: (keyId, use) => ring.secretOf(keyId, use) }
    return { keyring, rotate: () => void (ring = keyringOf('the next key')) }
  }

  it.each(['asked', 'asks'])('ends what was opened with it within 60 beats at the replica that %s, although a call stands', async (which) => {
    const [clock, rotated] = [{ ...createManualClock(), nowMs: () => Date.now() }, rotating()]
    const near = await replica({ clock, ...(which === 'asks' ? { keyring: rotated.keyring } : {}) })
    const far = await replica({ clock, ...(which === 'asked' ? { keyring: rotated.keyring } : {}) })
    const standing = (await near.send(far.replicaId, 'hang', 'x')).messages[Symbol.asyncIterator]()
    await standing.next()
    let isOver = false
    const over = expect(standing.next().finally(() => (isOver = true))).rejects.toMatchObject(OUTCOME_UNKNOWN)
    rotated.rotate()
    for (let beat = 1; beat < 60; beat += 1) {
      clock.advance(1_000)
      expect(await ask(near, far, 'still')).toEqual(['1 still', '2 still'])
    }
    expect(isOver).toBe(false)
    clock.advance(1_000)
    await over
    await expect(ask(near, far, 'x')).rejects.toMatchObject(NEVER_DELIVERED)
    expect(far.foreign).toEqual(['a key that is not in the key ring'])
  })
})

describe('an answer that was tampered with', () => {
  const tampers: readonly (readonly [string, (records: string[]) => string[]])[] = [
    ['changed in one bit', ([first = '', ...rest]) => [`${first.slice(0, 10)}${String.fromCharCode(first.charCodeAt(10) ^ 1)}${first.slice(11)}`, ...rest]],
    ['in another order', (records) => records.toReversed()],
    ['lacking its first record', (records) => records.slice(1)],
    ['cut short', (records) => records.slice(0, 2)],
    ['repeating itself', ([first = '', ...rest]) => [first, first, ...rest]],
    ['with garbage before it', (records) => ['garbage', ...records]],
    ['that is an alert in the open', () => ['\x15\x03\x03\0\x02\x01\0']],
  ]

  it.each(tampers)('%s is a lost one, never a shorter or other one, and no refusal', async (_how, tamper) => {
    const [near, far] = [await replica(), await replica()]
    const proxy = await between(far)
    far.serve('slow', async function* (text) {
      served.push(text)
      for (let at = 0; at < 3; at++) {
        yield `${at} ${text}`
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
    await ask(near, far, 'first')
    let whole = ''
    proxy.alter = (piece) => {
      whole += piece
      const records = recordsOf(whole)
      // Taken and the first message, the others, the end.
      if (records.length < 4) return ''
      setTimeout(() => proxy.cut(), 50)
      whole = ''
      return tamper(records).join('')
    }
    await expect(near.send(far.replicaId, 'slow', 'x').then(({ messages }) => all(messages))).rejects.toMatchObject(OUTCOME_UNKNOWN)
    expect(served).toEqual(['first', 'x'])
  })
})

describe('too much', () => {
  it('is not sent, and a message beyond the limit fails its answer', async () => {
    const [near, far] = [await replica({ maxTextChars: 1_000 }), await replica({ maxTextChars: 1_000 })]
    await expect(ask(near, far, 'x'.repeat(1_001))).rejects.toMatchObject({ code: 'body_too_large' })
    await expect(ask(near, far, 'x'.repeat(999))).rejects.toMatchObject({ code: 'upstream_oversized' })
    const talkative = await replica({ maxTextChars: 1_000_000 })
    for (const length of [50_000, 500_000]) {
      talkative.serve('long', async function* () {
        yield 'x'.repeat(length)
      })
      await expect(near.send(talkative.replicaId, 'long', '').then(({ messages }) => all(messages))).rejects.toMatchObject(OUTCOME_UNKNOWN)
    }
    expect(await ask(near, talkative, 'still there')).toEqual(['1 still there', '2 still there'])
  })

  it('is refused as never delivered where it is one call too many', async () => {
    const [near, far] = [await replica(), await replica({ maxCalls: 2 })]
    const open = await Promise.all([near.send(far.replicaId, 'hang', '1'), near.send(far.replicaId, 'hang', '2')])
    await expect(near.send(far.replicaId, 'hang', '3')).rejects.toMatchObject({ ...NEVER_DELIVERED, retryAfterSec: 1 })
    open[0].cancel()
    await expect.poll(() => ask(near, far, '4').catch(() => [])).toEqual(['1 4', '2 4'])
    expect(served).not.toContain('3')
  })

  it('does not hold up what is short', async () => {
    const [near, far] = [await replica(), await replica()]
    far.serve('long', async function* () {
      yield 'x'.repeat(15_000_000)
    })
    const order: string[] = []
    const long = near.send(far.replicaId, 'long', '').then(({ messages }) => all(messages)).then(() => order.push('long'))
    await Promise.all([long, ask(near, far, 'short').then(() => order.push('short'))])
    expect(order).toEqual(['short', 'long'])
  })

  it('time is given to nobody who does not show who it is, or says nothing then', async () => {
    const far = await replica({ handshakeMs: 200, beatMs: 20 })
    expect(await Promise.all([sendRaw(far.address, '\x16\x03\x01\x02'), speak(far, '')])).toEqual(['', []])
    expect(served).toEqual([])
  })
})

describe('a peer that dies or hangs', () => {
  it('was never delivered to, where it does not answer from the beginning', async () => {
    const [near, far] = [await replica({ beatMs: 40 }), await replica()]
    const proxy = await between(far)
    proxy.freeze()
    await expect(ask(near, far, 'x')).rejects.toMatchObject(NEVER_DELIVERED)
    expect(served).toEqual([])
  })

  it('leaves the outcome unknown where it falls silent later, and the next call is not delivered', async () => {
    const [near, far] = [await replica({ beatMs: 40 }), await replica({ beatMs: 20 })]
    const proxy = await between(far)
    const open = await near.send(far.replicaId, 'hang', 'x')
    const messages = open.messages[Symbol.asyncIterator]()
    expect((await messages.next()).value).toBe('begun')
    proxy.freeze()
    const [waiting, asking] = [messages.next(), ask(near, far, 'y')]
    await Promise.all([expect(waiting).rejects.toMatchObject(OUTCOME_UNKNOWN), expect(asking).rejects.toMatchObject(OUTCOME_UNKNOWN)])
    expect(near.known()).toEqual([])
    await expect(ask(near, far, 'z')).rejects.toMatchObject(NEVER_DELIVERED)
  })

  it.each(['from the beginning', 'later'])('is not waited for again at once where it fell silent %s, and is asked again soon', async (when) => {
    const beatMs = 200
    const [near, far] = [await replica({ beatMs }), await replica({ beatMs: 50 })]
    const proxy = await between(far)
    if (when === 'later') await ask(near, far, 'x')
    proxy.freeze()
    await ask(near, far, 'y').catch(() => undefined)
    const sinceMs = performance.now()
    await expect(ask(near, far, 'z')).rejects.toMatchObject(NEVER_DELIVERED)
    // Three beats are what a new connection is given.
    expect(performance.now() - sinceMs).toBeLessThan(2 * beatMs)
    proxy.thaw()
    await expect.poll(() => ask(near, far, 'again').catch(() => undefined)).toBeDefined()
    expect(served).not.toContain('z')
  })

  it('is not taken for dead while its answer only takes long, however long nothing is said', async () => {
    const [near, far] = [await replica({ beatMs: 30 }), await replica({ beatMs: 15 })]
    let finish = (): void => {}
    far.serve('slow', async function* () {
      await new Promise<void>((resolve) => (finish = resolve))
      yield 'at last'
    })
    const open = await near.send(far.replicaId, 'slow', '')
    await new Promise((resolve) => setTimeout(resolve, 600))
    finish()
    expect(await all(open.messages)).toEqual(['at last'])
  })

  it('frees what it had asked for, where its connections stay open', async () => {
    const far = await replica({ beatMs: 60 })
    // Its beats, by which others know that it is here, stand still.
    const near = await replica({ clock: { ...createManualClock(Date.now()), nowMs: () => Date.now() } })
    let aborted = false
    far.serve('watch', async function* (_text, signal) {
      signal.addEventListener('abort', () => (aborted = true))
      yield 'begun'
      await new Promise(() => {})
    })
    const open = await near.send(far.replicaId, 'watch', '')
    await open.messages[Symbol.asyncIterator]().next()
    await expect.poll(() => aborted).toBe(true)
  })

  it('that ends in order says of what comes late that it was not delivered, and frees the connection', async () => {
    const [near, far] = [await replica(), await replica()]
    await ask(near, far, 'before')
    const ended = far.close()
    for (let at = 0; at < 3; at++) await expect(ask(near, far, 'late')).rejects.toMatchObject(NEVER_DELIVERED)
    await ended
    await expect(ask(near, far, 'after')).rejects.toMatchObject(NEVER_DELIVERED)
    expect(served).toEqual(['before'])
  })

  it('that ends in order while somebody connects says of the call that it was not delivered', async () => {
    const near = await replica()
    const server = createSecureServer({
      keyring: keyringOf('all replicas'), replicaId: 'far', handshakeMs: 10_000, onForeign: () => undefined,
      // One record.
      onAsker: ({ socket }) => void socket.once('data', () => socket.write(frameText('welcome', 0, '{"v":1,"from":"far"}') + frameText('closing', 0, ''), 'latin1')),
    })
    const { addresses: [bound] } = await bind({ host: '127.0.0.1', port: 0 }, () => server)
    opened.push({ close: () => void server.close() })
    if (bound?.kind !== 'tcp') throw new TypeError('not listening')
    addresses.set('far', `tls://${bound.host}:${bound.port}`)
    await expect(near.send('far', 'call', 'x')).rejects.toMatchObject(NEVER_DELIVERED)
    expect(near.telemetry.value('portolan_peer_requests_total', { side: 'asked', outcome: 'unreachable' })).toBe(1)
  })

  it('that ends in order says first that nobody knows what becomes of the calls it has, and that it takes no others', async () => {
    const far = await replica()
    const spoken = speak(far, HELLO + frameText('call', 1, 'hang\nx'))
    await expect.poll(() => served).toEqual(['x'])
    await far.close()
    expect((await spoken).slice(1)).toEqual(['taken 1 ', 'message 1 begun', 'cut 1 ', 'closing 0 '])
  })

  it('that was stopped acts on nothing that was given up meanwhile, and is asked again once it goes on', async () => {
    const near = await replica({ beatMs: 300 })
    const far = await startReplica()
    opened.push(far)
    addresses.set(far.replicaId, far.address)
    const asked = (text: string): Promise<string[]> => near.send(far.replicaId, 'call', text).then(({ messages }) => all(messages))
    expect(await asked('before')).toEqual(['before'])
    far.stop()
    await expect(asked('given up')).rejects.toMatchObject(OUTCOME_UNKNOWN)
    await expect(asked('not sent')).rejects.toMatchObject(NEVER_DELIVERED)
    far.goOn()
    await expect.poll(() => asked('after').catch(() => [])).toEqual(['after'])
    // On a busy machine it may have to be asked more than once.
    await expect.poll(() => far.served()).toContain('after')
    expect(new Set(far.served())).toEqual(new Set(['before', 'after']))
  }, 30_000)
})

describe('a peer that lives at an address that is wrong', () => {
  it('is told of once it is no passing matter, and once it is reached', async () => {
    const told: string[] = []
    const beatMs = 20
    const far = await replica()
    const near = await replica({ beatMs, onUnreachable: ({ id, address }, detail) => told.push(`${id} ${address} ${detail}`), onReached: (id) => told.push(id) })
    const ask = () => near.send(far.replicaId, 'call', '').then(({ messages }) => all(messages), () => 'failed')
    const right = addresses.get(far.replicaId) ?? ''
    addresses.set(far.replicaId, 'tls://127.0.0.1:1')
    expect(await ask()).toBe('failed')
    expect([told, near.unreachable()]).toEqual([[], []])
    await expect.poll(() => ask().then(() => told)).toEqual([`${far.replicaId} tls://127.0.0.1:1 ECONNREFUSED`])
    expect(await ask()).toBe('failed')
    expect([told.length, near.unreachable()]).toEqual([1, [{ id: far.replicaId, address: 'tls://127.0.0.1:1' }]])
    addresses.set(far.replicaId, right)
    expect(await ask()).toEqual(['1 ', '2 '])
    expect([told[1], near.unreachable()]).toEqual([far.replicaId, []])
  })

  it('is told of where it is another one that answers there', async () => {
    const told: string[] = []
    const [far, other, near] = [await replica(), await replica(), await replica({ beatMs: 20, onUnreachable: ({ id }) => told.push(id) })]
    addresses.set(far.replicaId, other.address)
    await expect.poll(() => near.send(far.replicaId, 'call', '').then(() => [], () => told)).toEqual([far.replicaId])
  })

  it('is nobody to tell of where it is dead before that', async () => {
    const told: string[] = []
    const far = await replica()
    const near = await replica({ beatMs: 20, onUnreachable: ({ id }) => told.push(id) })
    const ask = () => near.send(far.replicaId, 'call', '').catch(() => undefined)
    addresses.set(far.replicaId, 'tls://127.0.0.1:1')
    await ask()
    addresses.delete(far.replicaId)
    await ask()
    await new Promise((resolve) => setTimeout(resolve, 300))
    addresses.set(far.replicaId, 'tls://127.0.0.1:1')
    await ask()
    expect([told, near.unreachable()]).toEqual([[], []])
  })
})
