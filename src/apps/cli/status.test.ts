import { describe, expect, it } from 'vitest'
import type { ProcessStatus, ServerStatus } from '../gateway/status.ts'
import { serverText, virtualServerText } from './status-server-text.ts'
import { statusText } from './status-text.ts'
import type { Picture } from './status-text.ts'
import { createTerminal } from './terminal/terminal.ts'
import { countTraffic, trafficBetween } from './traffic.ts'
import { PassThrough } from 'node:stream'

const server: ServerStatus = {
  id: 'files', name: 'files', transport: 'stdio', state: 'ready', detail: '', eras: ['legacy', 'modern'], children: 2, sessions: 1, restarts: 0, lastSeenAtMs: 60_000, breaker: { state: 'closed', failures: 0, retryAfterMs: 0 },
  processes: [{ pid: 41, era: 'legacy', startedAtMs: 30_000 }], faults: [], counts: { tools: 12, prompts: 0, resources: 3, templates: 1, skills: null }, legacy: null, names: [], listFaults: [],
  modern: { revision: '2026-07-28', serverInfo: { name: 'Files', version: '2' }, capabilities: { tools: { listChanged: true }, prompts: {} }, instructions: 'Be\u001b[31m careful.\nTwice.' },
}
const status: ProcessStatus = {
  version: '1.2.3', pid: 7, startedAtMs: 0, state: 'ready', listening: ['http://127.0.0.1:7400'], auth: 'token',
  config: { source: 'portolan.json', digest: '0123456789abcdef', loadedAtMs: 30_000, refusal: '', elsewhere: '' },
  store: { name: 'SQLite in /data', reachable: true }, replica: null, workers: [], sessions: 1, exchangesInFlight: 2, ledgerLostCount: 0, memoryBytes: 104_857_600, servers: [server], virtualServers: [],
}

const screenOf = (options: { isTTY?: boolean; color?: boolean } = {}) => {
  const stream = (): PassThrough => Object.assign(new PassThrough(), { isTTY: options.isTTY === true, columns: 100 })
  return createTerminal({ stdin: stream(), stdout: stream(), stderr: stream(), env: { TERM: 'xterm' }, color: options.color === true }).out
}
const screen = screenOf()
const pictureOf = (changes: Partial<ProcessStatus> = {}): Picture => ({ status: { ...status, ...changes }, traffic: undefined, period: 'since the start', nowMs: 90_000, canUnicode: true })
const degraded = (detail: string): Picture => pictureOf({ servers: [{ ...server, state: 'degraded', detail, eras: [] }] })

describe('what portolan status says to people', () => {
  it('is a head for the process and a table of its servers', () => {
    expect(statusText(screen, pictureOf()).split('\n')).toEqual([
      'Portolan 1.2.3, process 7: ready for 1 min, on http://127.0.0.1:7400',
      'Configuration: portolan.json (0123456789ab), read 1 min ago',
      'Now: 2 in flight, 1 session, 100 MiB of memory',
      '',
      'SERVER  KIND   STATE  ERAS           TOOLS  PROMPTS  RESOURCES  CHILDREN  SESSIONS  RESTARTS',
      'files   stdio  ready  legacy+modern     12        0          4         2         1         0',
      '',
    ])
  })

  it('puts a coloured sign before each state on a terminal', () => {
    expect(statusText(screenOf({ isTTY: true, color: true }), pictureOf())).toContain('\u001b[32m● ready\u001b[39m')
    expect(statusText(screenOf({ isTTY: true, color: true }), degraded('x'))).toContain('\u001b[31m✗ degraded\u001b[39m')
  })

  it.each([
    ['command not found: nope', /Install the program/],
    ['connection refused: http://127.0.0.1:9', /Start the server, or mend its "url"/],
    ['node exited with code 3: boom', /Run its command by hand/],
    ['no answer for 12 s', /still waited for/],
    ['the last 10 calls failed; refused for 4 s more', /let through again by themselves/],
    ['initialize: npx exited with code 1: npm error 404 Note that', /npm knows no package of this name/],
    ['server exited with code 1: HTTP 404', /Run its command by hand/],
    ['no answer for 12 s; stdout: invalid JSON at byte 0', /doctor --only output/],
    ['status 404', /portolan doctor --only url/],
    ['anything else', /asked again by itself/],
  ])('names the reason "%s" of a server that is down, and what helps', (detail, advice) => {
    const text = statusText(screen, degraded(detail))
    expect(text).toContain(`files is degraded: ${detail}\n`)
    expect(text).toMatch(advice)
  })

  it('keeps from the terminal what would steer it', () => {
    expect(statusText(screen, degraded('a\u001b]0;b\u0007\nc\u009b'))).toContain('files is degraded: a\\u001b]0;b\\u0007\\u000ac\\u009b\n')
    expect(serverText(screen, server, 0)).not.toContain('\u001b')
  })

  it('says in red why a reload was refused', () => {
    const config = { ...status.config, refusal: '1 problem in portolan.json' }
    expect(statusText(screenOf({ color: true }), pictureOf({ config }))).toContain('\u001b[31mThe last reload was refused: 1 problem in portolan.json\u001b[39m')
  })

  it('says how a replica reaches the others', () => {
    const hints = { wire: 'nats', isUp: false, detail: 'the connection was lost' } as const
    const replica = { id: 'abcdefghijkl', address: 'http://10.0.0.1:7401', peers: ['b', 'c'], unreachable: [{ id: 'mnopqrstuvwx', address: 'tls://10.9.9.9:1' }], otherTokens: ['mnopqrstuvwx'], hints }
    expect(statusText(screen, pictureOf({ replica }))).toContain('Replica abcdefgh at http://10.0.0.1:7401: 2 peers asked, hints over NATS\nReplica mnopqrst at tls://10.9.9.9:1 lives and cannot be reached: what it has is refused here; see its --peer-listen and --peer-address\nReplica mnopqrst lets in another token: give all of them the same file "token"\nHints do not reach the other replicas: the connection was lost; what changes is noticed later\n')
    expect(statusText(screen, pictureOf({ replica: { ...replica, unreachable: [], otherTokens: [], hints: { wire: 'postgres', isUp: true, detail: '' } } }))).not.toContain('do not reach')
  })

  it('says at which replica a server runs of which there is one for all', () => {
    const replica = { id: 'abcdefghijkl', address: 'unix:/a', peers: [], unreachable: [], otherTokens: [], hints: { wire: 'postgres', isUp: true, detail: '' } } as const
    const said = (holder: string): string => statusText(screen, pictureOf({ replica, servers: [{ ...server, holder }] }))
    expect(said('abcdefghijkl')).toContain('files runs at this replica, for all of them\n')
    expect(said('mnopqrstuvwx')).toContain('files runs at replica mnopqrst, for all of them\n')
    expect(said('')).toContain('files runs at no replica: the next one that needs it starts it\n')
    expect(statusText(screen, pictureOf({ replica }))).not.toContain('runs at')
  })

  it('has a table of virtual servers, with what their settings say in vain', () => {
    const virtual = { name: 'team', servers: ['files', 'web'], counts: { tools: 3, prompts: null, resources: null, templates: null, skills: null }, notices: ['web is not enabled'] }
    const text = statusText(screen, pictureOf({ virtualServers: [virtual] }))
    expect(text).toMatch(/^team +files, web +3 +- +-\nteam: web is not enabled$/m)
    expect(virtualServerText(screen, virtual)).toContain('team: a virtual server over files, web\nLists: tools 3, prompts -')
  })

  it('shows one server with its children, its revisions, its names, its instructions and its last errors', () => {
    const faults = [{ atMs: 10_000, detail: 'first' }, { atMs: 80_000, detail: 'second' }]
    const names = [{ name: 'a b', exposedAs: 'files__a_b_12345678', why: 'characters' as const }]
    const text = serverText(screen, { ...server, faults, names }, 90_000)
    expect(text).toContain('files: ready, stdio\n1 session, 0 restarts, last answered 30 s ago\nLists: tools 12, prompts 0, resources 3, templates 1\n')
    expect(text).toMatch(/^2026-07-28 +Files 2 +tools \(listChanged\), prompts$/m)
    expect(text).toMatch(/^ +41 +legacy +1 min$/m)
    expect(text).toMatch(/^a b +files__a_b_12345678 +characters$/m)
    expect(text).toContain('Instructions\n  Be\\u001b[31m careful.\n  Twice.\n')
    expect(text).toContain('Last errors\n  10 s ago: second\n  1 min ago: first\n')
  })
})

describe('traffic', () => {
  const metrics = (answered: readonly [number, number, number], refused: number): string =>
    [
      `portolan_exchange_duration_ms_bucket{era="modern",outcome="answered",le="10"} ${answered[0]}`,
      `portolan_exchange_duration_ms_bucket{era="modern",outcome="answered",le="20"} ${answered[1]}`,
      `portolan_exchange_duration_ms_bucket{era="modern",outcome="answered",le="+Inf"} ${answered[2]}`,
      `portolan_exchange_duration_ms_count{era="modern",outcome="answered"} ${answered[2]}`,
      `portolan_exchange_duration_ms_bucket{era="modern",outcome="refused",le="+Inf"} ${refused}`,
      `portolan_exchange_duration_ms_count{era="modern",outcome="refused"} ${refused}`,
    ].join('\n')

  it('is what came between two looks', () => {
    const before = countTraffic(metrics([100, 100, 100], 0))
    const now = countTraffic(metrics([150, 200, 200], 25))
    expect(trafficBetween(before, now, 2_000)).toEqual({ requests: 125, perSec: 62.5, refusedShare: 0.2, p50Ms: 10, p99Ms: 19.8 })
    expect(trafficBetween(undefined, now, 10_000)).toMatchObject({ requests: 225, perSec: 22.5 })
  })

  it('counts from 0 when the gateway was started again, and times nothing where there was nothing', () => {
    const now = countTraffic(metrics([1, 1, 1], 0))
    expect(trafficBetween(countTraffic(metrics([9, 9, 9], 9)), now, 1_000)).toMatchObject({ requests: 1, refusedShare: 0 })
    expect(trafficBetween(now, now, 1_000)).toEqual({ requests: 0, perSec: 0, refusedShare: 0, p50Ms: undefined, p99Ms: undefined })
    // Beyond the last bound it can only be said that it is beyond.
    expect(trafficBetween(undefined, countTraffic(metrics([0, 0, 5], 0)), 1_000).p99Ms).toBe(20)
  })

  it('is told in one line', () => {
    const traffic = { requests: 125, perSec: 62.5, refusedShare: 0.004, p50Ms: 4.26, p99Ms: 1_234 }
    expect(statusText(screen, { ...pictureOf(), traffic })).toContain('Requests since the start: 125, 63 a second, 0.4 % refused, p50 4.3 ms, p99 1.2 s\n')
  })
})
