/** The official client of skills, at two servers of either era that are one: every file that it reads, it verifies. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { SkillsClient } from '@modelcontextprotocol/client/ext/skills'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bearer, startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'

let gateway: GatewayProcess
beforeAll(async () => {
  const servers = { old: { era: 'legacy' }, new: { era: 'modern' } }
  gateway = await startGateway({ config: { mcpServers: { old: REFERENCE_SERVER_COMMAND, new: REFERENCE_SERVER_COMMAND }, portolan: { version: 1, servers } } })
})
afterAll(() => gateway?.stop())

const MODES = [['2026-07-28', { pin: '2026-07-28' }], ['2025-11-25', 'legacy']] as const

describe.each(MODES)('the skills of two servers as one, to a client of %s', (_revision, mode) => {
  let client: Client
  let skills: SkillsClient
  beforeAll(async () => {
    client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
    await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit: { headers: bearer(gateway) } }))
    skills = new SkillsClient(client)
  })
  afterAll(() => client?.close())

  it('are advertised, and listed once for each server', async () => {
    expect([skills.supported, skills.directoryRead]).toEqual([true, true])
    expect((await skills.list()).skills.map(({ uri }) => uri)).toEqual(['skill://old/guides/try-portolan/SKILL.md', 'skill://new/guides/try-portolan/SKILL.md'])
  })

  it.each(['old', 'new'])('of the server %s are got, and each of their files is what its digest says', async (server) => {
    const { skill } = await skills.get(`skill://${server}/guides/try-portolan/SKILL.md`)
    const main = await skills.read(skill)
    expect([main.verified, main.frontmatter]).toEqual([true, skill.frontmatter])
    const answers = await skills.read(skill, 'references/answers.md')
    expect([answers.uri, answers.verified]).toEqual([`skill://${server}/guides/try-portolan/references/answers.md`, true])
  })

  it.each(['old', 'new'])('of the server %s have directories', async (server) => {
    const { resources } = await skills.readDirectory(`skill://${server}/guides/try-portolan`)
    expect(resources.map(({ uri }) => uri)).toEqual([`skill://${server}/guides/try-portolan/SKILL.md`, `skill://${server}/guides/try-portolan/references`])
  })
})
