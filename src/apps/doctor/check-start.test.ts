import { describe, expect, it } from 'vitest'
import { REFERENCE_SERVER_COMMAND } from '../../../test/reference-server-process.ts'
import { doctorRig, stdioServerScript } from '../../../test/doctor-rig.ts'
import { eraCheck } from './check-era.ts'
import { namesCheck } from './check-names.ts'
import { outputCheck } from './check-output.ts'
import { startCheck } from './check-start.ts'
import { toolsCheck } from './check-tools.ts'

const rig = doctorRig()
const SECRET = 'sk-very-secret-1234'

describe('the check of what is started', { timeout: 30_000 }, () => {
  it('repeats the last words of a server that ends at once, without its secret, and says what they mean', async () => {
    const script = rig.script('ends.mjs', `console.error('starting'); console.error('Error: ' + process.env.API_KEY + ': the API key is not set right'); process.exit(3)`)
    const context = rig.context({ ends: { ...script, env: { API_KEY: SECRET } } })
    const [finding] = await rig.run(startCheck, context)
    expect(finding).toMatchObject({ verdict: 'problem', subject: 'ends' })
    expect(finding?.explanation).toMatch(/^It exited with code 3 after \d+\.\d s\. It asks for a setting: .*\nIts last words:\n {2}starting\n {2}Error: <hidden>: the API key/)
    expect(JSON.stringify(finding)).not.toContain(SECRET)
    expect(finding?.next).toContain('ends.mjs')
  })

  it('says of one that stays silent that it may serve something else', async () => {
    const context = rig.context({ silent: rig.script('silent.mjs', `setInterval(() => {}, 1000); console.error('listening on port 3000')`) }, { trialMs: 1_000 })
    expect(await rig.run(startCheck, context)).toMatchObject([{ verdict: 'warning', explanation: expect.stringMatching(/^It said nothing for 1 s\.[^]*listening on port 3000/) }])
  })

  it('leaves a program that is not there to the check of commands', async () => {
    expect(await rig.run(startCheck, rig.context({ none: { command: 'no-such-program-here' } }))).toMatchObject([{ verdict: 'skipped', explanation: expect.stringContaining('command not found: no-such-program-here') }])
  })
})

describe('the check of standard output', { timeout: 30_000 }, () => {
  it('shows what a server prints there besides messages: a warning where it answers all the same', async () => {
    const context = rig.context({
      chatty: { ...rig.script('chatty.mjs', stdioServerScript({ noise: `Server started with ${SECRET}` })), env: { TOKEN: SECRET } },
      clean: rig.script('clean.mjs', stdioServerScript()),
    })
    const findings = await rig.run(outputCheck, context)
    expect(findings).toMatchObject([
      { verdict: 'warning', subject: 'chatty', explanation: expect.stringContaining('a line that is no message') },
      { verdict: 'ok', subject: 'clean' },
    ])
    expect(findings[0]?.explanation).toContain('\n  Server started with <hidden>')
    expect(findings[0]?.next).toMatch(/chatty\.mjs <\/dev\/null 2>\/dev\/null \| head$/)
  })

  it('is a problem where that is all', async () => {
    const context = rig.context({ usage: rig.script('usage.mjs', `console.log('Usage: server [--stdio]'); console.log('Bye.')`) })
    expect(await rig.run(outputCheck, context)).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('2 lines that are no message') }])
  })
})

describe('the check of eras', { timeout: 30_000 }, () => {
  it('finds an era in the configuration that the server does not speak, and one that it is kept from', async () => {
    const legacy = rig.script('legacy.mjs', stdioServerScript())
    const options = { portolan: { servers: { wrong: { era: 'modern' }, narrow: { era: 'legacy' } } } }
    const context = rig.context({ wrong: legacy, narrow: REFERENCE_SERVER_COMMAND, free: legacy }, options)
    expect(await rig.run(eraCheck, context)).toMatchObject([
      { verdict: 'problem', subject: 'wrong', explanation: 'portolan.servers.wrong.era is "modern", but the server speaks only 2025-11-25: write "auto", or leave it out.' },
      { verdict: 'warning', subject: 'narrow', explanation: expect.stringContaining('speaks 2025-11-25 and 2026-07-28') },
      { verdict: 'ok', subject: 'free', explanation: 'It speaks 2025-11-25.' },
    ])
  })
})

describe('the checks of names and numbers of tools', { timeout: 30_000 }, () => {
  it('tell names that were shortened, rewritten or told apart', async () => {
    const tools = ['fine', 'spaced name', 'l'.repeat(70)]
    // a__b + c and a + b__c are the same name.
    const context = rig.context({ a: rig.script('a.mjs', stdioServerScript({ tools: [...tools, 'b__c'] })), a__b: rig.script('b.mjs', stdioServerScript({ tools: ['c'] })) })
    const findings = await rig.run(namesCheck, context)
    expect(findings.map(({ verdict, explanation }) => [verdict, explanation.split('\n')[0]?.slice(0, 40)])).toEqual([
      ['warning', expect.stringMatching(/^1 tools hold characters/)],
      ['warning', expect.stringMatching(/^1 tools are longer than the 64/)],
      ['warning', expect.stringMatching(/^2 tools would be the same/)],
    ])
    expect(findings[0]?.explanation).toMatch(/\n {2}a: spaced name is a__spaced_name_[0-9a-f]{8}$/)
  })

  it('name the clients that cannot take so many, and where most come from', async () => {
    const many = Array.from({ length: 90 }, (_, index) => `tool${index}`)
    const context = rig.context({ few: rig.script('few.mjs', stdioServerScript({ tools: ['one'] })), many: rig.script('many.mjs', stdioServerScript({ tools: many })) })
    const [finding] = await rig.run(toolsCheck, context)
    expect(finding).toMatchObject({ verdict: 'warning', explanation: expect.stringMatching(/^91 tools .*: Cursor \(80\)\. Most come from many 90, few 1\./) })
    expect(await rig.run(namesCheck, context)).toMatchObject([{ verdict: 'ok' }])
  })
})
