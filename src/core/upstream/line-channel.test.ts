import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { createSpawner } from '../../adapters/child-process/spawner.ts'
import type { ClosableSpawner } from '../../adapters/child-process/spawner.ts'
import { call, recordHealth, sleep, start, until } from '../../../test/fixtures/upstream/support.ts'
import { withMostHeld } from '../../../test/live-memory.ts'
import type { Message } from '../../protocol/message.ts'
import { openLineChannel } from './line-channel.ts'
import type { ChildEnd, LineChannelOptions } from './line-channel.ts'

const server = fileURLToPath(new URL('../../../test/fixtures/upstream/stdio-server.mjs', import.meta.url))
const spawners: ClosableSpawner[] = []
afterEach(async () => {
  for (const spawner of spawners.splice(0)) await spawner.close()
})

function open(era: 'legacy' | 'modern', overrides: Partial<LineChannelOptions> = {}) {
  const spawner = createSpawner()
  spawners.push(spawner)
  const health = recordHealth()
  const heard: Message[] = []
  const closed: string[] = []
  const ends: ChildEnd[] = []
  const inFlight: number[] = []
  const channel = openLineChannel({
    spawner,
    spawn: { command: process.execPath, args: [server, era], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined },
    era,
    revision: era === 'modern' ? '2026-07-28' : '2025-11-25',
    lineBytes: 1_000_000,
    graceMs: 500,
    isShared: false,
    health,
    listener: { onMessage: (message) => void heard.push(message), onClosed: ({ detail }) => void closed.push(detail) },
    onInFlight: (count) => void inFlight.push(count),
    onEnd: (end) => void ends.push(end),
    ...overrides,
  })
  return { channel, health, heard, closed, ends, inFlight }
}

const tool = (name: string, more = ''): { params: string } => ({ params: `{"name":"${name}"${more}}` })

describe('a channel over the lines of a child', () => {
  it('gives each call its own answer, whatever the order', async () => {
    const { channel, inFlight } = open('legacy')
    const outcomes = await Promise.all([1, 2, 3].map((n) => call(channel, 'tools/call', tool('echo', `,"arguments":${n}`))))
    expect(outcomes.map(({ response }) => (JSON.parse(response?.text ?? '') as { result: { echo: number } }).result.echo)).toEqual([1, 2, 3])
    expect(inFlight).toEqual([1, 0])
  })

  it('tells nobody the secrets that its child writes to stderr', async () => {
    const script = 'process.stderr.write(`bad ${process.env.API_KEY} and ${process.argv[2]}`); setTimeout(() => process.exit(3), 50)'
    const env = { PATH: process.env['PATH'] ?? '', API_KEY: 'env-secret' }
    const { ends, closed } = open('legacy', { spawn: { command: process.execPath, args: ['-e', script, '--', '--token', 'arg-secret'], env, cwd: undefined } })
    await until(() => ends.length === 1)
    expect(ends[0]?.stderrTail).toBe('bad <hidden> and <hidden>')
    expect(closed[0]).toMatch(/exited with code 3: bad <hidden> and <hidden>$/)
  })

  it('sends a message with newlines between its tokens as one line', async () => {
    const { channel } = open('legacy')
    const { response } = await call(channel, 'tools/call', { params: '{\n"name":\r\n"echo"}' })
    expect(response?.kind).toBe('result')
  })

  it('reads CRLF, U+2028 within strings, and characters cut in the middle', async () => {
    const { channel } = open('legacy')
    expect((await call(channel, 'tools/call', tool('crlf'))).response?.kind).toBe('result')
    const separated = (await call(channel, 'tools/call', tool('separator'))).response?.text ?? ''
    expect(Buffer.from(separated, 'latin1').toString('utf8')).toContain('a\u2028b')
    const pieces = (await call(channel, 'tools/call', tool('pieces'))).response?.text ?? ''
    expect(Buffer.from(pieces, 'latin1').toString('utf8')).toContain('"é"')
  })

  it('counts and drops what is no message and what nobody asked for', async () => {
    const { channel, health, heard } = open('legacy')
    expect((await call(channel, 'tools/call', tool('noise'))).response?.kind).toBe('result')
    expect(health.strays).toHaveLength(3)
    expect(health.strays[2]).toBe('a response that names no call')
    expect(heard).toHaveLength(0)
  })

  it('fails the call whose answer is no JSON-RPC response', async () => {
    const { channel } = open('legacy')
    expect((await call(channel, 'tools/call', tool('broken'))).failure).toMatchObject({ reason: 'malformed', sent: true })
  })

  it('brings progress to the call that gave the token, and other notifications to the listener', async () => {
    const { channel, heard } = open('legacy')
    const silent = start(channel, 'tools/call', { ...tool('silent'), progressToken: '"b"' })
    const { messages } = await call(channel, 'tools/call', { ...tool('progress', ',"_meta":{"progressToken":"a"}'), progressToken: '"a"' })
    expect(messages).toHaveLength(2)
    expect([silent.messages.length, heard.length]).toEqual([0, 0])
    silent.control.abort('enough')
    await until(() => heard.length === 1)
    expect(heard[0]?.text).toContain(`{"requestId":${silent.idText},"reason":"enough"}`)
  })

  it('gives a log message of a modern server to the only call in flight, and to none of several', async () => {
    const { channel, health } = open('modern')
    const logged = tool('log')
    expect((await call(channel, 'tools/call', logged)).messages.map(({ method }) => method)).toEqual(['notifications/message'])
    start(channel, 'tools/call', tool('silent'))
    expect((await call(channel, 'tools/call', logged)).messages).toEqual([])
    expect(health.strays).toHaveLength(1)
  })

  it('accepts a batch from a server of 2025-03-26, and from no other', async () => {
    const early = open('legacy', { revision: '2025-03-26' })
    expect((await call(early.channel, 'tools/call', tool('batch'))).response?.kind).toBe('result')
    expect(early.heard).toHaveLength(1)
    const later = open('legacy')
    // Its call is not left waiting.
    expect((await call(later.channel, 'tools/call', tool('batch'))).failure).toMatchObject({ reason: 'malformed', sent: true })
    expect(later.health.strays).toHaveLength(1)
  })

  it('brings what belongs to a listen to that listen, and ends it when the server does', async () => {
    const { channel, health } = open('modern')
    const first = start(channel, 'subscriptions/listen')
    const second = start(channel, 'subscriptions/listen', { params: '{"end":true}' })
    expect((await second.outcome).failure).toMatchObject({ reason: 'closed', sent: true })
    await until(() => first.messages.length === 2)
    expect(second.messages.map((message) => message.method)).toEqual(['notifications/subscriptions/acknowledged', 'notifications/tools/list_changed'])
    expect(health.strays).toEqual([])
  })

  it('drops the requests of a modern server', async () => {
    const { channel, health } = open('modern')
    start(channel, 'tools/call', tool('ask'))
    await until(() => health.strays.length === 2)
  })

  it('fails every call in flight at once when the child dies, as sent, with the end of its stderr', async () => {
    const { channel, closed, ends } = open('legacy')
    const [first, second] = [start(channel, 'tools/call', tool('silent')), start(channel, 'tools/call', tool('crash'))]
    for (const { outcome } of [first, second]) {
      const { failure } = await outcome
      expect(failure).toMatchObject({ reason: 'closed', sent: true })
      expect(failure?.detail).toMatch(/exited with code 9: out of cheese$/)
    }
    expect([closed.length, ends.length, channel.closed]).toEqual([1, 1, true])
    expect(ends[0]).toMatchObject({ code: 9, isWanted: false })
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'unreachable', sent: false })
  })

  it('fails a call whose answer was cut by the end of the child', async () => {
    const { channel } = open('legacy')
    expect((await call(channel, 'tools/call', tool('half'))).failure).toMatchObject({ reason: 'closed', sent: true })
  })

  it('ends a child that writes a line without end, at the limit', async () => {
    const { channel, ends, closed } = open('legacy')
    const [{ failure }, mostBytes] = await withMostHeld(() => call(channel, 'tools/call', tool('endless')))
    expect(failure).toMatchObject({ reason: 'oversized', sent: true })
    await until(() => ends.length === 1)
    expect(mostBytes).toBeLessThan(10_000_000)
    expect(closed).toHaveLength(1)
  })

  it('says that nothing was sent when the command does not exist', async () => {
    const { channel, ends } = open('legacy', { spawn: { command: 'no-such-server', args: [], env: {}, cwd: undefined } })
    expect((await call(channel, 'tools/call')).failure).toEqual({ reason: 'unreachable', sent: false, detail: 'command not found: no-such-server' })
    expect(ends).toHaveLength(1)
  })

  it('refuses what would pile up before a child that does not read', async () => {
    const { channel } = open('legacy', { spawn: { command: 'sleep', args: ['300'], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined } })
    const params = `{"pad":"${'x'.repeat(1_000_000)}"}`
    const started = Array.from({ length: 20 }, () => start(channel, 'tools/call', { params }))
    expect((await Promise.race(started.map(({ outcome }) => outcome))).failure).toMatchObject({ reason: 'overloaded', sent: false })
    await channel.close()
    const sent = (await Promise.all(started.map(({ outcome }) => outcome))).map(({ failure }) => failure?.sent)
    expect([sent[0], sent.filter((each) => each === false).length]).toEqual([true, 19])
  })

  it('hears the answer to a call that was given up, whatever else is given up before it was sent', async () => {
    const script = `setTimeout(() => require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id } = JSON.parse(line)
      if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
    }), 500)`
    const { channel } = open('legacy', { spawn: { command: process.execPath, args: ['-e', script], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined } })
    const late: string[] = []
    const giveUp = (params: string): void => start(channel, 'tools/call', { params }).control.abort('enough', ({ idText }) => late.push(idText))
    giveUp(`{"pad":"${'x'.repeat(1_000_000)}"}`)
    for (let at = 0; at < 64; at += 1) giveUp('{}')
    await until(() => late.length > 0)
    expect(late).toEqual(['1'])
  })

  it('never sends a cancellation for initialize', async () => {
    const { channel, heard } = open('legacy')
    const started = start(channel, 'initialize')
    started.control.abort('never for initialize')
    await sleep(300)
    expect(heard).toHaveLength(0)
  })
})
