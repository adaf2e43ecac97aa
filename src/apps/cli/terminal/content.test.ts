import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createVirtualScreen } from '../../../../test/terminal-rig.ts'
import { RED_PIXEL_PNG, SILENT_WAV } from '../../reference-server/media.ts'
import { showContent, showResource } from './content.ts'
import { imageSize } from './image-size.ts'
import { mediaEnding, safeFileName } from './media.ts'
import { createTerminal } from './terminal.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-media-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const PNG = { type: 'image', data: RED_PIXEL_PNG, mimeType: 'image/png' }

function onTerminal(env: Record<string, string> = { NO_COLOR: '1' }) {
  const screen = createVirtualScreen(200, 50)
  const terminal = createTerminal({ stdin: new PassThrough(), stdout: screen.stream, stderr: screen.stream, env })
  const lines = async (shown: Promise<void>): Promise<string[]> => {
    await shown
    await screen.settled()
    return screen.lines()
  }
  return { screen, terminal, lines, options: { folder, name: 'test_tool' } }
}

async function piped(show: (terminal: ReturnType<typeof createTerminal>) => Promise<void>): Promise<Buffer> {
  const stdout = new PassThrough()
  await show(createTerminal({ stdin: new PassThrough(), stdout, stderr: new PassThrough(), env: {} }))
  stdout.end()
  return Buffer.concat(await stdout.toArray())
}

describe('content of a result', () => {
  it('is readable on a terminal, and harmless', async () => {
    const { terminal, lines, options } = onTerminal()
    const blocks = [
      { type: 'text', text: 'one\ntwo\u001b[2J' },
      { type: 'resource_link', uri: 'file:///a', name: 'a', title: 'The A', description: 'Of all\nletters', mimeType: 'text/plain', size: 2_048 },
      { type: 'resource', resource: { uri: 'test://b', mimeType: 'text/plain', text: 'inside' } },
      { type: 'future', value: 12 },
    ]
    expect(await lines(showContent(terminal, blocks, options))).toEqual([
      'one', 'two\\u001b[2J', 'The A  file:///a  text/plain, 2.0 KiB', '  Of all letters', 'test://b (text/plain)', 'inside', '{', '  "type": "future",', '  "value": 12', '}',
    ])
    expect(readdirSync(folder)).toEqual([])
  })

  it('is passed on as it is in a pipe', async () => {
    expect(String(await piped((terminal) => showContent(terminal, [{ type: 'text', text: 'a\u001b[1mb' }], { folder, name: 'x' })))).toBe('a\u001b[1mb\n')
  })

  it('is saved where it is no text, under names that are ours', async () => {
    const { terminal, lines } = onTerminal()
    const blocks = [PNG, PNG, { type: 'audio', data: SILENT_WAV, mimeType: 'audio/wav' }, { type: 'image', data: 'AAAA', mimeType: '../../x' }]
    const shown = await lines(showContent(terminal, blocks, { folder: join(folder, 'new'), name: '../../etc/pass wd' }))
    expect(readdirSync(join(folder, 'new'))).toEqual(['etc-pass-wd-2.png', 'etc-pass-wd.bin', 'etc-pass-wd.png', 'etc-pass-wd.wav'])
    expect(shown[0]).toBe(`Saved ${join(folder, 'new', 'etc-pass-wd.png')} (image/png, 70 bytes, 1 × 1 pixels)`)
    expect(readFileSync(join(folder, 'new', 'etc-pass-wd.png')).toString('base64')).toBe(RED_PIXEL_PNG)
  })

  it('never overwrites a file, and follows no link that lies in wait', async () => {
    const { terminal, lines, options } = onTerminal()
    writeFileSync(join(folder, 'test_tool.png'), 'mine')
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'test_tool-2.png'))
    const shown = await lines(showContent(terminal, [PNG], options))
    expect(shown[0]).toContain('test_tool-3.png')
    expect(readFileSync(join(folder, 'test_tool.png'), 'utf8')).toBe('mine')
    expect(existsSync(join(folder, 'elsewhere'))).toBe(false)
  })

  it('says what could not be saved and goes on', async () => {
    const { terminal, lines } = onTerminal()
    writeFileSync(join(folder, 'file'), '')
    const shown = await lines(showContent(terminal, [PNG, { type: 'text', text: 'next' }], { folder: join(folder, 'file'), name: 'x' }))
    expect(shown[0]).toMatch(/^Not saved \(image\/png, 70 bytes.*Name another folder/)
    expect(shown.at(-1)).toBe('next')
  })

  it('is shown inline by terminals that can', async () => {
    const chunks = Buffer.concat([Buffer.from(RED_PIXEL_PNG, 'base64'), Buffer.alloc(4_000)])
    const image = { ...PNG, data: chunks.toString('base64') }
    const rawOf = async (env: Record<string, string>, block: object = image): Promise<string> => {
      const { screen, terminal, options } = onTerminal(env)
      await showContent(terminal, [block], options)
      return screen.raw()
    }
    const kitty = await rawOf({ TERM: 'xterm-kitty' })
    expect(kitty).toContain(`\u001b_Ga=T,f=100,q=2,m=1;${image.data.slice(0, 4_096)}\u001b\\\u001b_Gq=2,m=0;${image.data.slice(4_096)}\u001b\\\n`)
    expect(await rawOf({ TERM_PROGRAM: 'iTerm.app' })).toContain(`\u001b]1337;File=inline=1;size=${chunks.length};preserveAspectRatio=1:${image.data}\u0007\n`)
    expect(await rawOf({ TERM_PROGRAM: 'WezTerm' })).toContain('\u001b]1337;')
    for (const env of [{ TERM: 'xterm-256color' }, { TERM: 'xterm-kitty', TMUX: '/tmp/x' }, { TERM: 'screen', TERM_PROGRAM: 'iTerm.app' }]) {
      expect(await rawOf({ ...env, NO_COLOR: '1' })).not.toContain('\u001b')
    }
    // What is no image is not sent, whatever its type says.
    expect(await rawOf({ TERM: 'xterm-kitty', NO_COLOR: '1' }, { ...PNG, data: Buffer.from('\u001b\\\u001b]0;x\u0007').toString('base64') })).not.toContain('\u001b')
  })
})

describe('contents of a resource', () => {
  it('are readable: JSON indented, Markdown in weights and colours', async () => {
    const { screen, terminal, options } = onTerminal({})
    await showResource(terminal, [{ uri: 'a', mimeType: 'text/markdown', text: '# Title\n- **bold** and `code`\n[safe](https://evil.example)\n```\n# no heading\n```' }], options)
    await showResource(terminal, [{ uri: 'b', mimeType: 'application/json', text: '{"big":12345678901234567890}' }], options)
    await screen.settled()
    expect(screen.lines()).toEqual(['Title', '• bold and code', 'safe (https://evil.example)', '```', '# no heading', '```', '{', '  "big": 12345678901234567890', '}'])
    expect(screen.raw()).toContain('\u001b[1mbold\u001b[22m')
  })

  it('are named where there are several', async () => {
    const { terminal, lines, options } = onTerminal()
    expect(await lines(showResource(terminal, [{ uri: 'a', text: 'x' }, { uri: 'b' }], options))).toEqual(['a', 'x', 'b', '(empty)'])
  })

  it('are copied byte by byte in a pipe', async () => {
    const options = { folder, name: 'x' }
    expect((await piped((terminal) => showResource(terminal, [{ uri: 'a', blob: RED_PIXEL_PNG }], options))).toString('base64')).toBe(RED_PIXEL_PNG)
    expect(String(await piped((terminal) => showResource(terminal, [{ uri: 'a', text: 'no line break' }], options)))).toBe('no line break')
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('a file name', () => {
  it('is never empty, hidden, a device or a path', () => {
    expect(['', '..', '/', '.ssh', 'CON', 'nul.txt', 'a/b\\c', 'x\u0000y\n', 'žluť', '-rf', 'a..b', '\u202egpj'].map(safeFileName)).toEqual([
      'content', 'content', 'content', 'ssh', '_CON', '_nul.txt', 'a-b-c', 'x-y', 'žluť', 'rf', 'a.b', 'gpj',
    ])
    expect(safeFileName('x'.repeat(500))).toHaveLength(60)
  })

  it('ends as its type does, where the type is known', () => {
    expect(['image/png', 'IMAGE/JPEG', 'text/plain; charset=utf-8', 'application/x-desktop', '__proto__', undefined].map(mediaEnding)).toEqual(['png', 'jpg', 'txt', 'bin', 'bin', 'bin'])
  })
})

describe('the size of an image', () => {
  const SIZES: readonly (readonly [format: string, bytes: Buffer, width: number, height: number])[] = [
    ['png', Buffer.from(RED_PIXEL_PNG, 'base64'), 1, 1],
    ['gif', Buffer.from('GIF89a\u0005\u0001\u0007\u0000', 'latin1'), 261, 7],
    ['jpeg', Buffer.from('ffd8ffe000104a46494600010100000100010000ffc0000b08001002000101011100', 'hex'), 512, 16],
    ['webp', Buffer.from(`RIFF....WEBPVP8X${'.'.repeat(4)}${'\u0000'.repeat(4)}\u0063\u0000\u0000\u001f\u0000\u0000`, 'latin1'), 100, 32],
    ['webp', Buffer.concat([Buffer.from('RIFF....WEBPVP8L....\u002f', 'latin1'), Buffer.from([0x63, 0xc0, 0x07, 0x00])]), 100, 32],
    ['webp', Buffer.concat([Buffer.from(`RIFF....WEBPVP8 ${'.'.repeat(10)}`, 'latin1'), Buffer.from([0x64, 0x00, 0x20, 0x00])]), 100, 32],
  ]

  it('is read from the first bytes', () => {
    for (const [format, bytes, width, height] of SIZES) expect(imageSize(bytes)).toEqual({ format, width, height })
  })

  it('is unknown where they are cut short or something else', () => {
    for (const [, bytes] of SIZES) for (let length = 0; length < Math.min(bytes.length, 24); length += 1) expect(() => imageSize(bytes.subarray(0, length))).not.toThrow()
    expect(imageSize(Buffer.from('ffd8ffffffff', 'hex'))).toBeUndefined()
    expect(imageSize(Buffer.from('hello, this is no image at all'))).toBeUndefined()
  })
})
