/** A child that another replica runs, over a real link in memory, and a child that says what the test wants. */
import { describe, expect, it } from 'vitest'
import { createPeerNetwork } from '../../adapters/memory/peer-link.ts'
import { createSeededRandom } from '../../adapters/memory/random.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { PeerLink } from '../gateway/peer-link.ts'
import type { CallHandler, Channel, ChannelCall, ChannelFailure, ChannelListener, LegacyChannel } from '../upstream/channel.ts'
import type { EraProfile, Upstream } from '../upstream/upstream.ts'
import { CHANNEL_TOPIC } from './channel-texts.ts'
import { openRemote } from './remote-channel.ts'
import { serveChannels } from './serve-channels.ts'

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10))

function message(text: string): Message {
  const scan = parseMessage(text)
  if (!scan.ok) throw new Error(scan.fault.detail)
  return scan.value
}

const response = (idText: string): Message => message(`{"jsonrpc":"2.0","id":${idText},"result":{}}`)
const question = (id: string): Message => message(`{"jsonrpc":"2.0","id":"${id}","method":"sampling/createMessage","params":{}}`)

/** One process: its ids begin at 1, as a line channel's do. */
function child() {
  const calls: ChannelCall[] = []
  const state = { calls, aborted: new Set<string>(), closes: 0, listener: undefined as ChannelListener | undefined }
  let lastId = 0
  const channel: Channel = {
    era: 'modern', transport: 'stdio', revision: '2026-07-28', closed: false,
    nextId: () => String((lastId += 1)),
    send(call) {
      calls.push(call)
      return { abort: () => void state.aborted.add(call.idText), resume: () => undefined }
    },
    notify: () => Promise.resolve(),
    close: async () => void (state.closes += 1),
  }
  return Object.assign(state, { channel })
}

const PROFILE: EraProfile = { era: 'modern', revision: '2026-07-28', capabilities: '{}', serverInfo: '', instructions: '' }
const LEGACY = { clientInfo: '{}', capabilities: '{}', revision: '2025-11-25', ownerKey: '', shared: false } as const

function rig() {
  const network = createPeerNetwork()
  const [near, far] = [network.join('near'), network.join('far')]
  const state = { child: child(), isHere: true }
  const upstream: Partial<Upstream> = {
    id: 'files', name: 'files',
    placement: { isHere: () => state.isHere, holder: () => 'far', onMoved: () => () => undefined, whenIdle: () => undefined, handOver: () => Promise.resolve() },
    profile: () => Promise.resolve({ legacy: { ...PROFILE, era: 'legacy', revision: '2025-11-25' }, modern: PROFILE }),
    modern: () => state.child.channel,
    async openLegacy({ listener }) {
      state.child.listener = listener
      const legacy = { ...state.child.channel, era: 'legacy', revision: '2025-11-25', initializeResult: '{}', openStream: () => Promise.resolve() } as const
      return legacy satisfies LegacyChannel
    },
  }
  far.serve(CHANNEL_TOPIC, serveChannels({ random: createSeededRandom(1), upstreams: { byId: () => upstream as Upstream } }))
  const heard: Message[] = []
  const closed: string[] = []
  const listener: ChannelListener = { onMessage: (said) => void heard.push(said), onClosed: ({ detail }) => void closed.push(detail) }
  const open = async (legacy: typeof LEGACY | undefined, peers: PeerLink = near): Promise<Channel> => {
    const opened = await openRemote(peers, { replicaId: 'far', upstreamId: 'files', legacy, listener })
    if (opened?.ok !== true) throw new Error('it cannot be opened')
    return opened.value.channel
  }
  return Object.assign(state, { near, heard, closed, open })
}

interface Sent {
  readonly idText: string
  readonly got: Message[]
  readonly failures: ChannelFailure[]
  abort(): void
}

function send(channel: Channel): Sent {
  const idText = channel.nextId()
  const [got, failures]: [Message[], ChannelFailure[]] = [[], []]
  const handler: CallHandler = {
    onMessage: (said) => (got.push(said), true),
    onResponse: (said) => void got.push(said),
    onFailure: (failure) => void failures.push(failure),
  }
  const text = `{"jsonrpc":"2.0","id":${idText},"method":"tools/call","params":{}}`
  const control = channel.send({ text, idText, method: 'tools/call', progressToken: '', headers: [], handler })
  return { idText, got, failures, abort: () => control.abort('') }
}

describe('the ids of a channel at another replica', () => {
  it('are no other channel\'s, also where the child was restarted between the two', async () => {
    const rigged = rig()
    const first = await rigged.open(undefined)
    rigged.child = child()
    const second = await rigged.open(undefined)
    const [one, other] = [send(first), send(second)]
    await expect.poll(() => rigged.child.calls.length).toBe(2)
    expect(one.idText).not.toBe(other.idText)
    for (const { idText, handler } of rigged.child.calls) handler.onResponse(response(idText))
    await expect.poll(() => [one, other].map(({ got }) => got.map((said) => said.idText))).toEqual([[one.idText], [other.idText]])
  })

  it('are none of those that the replica of the child gives', async () => {
    const { open } = rig()
    expect((await open(undefined)).nextId()).toMatch(/^"r\d+\.1"$/)
  })
})

describe('what a server asks outside any call', () => {
  it('comes, also right behind the response to the newest call', async () => {
    const rigged = rig()
    const channel = await rigged.open(LEGACY)
    const [older, newest] = [send(channel), send(channel)]
    await expect.poll(() => rigged.child.calls.length).toBe(2)
    const [, call] = rigged.child.calls as [ChannelCall, ChannelCall]
    call.handler.onResponse(response(call.idText))
    rigged.child.listener?.onMessage(question('q'))
    await expect.poll(() => rigged.heard.map(({ idText }) => idText)).toEqual(['"q"'])
    expect([older.failures, newest.got.length]).toEqual([[], 1])
  })

  it('comes, also where the newest call is given up before it is read', async () => {
    const rigged = rig()
    let isHeld = false
    const released = Promise.withResolvers<void>()
    // A reader that is behind.
    const slow: PeerLink = {
      ...rigged.near,
      async send(...sent) {
        const answer = await rigged.near.send(...sent)
        if (!isHeld) return answer
        return { ...answer, cancel: () => answer.cancel(), messages: (async function* () { await released.promise; yield* answer.messages })() }
      },
    }
    const channel = await rigged.open(LEGACY, slow)
    send(channel)
    await expect.poll(() => rigged.child.calls.length).toBe(1)
    isHeld = true
    const newest = send(channel)
    await expect.poll(() => rigged.child.calls.length).toBe(2)
    // More than the link holds for a reader: the rest waits at the child's replica.
    rigged.child.calls[1]?.handler.onMessage(message(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"x":"${'x'.repeat(200_000)}"}}`))
    await turn()
    rigged.child.listener?.onMessage(question('q'))
    await turn()
    newest.abort()
    released.resolve()
    await expect.poll(() => rigged.heard.map(({ idText }) => idText)).toEqual(['"q"'])
    expect([...rigged.child.aborted]).toEqual([newest.idText])
  })
})

describe('a channel that is found to be lost', () => {
  it('ends at the other replica too, once those in flight are answered', async () => {
    const rigged = rig()
    const channel = await rigged.open(LEGACY)
    const older = send(channel)
    await expect.poll(() => rigged.child.calls.length).toBe(1)
    rigged.isHere = false
    const refused = send(channel)
    await expect.poll(() => refused.failures).toMatchObject([{ reason: 'session_gone', sent: false }])
    expect([rigged.closed.length, channel.closed]).toEqual([1, true])
    await turn()
    expect(rigged.child.closes).toBe(0)
    rigged.child.calls[0]?.handler.onResponse(response(older.idText))
    await expect.poll(() => rigged.child.closes).toBe(1)
    expect(older.got).toHaveLength(1)
  })

  it('is none where the other replica only has no room for one more call', async () => {
    const rigged = rig()
    let isFull = false
    const full: PeerLink = {
      ...rigged.near,
      async send(...sent) {
        if (isFull) throw new PortolanError('upstream_unavailable', { retryAfterSec: 1 })
        return rigged.near.send(...sent)
      },
    }
    const channel = await rigged.open(LEGACY, full)
    isFull = true
    const refused = send(channel)
    await expect.poll(() => refused.failures).toMatchObject([{ reason: 'overloaded', sent: false, retryAfterSec: 1 }])
    expect([channel.closed, rigged.closed]).toEqual([false, []])
    expect(await openRemote(full, { replicaId: 'far', upstreamId: 'files', legacy: LEGACY, listener: { onMessage: () => undefined, onClosed: () => undefined } })).toMatchObject({ ok: false, fault: { reason: 'overloaded' } })
  })
})
