import { describe, expect, it } from 'vitest'
import type { ProcessStatus, ServerStatus } from '../gateway/status.ts'
import { statusText } from './status.ts'

const server: ServerStatus = {
  id: 'files', name: 'files', transport: 'stdio', state: 'ready', detail: '', eras: ['legacy', 'modern'], children: 2, sessions: 1, restarts: 0, lastSeenAtMs: 0,
}
const status: ProcessStatus = {
  version: '1.2.3', pid: 7, startedAtMs: 0, state: 'ready', listening: ['http://127.0.0.1:7400'], auth: 'token',
  config: { source: 'portolan.json', digest: '0123456789abcdef', loadedAtMs: 0, refusal: '' },
  sessions: 0, exchangesInFlight: 0, ledgerLostCount: 0, servers: [server],
}

describe('what portolan status says to people', () => {
  it('is one line for the process and a table of its servers', () => {
    expect(statusText(status, 90_000).split('\n')).toEqual([
      'Portolan 1.2.3, process 7: ready for 1 min, on http://127.0.0.1:7400',
      'Configuration: portolan.json (0123456789ab)',
      '',
      'SERVER  KIND   STATE  ERAS           CHILDREN  SESSIONS  RESTARTS',
      'files   stdio  ready  legacy+modern  2         1         0',
      '',
    ])
  })

  it.each([
    ['command not found: nope', /Install the program/],
    ['connection refused: http://127.0.0.1:9', /Start the server, or mend its "url"/],
    ['node exited with code 3: boom', /Run its command by hand/],
    ['no answer for 12 s', /still waited for/],
    ['anything else', /asked again by itself/],
  ])('names the reason "%s" of a server that is down, and what helps', (detail, advice) => {
    const text = statusText({ ...status, servers: [{ ...server, state: 'degraded', detail, eras: [] }] }, 0)
    expect(text).toContain(`files is degraded: ${detail}\n`)
    expect(text).toMatch(advice)
  })

  it('keeps from the terminal what would steer it', () => {
    const text = statusText({ ...status, servers: [{ ...server, state: 'degraded', detail: 'a\u001b]0;b\u0007\nc\u009b', eras: [] }] }, 0)
    expect(text).toContain('files is degraded: a\\u001b]0;b\\u0007\\u000ac\\u009b\n')
  })
})
