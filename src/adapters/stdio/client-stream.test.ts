import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createClientStream } from './client-stream.ts'

function open(maxLineBytes = 100, highWaterMark = 1_000) {
  const input = new PassThrough()
  const output = new PassThrough({ highWaterMark })
  const lines: string[] = []
  const client = createClientStream({ input, output, maxLineBytes })
  const why = client.read((line) => lines.push(line))
  return { input, output, lines, client, why }
}

describe('a client on standard input and output', () => {
  it('sends a message a line: only a line feed ends one, wherever the chunks break', async () => {
    const { input, lines, why } = open()
    input.write('{"a":"\u2028\u0085')
    input.write('ü"}\r\n\n{"b"')
    input.end(':1}\n{"cut off"')
    expect(await why).toBe('ended')
    expect(lines.map((line) => Buffer.from(line, 'latin1').toString('utf8'))).toEqual(['{"a":"\u2028\u0085ü"}', '{"b":1}'])
  })

  it('is told a message a line, byte for byte', async () => {
    const { client, output } = open()
    client.stream.write(Buffer.from('{"ü":\n1}', 'utf8').toString('latin1'))
    await client.flush()
    expect(output.read().toString('utf8')).toBe('{"ü": 1}\n')
  })

  it('is not listened to after a line beyond the limit', async () => {
    const { input, why } = open(10)
    input.write('x'.repeat(11))
    expect(await why).toBe('line_too_long')
  })

  it('is held back while it does not read, and goes on when it does', async () => {
    const { input, output, client, lines } = open(100, 10)
    expect(client.stream.write('x'.repeat(50))).toBe(false)
    expect(input.isPaused()).toBe(true)
    input.write('{"a":1}\n')
    await new Promise((resolve) => setImmediate(resolve))
    expect(lines).toEqual([])
    output.resume()
    await expect.poll(() => lines).toEqual(['{"a":1}'])
  })

  it('is given up when it reads nothing of what it is told', async () => {
    const { output, client, why } = open()
    for (let count = 0; count < 20; count += 1) client.stream.write('x'.repeat(1024 * 1024))
    expect(await why).toBe('too_slow')
    expect(output.writableLength).toBeLessThan(18 * 1024 * 1024)
    await client.flush()
  })

  it('is gone when its end of the output is closed', async () => {
    const { output, why } = open()
    output.destroy(new Error('EPIPE'))
    expect(await why).toBe('ended')
  })
})
