import type { JSONRPCMessage } from '@modelcontextprotocol/client'
import { afterEach, describe, expect, it } from 'vitest'
import { createStdioTransport } from './stdio-transport.ts'
import type { StdioTransport } from './stdio-transport.ts'

const open: StdioTransport[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()))
})

interface Started {
  readonly transport: StdioTransport
  readonly messages: JSONRPCMessage[]
  readonly texts: string[]
  readonly stderr: string[]
  readonly errors: Error[]
}

async function start(script: string, command = process.execPath): Promise<Started> {
  const [texts, stderr]: [string[], string[]] = [[], []]
  const transport = createStdioTransport({
    command,
    args: ['-e', script],
    env: { PATH: process.env['PATH'] ?? '' },
    cwd: undefined,
    onSent: () => undefined,
    onReceived: (text) => texts.push(text),
    onStderrLine: (line) => stderr.push(line),
  })
  const started: Started = { transport, messages: [], texts, stderr, errors: [] }
  transport.onmessage = (message) => started.messages.push(message)
  transport.onerror = (error) => started.errors.push(error)
  open.push(transport)
  await transport.start()
  return started
}

describe('a server on a pipe', () => {
  it('is heard line by line, whatever the chunks and line separators of Unicode', async () => {
    const text = '{"jsonrpc":"2.0","method":"a","params":{"é":"\u2028","big":12345678901234567890}}'
    const { messages, texts } = await start(`
      const bytes = Buffer.from(${JSON.stringify(`${text}\n\n{"jsonrpc":"2.0","method":"b"}\n`)})
      let i = 0; const next = () => { if (i < bytes.length) process.stdout.write(bytes.subarray(i, i += 7), next); else process.stdin.resume() }; next()`)
    await expect.poll(() => messages.length).toBe(2)
    expect(texts[0]).toBe(text)
    expect(messages).toMatchObject([{ method: 'a', params: { é: '\u2028' } }, { method: 'b' }])
  })

  it('gets what is sent as UTF-8 lines', async () => {
    const { transport, messages } = await start('process.stdin.pipe(process.stdout)')
    await transport.send({ jsonrpc: '2.0', method: 'ünïcode', params: { text: 'a\nb 世界' } })
    await expect.poll(() => messages).toEqual([{ jsonrpc: '2.0', method: 'ünïcode', params: { text: 'a\nb 世界' } }])
  })

  it('that ends is named with its exit code and last words, and gets nothing more', async () => {
    const { transport, stderr, errors } = await start('console.error("no licence"); process.exit(7)')
    await expect.poll(transport.ended).toMatchObject({ code: 'command_failed' })
    expect(transport.ended()?.message).toMatch(/exited with 7[^]*no licence/)
    expect(stderr).toEqual(['no licence'])
    expect(errors.length).toBe(1)
    await expect(transport.send({ jsonrpc: '2.0', method: 'x' })).rejects.toMatchObject({ code: 'command_failed' })
  })

  it('that cannot be started says so', async () => {
    const { transport } = await start('', 'no-such-command')
    await expect.poll(transport.ended).toMatchObject({ code: 'command_failed' })
    expect(transport.ended()?.message).toMatch(/no-such-command cannot be started/)
  })

  it('that writes something else is no reason to stop', async () => {
    const { messages, errors } = await start('console.log("hello"); console.log(\'{"jsonrpc":"2.0","method":"x"}\'); process.stdin.resume()')
    await expect.poll(() => messages.length).toBe(1)
    expect(errors.map(({ message }) => message)).toEqual(['The server wrote a line to standard output that is no JSON: hello'])
  })
})
