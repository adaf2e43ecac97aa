import { describe, expect, it } from 'vitest'
import type { AppSettings } from '../../core/gateway/snapshot.ts'
import { compileSnapshot } from './config-snapshot.ts'
import { readConfig } from './config.ts'

const servers = { files: { command: 'x' }, 'my server': { command: 'y' } }

/** The settings as compiled, or what is wrong. */
function compiled(apps: unknown): AppSettings | undefined | string[] {
  const read = readConfig(JSON.stringify({ mcpServers: servers, portolan: { version: 1, apps } }))
  const said = (problems: readonly { readonly path: string; readonly problem: string }[]): string[] => problems.map(({ path, problem }) => `${path}: ${problem}`)
  if (!read.ok) return said(read.fault)
  const result = compileSnapshot(read.value, { env: {}, folder: '/f', home: '/h', inputs: new Map(), readFile: () => '' })
  return result.ok ? result.value.apps : said(result.fault)
}

describe('what apps may do', () => {
  it('is what their servers say, where nothing is written', () => expect(compiled(undefined)).toBeUndefined())

  it('is compiled with servers as they are served', () => {
    const own = { frameDomains: [] }
    expect(compiled({ connectDomains: ['https://*.example.com'], permissions: ['camera'], servers: { 'my server': own } })).toEqual({
      calls: 'server', bounds: { connectDomains: ['https://*.example.com'], permissions: ['camera'] }, serverBounds: { 'my-server': own },
    })
    expect(compiled({ calls: 'endpoint' })).toEqual({ calls: 'endpoint', bounds: undefined, serverBounds: {} })
  })

  it.each([
    [{ servers: { fiels: {} } }, ['portolan.apps.servers.fiels: no server has this name']],
    [{ servers: { 'my server': {}, 'my-server': {} } }, ['portolan.apps.servers.my-server: this server stands here twice']],
    [{ connectDomains: ['api.example.com'] }, [expect.stringContaining('portolan.apps.connectDomains[0]')]],
    [{ connectDomains: ['https://a.example; script-src *'] }, [expect.stringContaining('portolan.apps.connectDomains[0]')]],
    [{ permissions: ['usb'] }, [expect.stringContaining('portolan.apps.permissions[0]')]],
    [{ calls: 'all' }, [expect.stringContaining('portolan.apps.calls')]],
  ])('is refused as %j', (apps, problems) => expect(compiled(apps)).toEqual(problems))
})
