/** A running gateway whose configuration changes under it: by an editor, by Kubernetes, by a signal, by the command line. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callModern, runPortolan, startPortolan } from '../portolan-process.ts'
import type { PortolanProcess } from '../portolan-process.ts'

let folder = ''
const running: PortolanProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-reload-'))
})
afterEach(async () => {
  for (const portolan of running.splice(0)) {
    portolan.child.kill('SIGKILL')
    await portolan.exited
  }
  rmSync(folder, { recursive: true, force: true })
})

const SERVER = join(import.meta.dirname, '../fixtures/reload/counting-server.mjs')
const data = (): string => join(folder, 'data')
const path = (name: string): string => join(folder, name)
const executed = (): string[] => (existsSync(path('log')) ? readFileSync(path('log'), 'utf8').split('\n').filter((line) => line.startsWith('call ')) : [])
const child = (label: string, env: object = {}) => ({ command: process.execPath, args: [SERVER, path('log'), label], env })
const write = (name: string, mcpServers: object, portolan?: object): void =>
  writeFileSync(path(name), JSON.stringify({ mcpServers, ...(portolan === undefined ? {} : { portolan: { version: 1, ...portolan } }) }))

type Started = Awaited<ReturnType<typeof startPortolan>>

async function start(...args: string[]): Promise<Started> {
  const portolan = await startPortolan(data(), ['--config', path('portolan.json'), ...args])
  running.push(portolan)
  return portolan
}

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const portolan = runPortolan(args, { cwd: folder })
  running.push(portolan)
  const { code } = await portolan.exited
  return { code, out: portolan.stdout(), err: portolan.stderr() }
}

/** Who answers a call of `a`: its label. */
async function answerer({ baseUrl, token }: Pick<Started, 'baseUrl' | 'token'>, args: object = {}, name = 'a'): Promise<string> {
  const { body, status } = await callModern(`${baseUrl}/${name}/mcp`, token, 'tools/call', { name: 'work', arguments: args })
  const { result, error } = body as { result?: { content: { text: string }[] }; error?: { message: string } }
  return result?.content[0]?.text.split(' ')[0] ?? `${status} ${error?.message ?? ''}`
}
const becomes = (portolan: Started, label: string) => expect.poll(() => answerer(portolan), { timeout: 10_000, interval: 100 }).toBe(label)
const refusal = async (): Promise<string> => JSON.parse((await run('status', '--data', data(), '--json')).out).config.refusal

describe('portolan up', () => {
  it('follows its file through writes, renames and files named in it, and keeps to the last good one', async () => {
    writeFileSync(path('secret'), 'one')
    write('portolan.json', { a: child('one') })
    const portolan = await start()
    expect(await answerer(portolan)).toBe('one')
    write('portolan.json', { a: child('two') })
    await becomes(portolan, 'two')
    write('next.json', { a: child('three', { SECRET: `file:${path('secret')}` }) })
    renameSync(path('next.json'), path('portolan.json'))
    await becomes(portolan, 'three')
    writeFileSync(path('secret'), 'another')
    await expect.poll(() => portolan.stderr().match(/was reloaded/g)?.length, { timeout: 10_000 }).toBe(3)
    writeFileSync(path('portolan.json'), '{ "mcpServers": { "a": { "command": ')
    await expect.poll(() => portolan.stderr(), { timeout: 10_000 }).toContain('was not reloaded')
    expect(await refusal()).toContain('line 1')
    expect(await answerer(portolan)).toBe('three')
    write('portolan.json', { a: child('four') })
    await becomes(portolan, 'four')
    expect(await refusal()).toBe('')
  })

  it('follows a folder that Kubernetes swaps', async () => {
    for (const label of ['one', 'two']) {
      mkdirSync(path(`..${label}`))
      write(`..${label}/portolan.json`, { a: child(label) })
    }
    symlinkSync('..one', path('..data'))
    symlinkSync('..data/portolan.json', path('portolan.json'))
    const portolan = await start()
    expect(await answerer(portolan)).toBe('one')
    symlinkSync('..two', path('..data_tmp'))
    renameSync(path('..data_tmp'), path('..data'))
    await becomes(portolan, 'two')
  })

  it('reads its file again only when told to with --no-watch: by a signal, or by portolan reload', async () => {
    write('portolan.json', { a: child('one') })
    const portolan = await start('--no-watch')
    write('portolan.json', { a: child('two'), b: child('new') }, { separator: '-', listen: { port: 1 } })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(await answerer(portolan)).toBe('one')
    const reloaded = await run('reload', '--data', data())
    expect(reloaded).toMatchObject({ code: 0, err: '' })
    expect(reloaded.out.split('\n').slice(1)).toEqual([
      '  added: b', '  changed: a', '  in force now: portolan.separator', '  in force at the next start: portolan.listen.port', '',
    ])
    expect(await answerer(portolan)).toBe('two')
    expect((await run('reload', '--data', data())).out).toContain('nothing has changed')
    write('portolan.json', { a: child('three') })
    portolan.child.kill('SIGHUP')
    await becomes(portolan, 'three')
  })

  it('tells who reloads every problem, with exit code 2, and goes on', async () => {
    write('portolan.json', { a: child('one') })
    const portolan = await start('--no-watch')
    write('portolan.json', { a: { command: 1 }, mcp: child('x') }, { listen: { host: '0.0.0.0' } })
    const refused = await run('reload', '--data', data())
    expect(refused).toMatchObject({ code: 2, out: '' })
    for (const where of ['mcpServers.a', 'mcpServers.mcp', 'stays in force']) expect(refused.err).toContain(where)
    write('portolan.json', { a: child('one') }, { listen: { host: '0.0.0.0' } })
    const unsafe = await run('reload', '--data', data(), '--json')
    expect(unsafe.code).toBe(2)
    expect(JSON.parse(unsafe.out)).toMatchObject({ outcome: 'refused', problems: expect.arrayContaining([expect.objectContaining({ path: 'portolan.listen.host' })]) })
    expect(await answerer(portolan)).toBe('one')
    expect((await run('reload', '--data', path('nowhere'))).code).toBe(1)
  })

  it('takes a new token, and no longer the old one', async () => {
    write('portolan.json', { a: child('one') })
    const portolan = await start()
    expect(await answerer(portolan)).toBe('one')
    const token = 'another-token-of-forty-characters-0123456789'
    writeFileSync(join(data(), 'token'), `${token}\n`)
    await expect.poll(() => answerer({ ...portolan, token }), { timeout: 10_000 }).toBe('one')
    expect(await answerer(portolan)).toContain('401')
    expect(portolan.stderr()).not.toContain(token)
  })

  it('loses no call and executes none twice while its file is rewritten again and again', async () => {
    write('portolan.json', { a: child('v0'), b: child('other') })
    const portolan = await start()
    const answers: string[] = []
    let calls = 0
    let isEnding = false
    const caller = async (name: string): Promise<void> => {
      for (; !isEnding; calls += 1) answers.push(await answerer(portolan, { ms: 20 + (calls % 5) * 40, token: `${name}${calls}` }, name))
    }
    const callers = ['a', 'a', 'a', 'b'].map(caller)
    for (let round = 1; round <= 5; round += 1) {
      write('next.json', { a: child(`v${round}`), b: child('other') })
      renameSync(path('next.json'), path('portolan.json'))
      await becomes(portolan, `v${round}`)
      calls += 1
    }
    isEnding = true
    await Promise.all(callers)
    expect(answers.filter((answer) => !/^(v\d|other)$/.test(answer))).toEqual([])
    const named = executed().filter((line) => line !== 'call ')
    expect(named).toHaveLength(answers.length)
    expect(readFileSync(path('log'), 'utf8').split('\n').filter((line) => line.startsWith('start other')).length, 'children of the other server').toBeLessThanOrEqual(2)
  })
})
