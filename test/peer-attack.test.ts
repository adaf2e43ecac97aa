/** The peer link as an enemy on the replicas' network would treat it, and as dying peers do. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { sealProof, sealText } from '../src/adapters/peer-http/proof.ts'
import type { PeerPath, Proof } from '../src/adapters/peer-http/proof.ts'
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
  addresses.set(far.replicaId, `http://127.0.0.1:${proxy.port}`)
  return proxy
}

async function all(messages: AsyncIterable<string>): Promise<string[]> {
  const got: string[] = []
  for await (const message of messages) got.push(message)
  return got
}

const ask = async (near: PeerReplica, far: PeerReplica, text: string): Promise<string[]> => all((await near.send(far.replicaId, 'call', text)).messages)

const proofFor = (far: PeerReplica, more: Partial<Proof> = {}): Proof => ({
  from: 'enemy', to: far.replicaId, atMs: Date.now(), nonce: 'n-1', topic: 'call', call: '', isLast: false, ...more,
})

function rawRequest(proof: string, body: string, { path = '/peer/1/call', length = String(body.length) } = {}): string {
  return `POST ${path} HTTP/1.1\r\nhost: x\r\nportolan-proof: ${proof}\r\ncontent-length: ${length}\r\n\r\n${body}`
}

/** As somebody who holds a key ring and makes requests as he likes. */
function forged(far: PeerReplica, more: Partial<Proof> = {}, ring = 'all replicas', path: PeerPath = '/peer/1/call'): string {
  const proof = proofFor(far, more)
  return rawRequest(sealProof(keyringOf(ring), path, proof), sealText(keyringOf(ring), proof.nonce, 'x'), { path })
}

describe('whoever has no key of the ring', () => {
  it('is refused without a word, and nothing of what it sends is acted on', async () => {
    const far = await replica()
    const stranger = await replica({ keyring: keyringOf('another ring') })
    await expect(ask(stranger, far, 'x')).rejects.toMatchObject(NEVER_DELIVERED)
    expect(await sendRaw(far.address, forged(far, {}, 'another ring'))).toMatch(/^HTTP\/1\.1 401 [^\r]*\r\nconnection: close\r\n[^]*\r\n\r\n(?:0\r\n\r\n)?$/i)
    for (const proof of ['', 'x', 'A'.repeat(3_000), '../..', '{}']) expect(await sendRaw(far.address, rawRequest(proof, ''))).toMatch(/^HTTP\/1\.1 401 /)
    expect(served).toEqual([])
    expect(far.foreign).toContain('no proof')
    expect(far.telemetry.value('peer_requests_total', { side: 'served', outcome: 'foreign' })).toBe(7)
  })

  it('learns nothing by taking the place of a replica, not even that there was a call', async () => {
    const near = await replica()
    const impostor = await replica({ keyring: keyringOf('another ring') })
    addresses.set('far', impostor.address)
    const proxy = await between({ ...impostor, replicaId: 'far' })
    await expect(near.send('far', 'call', SECRET)).rejects.toMatchObject(NEVER_DELIVERED)
    expect(proxy.seen()).toContain('POST /peer/1/alive')
    expect(proxy.seen()).not.toContain('/peer/1/call')
  })

  it('cannot read what passes', async () => {
    const [near, far] = [await replica(), await replica()]
    const proxy = await between(far)
    let answers = ''
    proxy.alter = (piece) => {
      answers += piece
      return piece
    }
    await ask(near, far, SECRET)
    for (const text of [proxy.seen(), answers]) {
      expect(text.length).toBeGreaterThan(300)
      for (const word of text.split(/[^A-Za-z0-9_-]+/)) expect(Buffer.from(word, 'base64url').toString('latin1')).not.toContain('secret')
    }
  })
})

describe('what was recorded', () => {
  async function record(): Promise<{ far: PeerReplica; call: string }> {
    const [near, far] = [await replica(), await replica()]
    const proxy = await between(far)
    expect(await ask(near, far, 'once')).toEqual(['1 once', '2 once'])
    return { far, call: proxy.seen().slice(proxy.seen().indexOf('POST /peer/1/call')) }
  }

  it('is not acted on again, and is not answered with a refusal that the asker would believe', async () => {
    const { far, call } = await record()
    const again = await sendRaw(far.address, call)
    expect(again).toMatch(/^HTTP\/1\.1 401 /)
    expect(again.split('\r\n\r\n')[1]).toMatch(/^(?:0)?$/)
    expect(served).toEqual(['once'])
    expect(far.foreign).toEqual(['seen before'])
  })

  it('is good at no other replica and for no other path', async () => {
    const { far, call } = await record()
    const third = await replica()
    expect(await sendRaw(third.address, call)).toMatch(/^HTTP\/1\.1 401 /)
    expect(third.foreign).toEqual(['for another replica'])
    const more = sealProof(keyringOf('all replicas'), '/peer/1/alive', proofFor(far))
    expect(await sendRaw(far.address, rawRequest(more, sealText(keyringOf('all replicas'), 'n-1', 'x')))).toMatch(/^HTTP\/1\.1 401 /)
    expect(served).toEqual(['once'])
  })

  it('is too old after 90 s, on whichever clock', async () => {
    const far = await replica()
    for (const atMs of [Date.now() - 91_000, Date.now() + 91_000]) {
      expect(await sendRaw(far.address, forged(far, { atMs }))).toMatch(/^HTTP\/1\.1 401 /)
    }
    expect(served).toEqual([])
  })

  it('is not mistaken for that by replicas whose clocks are 60 s apart', async () => {
    const far = await replica()
    for (const skewMs of [-60_000, 60_000]) {
      const near = await replica({ clock: { ...createSystemClock(), nowMs: () => Date.now() + skewMs } })
      expect(await ask(near, far, 'x')).toEqual(['1 x', '2 x'])
    }
  })

  it('of another call does not pass for its text', async () => {
    const far = await replica()
    const proof = sealProof(keyringOf('all replicas'), '/peer/1/call', proofFor(far, { nonce: 'n-2' }))
    const answer = await sendRaw(far.address, rawRequest(proof, sealText(keyringOf('all replicas'), 'n-1', 'x')))
    expect(answer).not.toMatch(/\r\n\r\n.+/)
    expect(served).toEqual([])
  })

  it('of a later format is refused, not guessed at', async () => {
    const far = await replica()
    const keyring = keyringOf('all replicas')
    const proof = keyring.seal('replica', 'POST /peer/1/call', JSON.stringify({ v: 2, ...proofFor(far) }))
    expect(await sendRaw(far.address, rawRequest(proof, sealText(keyring, 'n-1', 'x')))).toMatch(/^HTTP\/1\.1 401 /)
    const withMore = keyring.seal('replica', 'POST /peer/1/alive', JSON.stringify({ v: 1, ...proofFor(far), later: 1 }))
    expect(await sendRaw(far.address, rawRequest(withMore, '', { path: '/peer/1/alive' }).replace('host: x', 'host: x\r\nconnection: close'))).toMatch(/^HTTP\/1\.1 200 /)
    expect(served).toEqual([])
  })
})

describe('an answer that was tampered with', () => {
  const body = (piece: string): boolean => /^[0-9a-f]+\r\n/.test(piece) || piece.startsWith('HTTP/1.1 200')
  const tampers: readonly (readonly [string, (lines: string[]) => string[]])[] = [
    ['changed in one character', ([first = '', ...rest]) => [`${first.slice(0, 30)}${first[30] === 'A' ? 'B' : 'A'}${first.slice(31)}`, ...rest]],
    ['in another order', (lines) => lines.toReversed()],
    ['lacking its first frame', (lines) => lines.slice(1)],
    ['cut short', (lines) => lines.slice(0, 2)],
    ['repeating itself', ([first = '', ...rest]) => [first, first, ...rest]],
    ['with garbage before it', (lines) => ['garbage', ...lines]],
  ]

  it.each(tampers)('%s is a lost one, never a shorter or other one', async (_how, tamper) => {
    const [near, far] = [await replica(), await replica()]
    await ask(near, far, 'first')
    const proxy = await between(far)
    // Another asker, so that it goes by the proxy; the sign of life passes.
    const other = await replica()
    let whole = ''
    proxy.alter = (piece) => {
      if (proxy.seen().includes('/peer/1/call') === false || !body(piece)) return piece
      whole += piece
      if (!whole.endsWith('\r\n0\r\n\r\n')) return ''
      const lines = whole.slice(whole.indexOf('\r\n\r\n') + 4).split(/\r\n[0-9a-f]+\r\n|\r\n/).flatMap((chunk) => chunk.split('\n')).filter((line) => line.length > 20)
      expect(lines).toHaveLength(4)
      const text = tamper(lines).map((line) => `${line}\n`).join('')
      return `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`
    }
    await expect(ask(other, far, 'x')).rejects.toMatchObject(OUTCOME_UNKNOWN)
  })

  it('is no refusal either, whatever status it has: only a peer can say that it did nothing', async () => {
    const [near, far] = [await replica(), await replica()]
    const proxy = await between(far)
    proxy.alter = (piece) => (proxy.seen().includes('/peer/1/call') ? 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n' : piece)
    await expect(ask(near, far, 'x')).rejects.toMatchObject(OUTCOME_UNKNOWN)
    expect(served).toEqual(['x'])
  })
})

describe('too much', () => {
  it('is refused before it is read, or by the limits of HTTP', async () => {
    const far = await replica({ maxTextChars: 1_000 })
    const genuine = sealProof(keyringOf('all replicas'), '/peer/1/call', proofFor(far))
    expect(await sendRaw(far.address, rawRequest(genuine, '', { length: '100000000' }))).toMatch(/^HTTP\/1\.1 401 /)
    expect(await sendRaw(far.address, rawRequest('A'.repeat(20_000), ''))).toMatch(/^HTTP\/1\.1 (?:431|401) /)
    expect(await sendRaw(far.address, rawRequest('A'.repeat(5_000), ''))).toMatch(/^HTTP\/1\.1 401 /)
    const chunked = forged(far, { nonce: 'n-3' }).replace(/content-length: \d+/, 'transfer-encoding: chunked')
    expect(await sendRaw(far.address, chunked)).toMatch(/^HTTP\/1\.1 40[01] /)
    expect(served).toEqual([])
  })

  it('is not sent either, and a message beyond the limit fails its answer', async () => {
    const [near, far] = [await replica({ maxTextChars: 1_000 }), await replica({ maxTextChars: 1_000 })]
    await expect(ask(near, far, 'x'.repeat(1_001))).rejects.toMatchObject({ code: 'body_too_large' })
    await expect(ask(near, far, 'x'.repeat(999))).rejects.toMatchObject({ code: 'upstream_oversized' })
    const talkative = await replica({ maxTextChars: 100_000 })
    talkative.serve('long', async function* () {
      yield 'x'.repeat(50_000)
    })
    await expect(all((await near.send(talkative.replicaId, 'long', '')).messages)).rejects.toMatchObject(OUTCOME_UNKNOWN)
  })

  it('is refused as never delivered where it is one call too many', async () => {
    const [near, far] = [await replica(), await replica({ maxCalls: 2 })]
    const open = await Promise.all([near.send(far.replicaId, 'hang', '1'), near.send(far.replicaId, 'hang', '2')])
    await expect(near.send(far.replicaId, 'hang', '3')).rejects.toMatchObject(NEVER_DELIVERED)
    open[0].cancel()
    await expect.poll(() => ask(near, far, '4').catch(() => [])).toEqual(['1 4', '2 4'])
    expect(served).not.toContain('3')
  })

  it('is taken of nobody who sends it drop by drop', async () => {
    const far = await replica({ receiveMs: 200 })
    const genuine = sealProof(keyringOf('all replicas'), '/peer/1/call', proofFor(far))
    await Promise.all([
      sendRaw(far.address, 'POST /peer/1/call HTTP/1.1\r\nhost: x\r\nx-a: '),
      sendRaw(far.address, rawRequest(genuine, 'AAAA', { length: '900' })),
    ])
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
    expect(new Set(far.served())).toEqual(new Set(['before', 'after']))
  }, 30_000)
})
