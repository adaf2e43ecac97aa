import { describe, expect, it } from 'vitest'
import { bannerText } from './banner.ts'
import { createLog } from './log.ts'

function logged(human: boolean): string[] {
  const lines: string[] = []
  const log = createLog({ level: 'info', human, colour: false, write: (text) => lines.push(text) })
  log.event({ level: 'warn', event: 'Server \u001b[31mfailed', fields: { server: 'a b', count: 2, detail: '\u009b31m', holder: '' } })
  log.debug({}, 'unseen')
  return lines
}

describe('the log', () => {
  it('is one JSON object a line for machines', () => {
    const [line = '', ...rest] = logged(false)
    expect(rest).toEqual([])
    expect(JSON.parse(line)).toMatchObject({ level: 'warn', message: 'Server \u001b[31mfailed', server: 'a b', count: 2, holder: '', pid: process.pid })
    expect(line.endsWith('}\n')).toBe(true)
  })

  it('is a short line for people, without control characters of others', () => {
    expect(logged(true).join('')).toMatch(/^\d\d:\d\d:\d\d warn  Server \\u001b\[31mfailed  server="a b" count=2 detail="\\u009b31m"\n$/)
  })
})

describe('the banner', () => {
  const facts = { version: '1.2.3', baseUrl: 'http://127.0.0.1:7400', serverNames: ['files'], virtualNames: ['job'], source: 'portolan.json', notices: [] }

  it('shows a new token and what to paste', () => {
    const text = bannerText({ ...facts, token: { value: 'T0KEN', isNew: true, path: '/data/token' } })
    expect(text).toContain('http://127.0.0.1:7400/files/mcp')
    expect(text).toContain('  job          http://127.0.0.1:7400/job/mcp')
    const snippet = JSON.parse(/\n( {2}\{\n[^]*\n {2}\})\n/.exec(text)?.[1] ?? '')
    expect(snippet.mcpServers.portolan).toEqual({ type: 'http', url: 'http://127.0.0.1:7400/mcp', headers: { Authorization: 'Bearer T0KEN' } })
  })

  it('does not show the token again', () => {
    const text = bannerText({ ...facts, token: { value: 'T0KEN', isNew: false, path: '/data/token' } })
    expect(text).not.toContain('T0KEN')
    expect(text).toContain('/data/token')
  })
})
