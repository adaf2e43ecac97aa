import { chmodSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { secretsCheck } from './check-secrets.ts'

const rig = doctorRig()
const SECRET = 'sk-very-secret-1234'
const keyed = {
  one: { command: 'cat', args: ['--api-key', SECRET], env: { API_KEY: SECRET, REGION: 'eu-central-1' } },
  two: { url: `http://u:${SECRET}@127.0.0.1:9/mcp`, headers: { Authorization: `Bearer ${SECRET}` } },
}

describe('the check of secrets in the configuration', () => {
  it('names where plain secrets stand that others can read, never what they are, and closes the file when asked to', async () => {
    const context = rig.context(keyed)
    chmodSync(context.source, 0o644)
    const [finding] = await rig.run(secretsCheck, context)
    expect(finding).toMatchObject({ verdict: 'problem', next: `chmod 600 ${context.source}` })
    expect(finding?.explanation).toContain('mcpServers.one.env.API_KEY, mcpServers.one.args[1], mcpServers.two.headers.Authorization and mcpServers.two.url')
    expect(JSON.stringify(finding)).not.toContain(SECRET)
    finding?.fix?.()
    expect((statSync(context.source).mode & 0o777).toString(8)).toBe('600')
    expect(await rig.run(secretsCheck, context)).toMatchObject([{ verdict: 'ok' }])
  })

  it('lets everybody read a file that only refers to secrets', async () => {
    const context = rig.context({ one: { command: 'cat', env: { API_KEY: '${HOME}', TOKEN: 'env:PATH' } } }, { env: { HOME: 'x', PATH: '/bin' } })
    chmodSync(context.source, 0o644)
    expect(await rig.run(secretsCheck, context)).toMatchObject([{ verdict: 'ok', explanation: 'It holds no plain secret.' }])
  })

  it('calls it a problem that others can change the file', async () => {
    const context = rig.context({ one: { command: 'cat' } })
    chmodSync(context.source, 0o666)
    const [finding] = await rig.run(secretsCheck, context)
    expect(finding).toMatchObject({ verdict: 'problem', explanation: expect.stringContaining('Others can change it (mode 666)') })
    finding?.fix?.()
    expect((statSync(context.source).mode & 0o777).toString(8)).toBe('644')
  })
})
