import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { proxyCheck } from './check-proxy.ts'

const rig = doctorRig()
const PROXY = 'http://user:proxy-secret@proxy.example:3128'
const servers = { local: { url: 'http://127.0.0.1:9/mcp' }, remote: { url: 'https://mcp.example.com/mcp' } }
const found = (env: Readonly<Record<string, string>>, of: Readonly<Record<string, object>> = servers): ReturnType<typeof rig.run> => rig.run(proxyCheck, rig.context(of, { env }))

describe('the check of proxy variables', () => {
  it('has nothing to look at where none is set', async () => {
    expect(await found({})).toMatchObject([{ verdict: 'skipped' }])
  })

  it('is a problem where a server on this machine would be asked for through the proxy', async () => {
    const findings = await found({ HTTP_PROXY: PROXY, NO_PROXY: 'intranet.example' })
    expect(findings).toMatchObject([{ verdict: 'problem', subject: 'local', explanation: expect.stringContaining('NO_PROXY does not leave it out'), next: 'export NO_PROXY=intranet.example,localhost,127.0.0.1,::1' }])
    expect(JSON.stringify(findings)).not.toContain('proxy-secret')
    expect(await found({ HTTP_PROXY: PROXY }, {})).toMatchObject([{ verdict: 'warning', explanation: expect.stringContaining('localhost') }])
  })

  it('says who is reached directly', async () => {
    expect(await found({ HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY, NO_PROXY: 'localhost,127.0.0.1' })).toMatchObject([{ verdict: 'ok', explanation: 'Reached directly: local; all others through the proxy.' }])
  })

  it('tells variables that differ, that are no URL, that are of a kind nobody knows, and one that is not read', async () => {
    const skip = { NO_PROXY: 'localhost,127.0.0.1' }
    expect(await found({ https_proxy: '', HTTPS_PROXY: PROXY, ...skip })).toMatchObject([{ verdict: 'warning', explanation: expect.stringContaining('https_proxy, which is empty') }])
    expect(await found({ HTTP_PROXY: 'proxy.example:3128', ...skip })).toMatchObject([{ verdict: 'problem', subject: 'HTTP_PROXY' }])
    expect(await found({ https_proxy: 'socks5://127.0.0.1:1080', ...skip })).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('no socks5 proxies') }])
    expect(await found({ ALL_PROXY: PROXY, ...skip })).toMatchObject([{ verdict: 'warning', subject: 'all_proxy' }])
  })
})
