import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { echo, rawClient, send, startListener, statuses } from '../../../test/http-rig.ts'
import type { Handle } from '../../../test/http-rig.ts'

const post = (length: number | string, more = ''): string => `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n${more}\r\n`

describe('HTTP listener against slow clients', () => {
  it('gives a head that never ends 408 and closes', async () => {
    const { port } = await startListener(echo, { limits: { headerTimeoutMs: 150 } })
    const client = rawClient(port)
    client.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\n')
    const drip = setInterval(() => client.write('x: y\r\n'), 20)
    expect(statuses(await client.closed())).toEqual([408])
    clearInterval(drip)
  })

  it('closes a connection on which nothing is ever sent', async () => {
    const { port } = await startListener(echo, { limits: { headerTimeoutMs: 150 } })
    await rawClient(port).closed()
  })

  it('tells the handler of a body that does not come in time, answers, and closes', async () => {
    const { port } = await startListener(echo, { limits: { bodyTimeoutMs: 150 } })
    const client = rawClient(port)
    client.write(post(100))
    const drip = setInterval(() => client.write('x'), 20)
    const text = await client.until(/timeout$/)
    expect(statuses(text)).toEqual([408])
    expect(text).toMatch(/connection: close/i)
    await client.closed()
    clearInterval(drip)
  })

  it('does not wait for a body that nobody asked for', async () => {
    const { port } = await startListener((_request, response) => response.answer(401, {}, 'no'), {
      limits: { headerTimeoutMs: 100, bodyTimeoutMs: 100 },
    })
    const client = rawClient(port)
    client.write(post(100))
    await client.until(/no$/)
    await client.closed()
  })
})

describe('HTTP listener against large requests', () => {
  it('refuses a declared length beyond the limit without reading it, and closes', async () => {
    const { port } = await startListener(echo, { limits: { bodyBytes: 1_000 } })
    const client = rawClient(port)
    client.write(post(1_001))
    expect(statuses(await client.closed())).toEqual([413])
    expect(await send(port, { body: 'x'.repeat(1_000) })).toMatchObject({ status: 200 })
  })

  it('stops reading a body of unknown length at the limit, and the answer still arrives', async () => {
    const { port } = await startListener(echo, { limits: { bodyBytes: 1_000 } })
    const client = rawClient(port)
    client.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let at = 0; at < 20; at++) client.write(`400\r\n${'x'.repeat(1_024)}\r\n`)
    const text = await client.closed()
    expect(statuses(text)).toEqual([413])
    expect(text).toMatch(/too_large$/)
  })

  it('cuts a client that sends on without end after its answer', async () => {
    const { port } = await startListener(echo, { limits: { bodyBytes: 1_000 } })
    const client = rawClient({ host: '127.0.0.1', port, allowHalfOpen: true })
    client.write(post(1e9))
    let cut = false
    client.socket.on('close', () => (cut = true))
    const flood = setInterval(() => {
      if (client.socket.writableLength < 1e6) client.write('x'.repeat(100_000))
    }, 1)
    // Sooner than a client that says nothing more.
    await expect.poll(() => cut, { timeout: 700 }).toBe(true)
    clearInterval(flood)
  })

  it('ends the connection in order, so that no answer is lost to a reset', async () => {
    const { port } = await startListener(echo, { limits: { bodyBytes: 1_000 } })
    const client = rawClient({ host: '127.0.0.1', port, allowHalfOpen: true })
    let reset = false
    client.socket.on('error', () => (reset = true))
    client.write(`${post(50_000)}${'x'.repeat(10_000)}`)
    await client.until(/too_large$/)
    for (let at = 0; at < 4; at++) {
      client.write('x'.repeat(10_000))
      await sleep(10)
    }
    client.socket.end()
    await client.closed()
    await sleep(50)
    expect(reset).toBe(false)
  })

  it('reads no further than asked while the handler takes its time', async () => {
    const late: Handle = (request, response) => void sleep(100).then(() => echo(request, response, undefined))
    const { port } = await startListener(late, { limits: { bodyBytes: 100_000 } })
    expect((await send(port, { body: 'x'.repeat(100_000) })).text).toHaveLength(100_000)
  })

  it('refuses a head beyond the limit with 431, request line included', async () => {
    const { port } = await startListener(echo, { limits: { headerBytes: 4_096 } })
    for (const head of [`GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(5_000)}\r\n\r\n`, `GET /${'x'.repeat(5_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`]) {
      const client = rawClient(port)
      client.write(head)
      expect(statuses(await client.closed())).toEqual([431])
    }
  })

  it('loses none of many small headers', async () => {
    const { port } = await startListener((request, response) => response.answer(200, {}, String(request.headersWith('mcp-param-').length)))
    const client = rawClient(port)
    const headers = Array.from({ length: 900 }, (_, at) => `Mcp-Param-${at}:\r\n`).join('')
    client.write(`GET /mcp HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`)
    expect(await client.until(/\r\n\r\n\d+$/)).toMatch(/\r\n\r\n900$/)
    const many = rawClient(port)
    many.write(`GET /mcp HTTP/1.1\r\nHost: localhost\r\n${'a:\r\n'.repeat(2_500)}Mcp-Param-X: 1\r\n\r\n`)
    expect(await many.until(/\r\n\r\n\d+$/)).toMatch(/\r\n\r\n1$/)
  })

  it('closes connections beyond their number', async () => {
    const { port } = await startListener(echo, { maxConnections: 2 })
    const first = rawClient(port)
    const second = rawClient(port)
    first.write(post(1, '') + 'a')
    second.write(post(1, '') + 'b')
    await Promise.all([first.until(/a$/), second.until(/b$/)])
    expect(await rawClient(port).closed()).toBe('')
  })
})

describe('HTTP listener against request smuggling', () => {
  const shapes: Record<string, string> = {
    'both lengths': 'Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'both lengths, the other way round': 'Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
    'two different lengths': 'Host: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    'a list of lengths': 'Host: localhost\r\nContent-Length: 5, 5\r\n\r\nhello',
    'a signed length': 'Host: localhost\r\nContent-Length: +5\r\n\r\nhello',
    'a hexadecimal length': 'Host: localhost\r\nContent-Length: 0x5\r\n\r\nhello',
    'chunked not last': 'Host: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    'an unknown coding': 'Host: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'space before the colon': 'Host: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
    'a folded header': 'Host: localhost\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n',
    'a bare line feed': 'Host: localhost\nContent-Length: 0\r\n\r\n',
    'a bare carriage return': 'Host: localhost\r\nX: a\rContent-Length: 5\r\n\r\n',
    'a NUL in a header': 'Host: localhost\r\nX: a\0b\r\n\r\n',
    'a wrong chunk size': 'Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n',
  }

  it.each(Object.entries(shapes))('refuses %s and serves nothing behind it', async (_name, rest) => {
    const seen: string[] = []
    const { port } = await startListener((request, response, refusal) => {
      seen.push(request.path)
      echo(request, response, refusal)
    })
    const client = rawClient(port)
    client.write(`POST /mcp HTTP/1.1\r\n${rest}GET /smuggled HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    const text = await client.closed()
    expect(statuses(text).every((status) => status === 400), text).toBe(true)
    expect(seen).not.toContain('/smuggled')
  })

  it('refuses two Hosts as a wrong one', async () => {
    const { port } = await startListener()
    const client = rawClient(port)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n')
    expect(statuses(await client.until(/forbidden_host$/))).toEqual([403])
  })

  it('serves a good chunked body', async () => {
    const { port } = await startListener()
    const client = rawClient(port)
    client.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n')
    await client.until(/hello$/)
  })

  it('does not speak HTTP/2, and closes on a TLS hello and on garbage', async () => {
    const { port } = await startListener()
    for (const text of ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc', 'hello\r\n\r\n']) {
      const client = rawClient(port)
      client.write(text)
      expect(statuses(await client.closed())).toEqual([400])
    }
  })

  it('closes on CONNECT', async () => {
    const { port } = await startListener()
    const client = rawClient(port)
    client.write('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n')
    expect(await client.closed()).not.toContain('200')
  })
})

describe('HTTP listener and its connections', () => {
  it('answers pipelined requests in order', async () => {
    let held: (() => void) | undefined
    const { port } = await startListener((request, response) => {
      const answer = (): void => response.answer(200, {}, `[${request.path}]`)
      if (request.path === '/1') held = answer
      else {
        answer()
        setTimeout(() => held?.(), 10)
      }
    })
    const client = rawClient(port)
    client.write([1, 2, 3].map((at) => `GET /${at} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''))
    const text = await client.until(/\[\/3\]$/)
    expect(text.match(/\[\/\d\]/g)).toEqual(['[/1]', '[/2]', '[/3]'])
  })

  it('never lets a refusal stand for an answer that is due', async () => {
    let answer = (): void => {}
    const { port } = await startListener((_request, response) => (answer = () => response.answer(200, {}, '')))
    const client = rawClient(port)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\nrubbish\r\n\r\n')
    expect(await client.closed()).toBe('')
    answer()
  })

  it('tells the handlers of all pipelined requests when the client goes away', async () => {
    let gone = 0
    const { listener, port } = await startListener((_request, response) => response.onGone(() => gone++))
    const client = rawClient(port)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(15))
    await expect.poll(() => listener.openCount).toBe(15)
    client.socket.destroy()
    await expect.poll(() => gone).toBe(15)
    expect(listener.openCount).toBe(0)
  })

  it('uses a connection again after refusals, bodies read or not', async () => {
    let count = 0
    const { port } = await startListener((request, response) => {
      count++
      if (count === 1) response.answer(401, {}, 'unread')
      else if (count === 2) void request.body().then(() => response.answer(400, {}, 'read'))
      else response.answer(404, {}, 'last')
    })
    const client = rawClient(port)
    client.write(post(5) + 'hello')
    await client.until(/unread$/)
    client.write(post(5) + 'hello')
    await client.until(/read$/)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/last$/)
    expect(statuses(client.received())).toEqual([401, 400, 404])
  })

  it('closes an idle connection after its time', async () => {
    const { port } = await startListener(echo, { keepAliveTimeoutMs: 50 })
    const client = rawClient(port)
    client.write(post(2) + 'hi')
    await client.until(/hi$/)
    await client.closed()
  })

  it('tells the handler of a client that goes away in the middle of its body', async () => {
    const events: string[] = []
    const { listener, port } = await startListener((request, response) => {
      response.onGone(() => events.push('gone'))
      void request.body().then((body) => {
        events.push(body.ok ? 'ok' : body.fault.reason)
        response.answer(400, {}, 'nobody reads this')
      })
    })
    const client = rawClient(port)
    client.write(`${post(100)}half`)
    await expect.poll(() => listener.openCount).toBe(1)
    await sleep(10)
    client.socket.destroy()
    await expect.poll(() => events.toSorted()).toEqual(['disconnected', 'gone'])
    expect(listener.openCount).toBe(0)
  })

  it('tells the handler once when the peer goes away before the answer ended, and not after', async () => {
    let gone = 0
    const { port } = await startListener((request, response) => {
      response.onGone(() => gone++)
      if (request.path === '/mcp') response.answer(200, {}, 'done')
      else response.head(200, {})
    })
    const answered = rawClient(port)
    answered.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await answered.until(/done$/)
    answered.socket.destroy()
    await sleep(30)
    expect(gone).toBe(0)
    const streaming = rawClient(port)
    streaming.write('GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await streaming.until(/200 OK/)
    streaming.socket.destroy()
    await expect.poll(() => gone).toBe(1)
  })

  it('takes a client that ends its side as gone', async () => {
    let gone = false
    const { port } = await startListener((_request, response) => response.onGone(() => (gone = true)))
    const client = rawClient(port)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await sleep(20)
    client.socket.end()
    await expect.poll(() => gone).toBe(true)
  })

  it('survives writes to clients that left', async () => {
    const { port } = await startListener((_request, response) => {
      response.head(200, {})
      const timer = setInterval(() => response.write('x'.repeat(10_000)), 1)
      setTimeout(() => {
        clearInterval(timer)
        response.write('x')
        response.end()
        response.answer(200, {}, 'x')
      }, 60)
    })
    for (let at = 0; at < 5; at++) {
      const client = rawClient(port)
      client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
      setTimeout(() => client.socket.resetAndDestroy(), at * 10)
    }
    await sleep(100)
    expect((await send(port, { verb: 'GET', path: '/healthz' })).status).toBe(200)
  })

  it('cuts the connection of an answer that cannot be finished', async () => {
    const { port } = await startListener((_request, response) => {
      response.head(200, {})
      response.write('half')
      setTimeout(() => response.destroy(), 10)
    })
    const client = rawClient(port)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await client.closed()).not.toMatch(/\r\n0\r\n\r\n$/)
  })

  it('says 100 Continue when the body is asked for, and not to a request that is refused', async () => {
    const { port } = await startListener((request, response, refusal) => {
      if (request.path === '/no') response.answer(401, {}, 'no')
      else echo(request, response, refusal)
    })
    const welcome = rawClient(port)
    welcome.write(post(5, 'Expect: 100-continue\r\n'))
    await welcome.until(/100 Continue/)
    welcome.write('hello')
    await welcome.until(/hello$/)
    const refused = rawClient(port)
    refused.write('POST /no HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
    expect(statuses(await refused.closed())).toEqual([401])
  })
})
