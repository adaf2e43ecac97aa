// The benchmark's own arithmetic, its request templates, its reading of replies, and its suspicion of them.
import { describe, expect, it } from 'vitest'
import { DEFAULT_CASES, echoText, EXTRA_CASES, requestTemplate, stampId, type BenchCase } from '../bench/cases.ts'
import { readFlags } from '../bench/flags.ts'
import type { CaseResult } from '../bench/measure.ts'
import { createReplyCheck } from '../bench/reply-check.ts'
import { createReplyReader, messagesOf, type Reply } from '../bench/reply-reader.ts'
import { median, percentile, ratio, type Sample, summarize } from '../bench/stats.ts'
import { milliseconds, replyBody } from '../bench/wrk.ts'
import { absences, renderTable, replaceBetween, resultTable } from '../bench/table.ts'

const sample = (changes: Partial<Sample>): Sample => {
  return { requestCount: 1000, elapsedMs: 500, cpuUs: 50_000, upstreamCpuUs: 20_000, loadCpuUs: 10_000, p50Ms: 2, p99Ms: 8, late99Ms: null, peakRssBytes: 100e6, ...changes }
}

function caseNamed(name: string): BenchCase {
  const found = [...DEFAULT_CASES, ...EXTRA_CASES].find((each) => each.name === name)
  if (found === undefined) throw new Error(name)
  return found
}

describe('statistics', () => {
  it('takes the nearest rank as percentile', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1), percentile([7], 0.01)]).toEqual([50, 99, 100, 7])
    expect(percentile([], 0.5)).toBeNaN()
  })

  it('takes the mean of the two middle values as median of an even number, without sorting the caller’s array', () => {
    const values = [9, 1, 3, 5]
    expect(median(values)).toBe(4)
    expect(values).toEqual([9, 1, 3, 5])
    expect(median([])).toBeNaN()
  })

  it('keeps the lowest cost and the highest rate as best', () => {
    const summary = summarize([sample({}), sample({ cpuUs: 30_000, elapsedMs: 250 }), sample({ cpuUs: 90_000, peakRssBytes: 300e6 })])
    expect(summary.cpuUsPerRequest).toEqual({ best: 30, median: 50 })
    expect(summary.requestsPerSec).toEqual({ best: 4000, median: 2000 })
    expect(summary.peakRssBytes).toBe(300e6)
    expect(summary.requestCount).toBe(3000)
  })

  it('has no CPU cost where no process lies in between, and no summary of nothing', () => {
    expect(summarize([sample({ cpuUs: null })]).cpuUsPerRequest).toBeNull()
    expect(() => summarize([])).toThrow(RangeError)
  })

  it('divides best by best and median by median, and nothing by nothing', () => {
    expect(ratio({ best: 60, median: 90 }, { best: 20, median: 45 })).toEqual({ best: 3, median: 2 })
    expect(ratio({ best: 60, median: 90 }, { best: 0, median: 0 })).toBeNull()
    expect(ratio(null, { best: 1, median: 1 })).toBeNull()
  })
})

describe('the table', () => {
  const results: CaseResult[] = [
    {
      benchCase: caseNamed('legacy-stdio-400'),
      outcomes: {
        direct: { kind: 'skipped', reason: 'no HTTP' },
        'nginx-full': { kind: 'measured', connectionCount: 64, samples: [], summary: summarize([sample({ cpuUs: 10_000 })]) },
        nginx: { kind: 'measured', connectionCount: 64, samples: [], summary: summarize([sample({ cpuUs: 20_000 })]) },
        'mcp-proxy': { kind: 'measured', connectionCount: 64, samples: [], summary: summarize([sample({})]) },
        portolan: { kind: 'failed', reason: '3 wrong replies' },
      },
    },
  ]

  it('shows costs as multiples of nginx, marks its other upstream, and leaves skipped contenders out', () => {
    const rows = resultTable(results).rows.map((row) => row.slice(0, 5))
    expect(rows).toEqual([
      ['legacy-stdio-400', 'nginx-full (HTTP upstream)', '10.0 / 10.0', '1.00', '0.50 / 0.50'],
      ['legacy-stdio-400', 'nginx (HTTP upstream)', '20.0 / 20.0', '2.00 / 2.00', '1.00'],
      ['legacy-stdio-400', 'mcp-proxy', '50.0 / 50.0', '5.00 / 5.00', '2.50 / 2.50'],
      ['legacy-stdio-400', 'portolan', 'failed', '–', '–'],
    ])
  })

  it('shows added latency only at a fixed rate', () => {
    const measured = (p50Ms: number) => ({ kind: 'measured', connectionCount: 64, samples: [], summary: summarize([sample({ p50Ms })]) }) as const
    const added = (name: string) => {
      const table = resultTable([{ benchCase: caseNamed(name), outcomes: { direct: measured(0.2), portolan: measured(0.5) } }])
      return table.rows.map((row) => row[table.titles.indexOf('added p50 ms')])
    }
    expect(added('modern-http-latency')).toEqual(['–', '0.30'])
    expect(added('modern-http-400')).toEqual(['–', '–'])
  })

  it('gives every row as many cells as there are titles, in lines of equal length', () => {
    const table = resultTable(results)
    expect(new Set(table.rows.map((row) => row.length))).toEqual(new Set([table.titles.length]))
    expect(new Set(renderTable(table).split('\n').map((line) => line.length)).size).toBe(1)
  })

  it('says why contenders are missing', () => {
    expect(absences(results)).toEqual(['direct: skipped: no HTTP (legacy-stdio-400)', 'portolan: failed: 3 wrong replies (legacy-stdio-400)'])
  })

  it('replaces only what stands between its marks', () => {
    const text = 'a\n<!-- results:begin -->\nold\n<!-- results:end -->\nz'
    expect(replaceBetween(text, 'results', 'new\n')).toBe('a\n<!-- results:begin -->\nnew\n<!-- results:end -->\nz')
    expect(() => replaceBetween('nothing', 'results', 'new')).toThrow('results:begin')
  })
})

describe('requests', () => {
  const target = { host: '127.0.0.1', port: 1, path: '/mcp', headers: {} }

  it('are valid JSON of the case’s size after an id was stamped in, with the id as tag', () => {
    const template = requestTemplate(caseNamed('modern-http-50k'), target, null)
    stampId(template, 1_234_567_890)
    const [head = '', body = ''] = template.bytes.toString('latin1').split('\r\n\r\n')
    const message: unknown = JSON.parse(body)
    expect(message).toMatchObject({ id: 1_234_567_890, params: { name: 'echo', arguments: { tag: '1234567890', bytes: 50_000 } } })
    expect(head).toContain(`Content-Length: ${body.length}`)
    expect(head).toContain('Mcp-Name: echo')
  })

  it('carry the session and no modern header in the legacy era', () => {
    const head = requestTemplate(caseNamed('legacy-http-400'), target, 'abc').bytes.toString('latin1')
    expect(head).toContain('Mcp-Session-Id: abc')
    expect(head).not.toContain('Mcp-Method')
    expect(head).not.toContain('_meta')
  })
})

describe('the reply reader', () => {
  const bytewise = (text: string): (Reply | null)[] => {
    const reader = createReplyReader()
    return [...Buffer.from(text)].map((byte) => {
      const reply = reader.push(Buffer.from([byte]))
      return reply && { ...reply, body: Buffer.from(reply.body) }
    })
  }

  it('reads replies by length, byte by byte, one after the other', () => {
    const one = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello'
    const replies = bytewise(one + one).filter((reply) => reply !== null)
    expect(replies.map((reply) => reply.body.toString())).toEqual(['hello', 'hello'])
  })

  it('joins chunks and finds the message in an event stream', () => {
    const events = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n11\r\nevent: message\nda\r\nf\r\nta: {"id":12}\n\n\n\r\n0\r\n\r\n'
    const replies = bytewise(events).filter((reply) => reply !== null)
    expect(replies.map(messagesOf)).toEqual([[{ id: 12 }]])
  })

  it('lets the end of the connection delimit a reply without length', () => {
    const reader = createReplyReader()
    expect(reader.push(Buffer.from('HTTP/1.1 200 OK\r\n\r\nrest'))).toBeNull()
    expect(reader.end()?.body.toString()).toBe('rest')
  })

  it('refuses what is no HTTP', () => {
    expect(() => createReplyReader().push(Buffer.from('SSH-2.0-x\r\n\r\n'))).toThrow('not an HTTP reply')
  })
})

describe('the reply check', () => {
  const id = 1_000_000_007
  const reply = (message: unknown, status = 200): Reply => {
    return { status, body: Buffer.from(JSON.stringify(message)), isEventStream: false, closes: false, head: '' }
  }
  const result = (text: string) => ({ content: [{ type: 'text', text }] })
  const check = () => createReplyCheck(caseNamed('modern-http-400'))
  const right = echoText(String(id), 400)

  it('accepts the echo of the request’s own tag, also when keys are in another order', () => {
    expect(check()(reply({ jsonrpc: '2.0', id, result: result(right) }), id)).toBeNull()
    expect(check()(reply({ result: result(right), id, jsonrpc: '2.0' }), id)).toBeNull()
  })

  it.each([
    ['another id', { id: id + 1, result: result(right) }],
    ['the id as a string', { id: String(id), result: result(right) }],
    ['another request’s text', { id, result: result(echoText(String(id + 1), 400)) }],
    ['a text one byte short', { id, result: result(right.slice(0, -1)) }],
    ['a text one byte long', { id, result: result(`${right}x`) }],
    ['a changed byte in the middle', { id, result: result(`${right.slice(0, 200)}#${right.slice(201)}`) }],
    ['a right text marked as an error', { id, result: { ...result(right), isError: true } }],
    ['an error', { id, error: { code: -32000, message: 'no' } }],
  ])('refuses %s', (_what, message) => {
    expect(check()(reply(message), id)).not.toBeNull()
  })

  it('refuses another status and an unreadable body', () => {
    expect(check()(reply({ id, result: result(right) }, 503), id)).toContain('503')
    expect(check()({ ...reply({}), body: Buffer.from('oops') }, id)).toContain('unreadable')
  })

  it('refuses a list with a tool missing', () => {
    const tools = Array.from({ length: 99 }, () => ({ name: 'tool', description: '', inputSchema: {} }))
    const list = createReplyCheck(caseNamed('modern-http-list'))
    expect(list(reply({ id, result: { tools } }), id)).toContain('99 tools')
    expect(list(reply({ id, result: { tools: [...tools, tools[0]] } }), id)).toBeNull()
  })
})

describe('the yardstick at full load', () => {
  it('answers the same bytes as the real upstream', () => {
    expect(JSON.parse(replyBody(caseNamed('modern-http-400')))).toMatchObject({ id: 1_000_000_000, result: { content: [{ text: echoText('1000000000', 400) }] } })
  })

  it('reads the times that wrk prints', () => {
    expect([milliseconds('250us'), milliseconds('1.20ms'), milliseconds('2.00s'), milliseconds('1.50m')]).toEqual([0.25, 1.2, 2000, 90_000])
    expect(milliseconds('soon')).toBeNaN()
  })
})

describe('flags', () => {
  it('name every problem at once', () => {
    const read = readFlags(['--seconds', '0', '--only', 'nothing', '--contenders', 'apache', '--name', '../x'])
    expect(read.ok === false && read.problems.length).toBe(4)
  })

  it('default to all contenders and the default cases', () => {
    const read = readFlags([])
    expect(read.ok === true && [read.flags.cases.length, read.flags.contenders.length, read.flags.connections]).toEqual([DEFAULT_CASES.length, 8, 64])
  })
})
