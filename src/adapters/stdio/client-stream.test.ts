import { spawn } from 'node:child_process'
import { PassThrough, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createClientStream } from './client-stream.ts'

function open(maxLineBytes = 1_000, output: Writable = new PassThrough()) {
  const input = new PassThrough()
  const lines: string[] = []
  const client = createClientStream({ input, output, maxLineBytes })
  return { input, output, lines, client, over: client.read((line) => lines.push(line)) }
}

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

describe('stdio client stream', () => {
  it('reads one message a line, however the bytes arrive', async () => {
    const bytes = Buffer.from('{"a":"é"}\n{"b":2}\r\n\n\r\n{"c":"\u2028\u2029\u0085"}\n', 'utf8')
    const expected = ['{"a":"é"}', '{"b":2}', '{"c":"\u2028\u2029\u0085"}'].map(latin1)
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const { input, lines } = open()
      for (let at = 0; at < bytes.length; at += size) input.write(bytes.subarray(at, at + size))
      await expect.poll(() => lines, { message: `pieces of ${size}` }).toEqual(expected)
    }
  })

  it('keeps bytes that are no UTF-8, and carriage returns that end no line', async () => {
    const { input, lines } = open()
    input.write(Buffer.from([0x22, 0xff, 0xc0, 0x0d, 0x22, 0x0a]))
    await expect.poll(() => lines).toEqual(['"\xff\xc0\r"'])
  })

  it('says that a line is too long as soon as it is, after the lines before it', async () => {
    const { input, lines, over } = open(10)
    input.write('short\n')
    input.write('x'.repeat(11))
    expect(await over).toBe('line_too_long')
    expect(lines).toEqual(['short'])
  })

  it('says when the client has gone', async () => {
    const { input, lines, over } = open()
    input.end('{"a":1}\n')
    expect(await over).toBe('ended')
    expect(lines).toEqual(['{"a":1}'])
  })

  it('takes a client that no longer reads as gone, and lets writes to it go nowhere', async () => {
    const child = spawn(process.execPath, ['-e', 'require("fs").closeSync(0); setTimeout(() => {}, 300)'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const { client, over } = open(1_000, child.stdin)
    const writing = setInterval(() => client.stream.write('x'.repeat(1_000)), 10)
    expect(await over).toBe('ended')
    await sleep(30)
    clearInterval(writing)
    await client.flush()
    child.kill('SIGKILL')
  })

  it('writes each message as one line, byte for byte, with line ends between tokens as spaces', async () => {
    const output = new PassThrough()
    const { client } = open(1_000, output)
    client.stream.write(latin1('{"a":"é\u2028"}'))
    client.stream.write('{\n"b": 1\n}')
    await client.flush()
    expect(String(output.read())).toBe('{"a":"é\u2028"}\n{ "b": 1 }\n')
  })

  it('reads no more from a client that does not read its answers, until it does', async () => {
    const output = new PassThrough({ highWaterMark: 100 })
    const { input, lines, client } = open(1_000, output)
    let full = false
    for (let at = 0; at < 10 && !full; at++) full = !client.stream.write('x'.repeat(60))
    expect(full).toBe(true)
    input.write('later\n')
    await sleep(20)
    expect(lines).toEqual([])
    output.resume()
    await expect.poll(() => lines).toEqual(['later'])
  })
})
