/** Virtual servers as people have them: a configuration file, a process, and the official clients of both generations. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { legacyClient, modernClient, modernHttp, modernStdio } from '../any-client.ts'
import type { AnyClient } from '../any-client.ts'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { ALL_CAPABILITIES, connectSdk1, httpTransport, sseTransport, stdioTransport } from '../sdk1-client.ts'

const official = (name: string): string => fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/server-${name}/dist/index.js`, import.meta.url))

const job = {
  title: 'The job',
  use: [
    { server: 'everything', tools: ['echo', 'get-*', '!get-env', 'trigger-sampling-request'], prompts: ['args-prompt'], resources: [], templates: ['demo://resource/dynamic/text/*'] },
    { server: 'files', tools: ['read_text_file'] },
  ],
  tools: {
    'everything/get-sum': { name: 'add_to_forty', description: 'Adds to 40.', arguments: { a: 40 } },
    read_text_file: { name: 'echo', arguments: { path: 'env:NOTE_PATH' } },
  },
  prompts: { 'args-prompt': { name: 'weather', arguments: { state: 'Bavaria' } } },
}

let folder: string
let gateway: GatewayProcess
const written = (virtualServers: unknown): object => ({
  mcpServers: {
    everything: { command: process.execPath, args: [official('everything'), 'stdio'] },
    files: { command: process.execPath, args: [official('filesystem'), folder] },
  },
  portolan: { version: 1, virtualServers, limits: { childrenPerPrincipal: 8 } },
})
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'portolan-virtual-')))
  await writeFile(join(folder, 'note.txt'), 'written by the test')
  gateway = await startGateway({ config: written({ job }), env: { NOTE_PATH: join(folder, 'note.txt') } })
})
afterAll(async () => {
  await gateway?.stop()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

/** Both clients start it alike: the v2 transport of the tests hands on no environment. */
const stdio = () => {
  const portolan = [CLI_MAIN, 'stdio', '--config', gateway.configPath, '--data', join(folder, 'stdio'), '--server', 'job']
  return { command: 'env', args: [`NOTE_PATH=${join(folder, 'note.txt')}`, process.execPath, ...portolan] }
}
const ways: readonly (readonly [string, () => Promise<AnyClient>])[] = [
  ['the v1 client over HTTP', () => legacyClient(httpTransport(gateway, '/job/mcp'))],
  ['the v1 client over HTTP+SSE', () => legacyClient(sseTransport(gateway, '/job/sse'), '2024-11-05')],
  ['the v1 client over stdio', () => legacyClient(stdioTransport(stdio()))],
  ['the v2 client over HTTP', () => modernClient(modernHttp(gateway, '/job/mcp'))],
  ['the v2 client over stdio', () => modernClient(modernStdio(stdio()))],
]

describe.each(ways)('%s', (_way, connect) => {
  it('uses what is picked, and nothing else', async () => {
    const client = await connect()
    try {
      const names = await client.toolNames()
      expect(names).toEqual(expect.arrayContaining(['everything__echo', 'add_to_forty', 'files__echo', 'get-tiny-image']))
      expect(names).not.toEqual(expect.arrayContaining(['get-env']))
      expect(names.filter((name) => /write|toggle|simulate/.test(name))).toEqual([])
      expect((await client.call('add_to_forty', { b: 2 })).text).toContain('42')
      expect((await client.call('files__echo')).text).toContain('written by the test')
      await expect(client.call('add_to_forty', { a: 1, b: 2 })).rejects.toThrow('no argument a is taken here')
      await expect(client.call('files__echo', { path: '/etc/passwd' })).rejects.toThrow('no argument path is taken here')
      for (const name of ['get-env', 'get-sum', 'files__read_text_file', 'write_file', 'nothing']) await expect(client.call(name)).rejects.toThrow(`Unknown tool: ${name}`)
      expect(await client.prompt('weather', { city: 'Munich' })).toContain('Munich, Bavaria')
      expect(await client.read('everything+demo://resource/dynamic/text/7')).toContain('7')
      for (const uri of ['everything+demo://resource/dynamic/blob/7', 'everything+demo://resource/static/document/architecture.md', 'demo://resource/dynamic/text/7']) {
        await expect(client.read(uri)).rejects.toThrow()
      }
    } finally {
      await client.close()
    }
  })
})

it('asks a client that can be asked', async () => {
  const { client, asked, close } = await connectSdk1(httpTransport(gateway, '/job/mcp'), ALL_CAPABILITIES)
  expect(client.getServerVersion()).toMatchObject({ name: 'job', title: 'The job' })
  await client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'x', maxTokens: 5 } })
  expect(asked).toContain('sampling/createMessage')
  await close()
})

it('refuses to be a server on stdio that is not there', async () => {
  const { status, stderr } = spawnSync(process.execPath, [CLI_MAIN, 'stdio', '--config', gateway.configPath, '--data', join(folder, 'other'), '--server', 'jop'], { encoding: 'utf8', timeout: 20_000, env: { ...process.env, NOTE_PATH: '/x' } })
  expect([status, stderr]).toEqual([2, expect.stringContaining('Did you mean job?')])
})

it('is told by status, and taken anew by a reload while a client goes on', async () => {
  expect(gateway.status()).toMatchObject({ virtualServers: [{ name: 'job', servers: ['everything', 'files'], notices: expect.arrayContaining([expect.stringContaining('is called everything__echo')]) }] })
  const client = await modernClient(modernHttp(gateway, '/job/mcp'))
  await writeFile(gateway.configPath, JSON.stringify(written({ job: { use: [{ server: 'files', tools: ['list_*'] }] }, other: { use: [{ server: 'everything', tools: ['echo'] }] } })))
  await expect.poll(() => client.toolNames(), { timeout: 10_000 }).toEqual(['list_directory', 'list_directory_with_sizes', 'list_allowed_directories'])
  await expect(client.call('add_to_forty', { b: 2 })).rejects.toThrow('Unknown tool: add_to_forty')
  await client.close()
  const other = await legacyClient(httpTransport(gateway, '/other/mcp'))
  expect(await other.toolNames()).toEqual(['echo'])
  await other.close()
})
