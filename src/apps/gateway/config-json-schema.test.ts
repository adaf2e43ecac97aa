import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { configJsonSchema } from './config-json-schema.ts'
import { parseJsonc } from './config-jsonc.ts'
import { readConfig } from './config.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true, formats: { uri: (text: string) => URL.canParse(text) } })
ajv.addVocabulary(['allowComments', 'allowTrailingCommas'])
const validate = ajv.compile(configJsonSchema())

/** Whole configurations in the documents, as people copy them. */
function examples(): (readonly [where: string, text: string])[] {
  const documents = ['README.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md')).map((path) => `docs/${path}`)]
  return documents.flatMap((path) => {
    const blocks = [...read(path).matchAll(/^```jsonc?\b[^\n]*\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text)
    return blocks.filter((text) => /"(?:mcpServers|servers|context_servers|mcp|portolan)"/.test(text)).map((text, index) => [`${path} (${index + 1})`, text] as const)
  })
}

describe('docs/portolan.schema.json', () => {
  it('is what the command prints', () => {
    expect(JSON.parse(read('docs/portolan.schema.json')), 'portolan config schema > docs/portolan.schema.json writes it').toEqual(configJsonSchema())
  })
})

describe('the schema of the configuration file', () => {
  it('has the examples of the documents to look at', () => {
    expect(examples().length).toBeGreaterThan(4)
  })

  it.each(examples())('accepts %s', (_where, text) => {
    validate(parseJsonc(text).value)
    expect(validate.errors ?? []).toEqual([])
  })

  const a = { command: 'x' }
  it.each([
    ['$schema', { $schema: './portolan.schema.json', mcpServers: { a } }],
    ['VS Code', { servers: { a: { type: 'stdio', ...a, env: { A: 1 } } }, inputs: [{ id: 'x' }] }],
    ['OpenCode', { mcp: { a: { type: 'local', command: ['x', 'y'], environment: {}, enabled: true } } }],
    ['Continue', { mcpServers: [{ name: 'a', ...a }] }],
    ['what only clients understand', { mcpServers: { a: { ...a, autoApprove: ['x'], timeout: 5 } }, theme: 'dark' }],
    ['every kind of setting', { mcpServers: { a }, portolan: { version: 1, listen: { port: 0, publicUrl: 'https://a.example' }, limits: { bodyBytes: 1 }, servers: { a: { era: 'legacy', timeouts: { connectMs: 1 } } } } }],
  ])('accepts %s, as config check does', (_what, file) => {
    expect(readConfig(JSON.stringify(file))).toMatchObject({ ok: true })
    validate(file)
    expect(validate.errors ?? []).toEqual([])
  })

  it.each([
    ['an unknown setting', { mcpServers: { a }, portolan: { version: 1, listne: {} } }],
    ['no version', { mcpServers: { a }, portolan: {} }],
    ['another version', { mcpServers: { a }, portolan: { version: 2 } }],
    ['a port that is none', { mcpServers: { a }, portolan: { version: 1, listen: { port: 70_000 } } }],
    ['an era that is none', { mcpServers: { a }, portolan: { version: 1, servers: { a: { era: 'old' } } } }],
    ['a limit that is too small', { mcpServers: { a }, portolan: { version: 1, limits: { bodyBytes: 0 } } }],
    ['a separator that does not fit', { mcpServers: { a }, portolan: { version: 1, separator: '::' } }],
    ['a virtual server over nothing', { mcpServers: { a }, portolan: { version: 1, virtualServers: { v: { use: [] } } } }],
    ['a server that is no object', { mcpServers: { a: 'x' } }],
    ['a server without command and URL', { mcpServers: { a: { args: [] } } }],
    ['arguments that are no list', { mcpServers: { a: { ...a, args: '-y' } } }],
    ['a variable that is an object', { mcpServers: { a: { ...a, env: { A: {} } } } }],
    ['a command that is a number', { mcpServers: { a: { command: 1 } } }],
    ['an empty URL', { mcpServers: { a: { url: '' } } }],
    ['an unknown kind of server', { mcpServers: { a: { ...a, type: 'pipe' } } }],
    ['a flag that is a text', { mcpServers: { a: { ...a, disabled: 'yes' } } }],
    ['a list of servers without names', { mcpServers: [a] }],
    ['servers that are a number', { mcpServers: 1 }],
    ['no object at all', []],
  ])('refuses %s, as config check does', (_what, file) => {
    expect(readConfig(JSON.stringify(file))).toMatchObject({ ok: false })
    expect(validate(file)).toBe(false)
  })

  it('says of every setting what the reference says', () => {
    const bare: string[] = []
    const walk = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return
      const { properties, additionalProperties } = value as { properties?: Record<string, { type?: unknown; description?: string }>; additionalProperties?: unknown }
      for (const [key, member] of Object.entries(properties ?? {})) {
        if (member.type !== 'object' && member.type !== 'array' && (member.description ?? '') === '') bare.push(`${path}.${key}`)
        walk(member, `${path}.${key}`)
      }
      walk(additionalProperties, `${path}.*`)
    }
    const { properties } = configJsonSchema() as { properties: { portolan: unknown } }
    walk(properties.portolan, 'portolan')
    expect(bare).toEqual([])
  })

  it('has the defaults', () => {
    expect(configJsonSchema()).toMatchObject({
      properties: { portolan: { properties: { listen: { properties: { port: { default: 7400 } } }, limits: { properties: { jsonDepth: { default: 128 } } }, servers: { additionalProperties: { properties: { share: { default: 'all' } } } } } } },
    })
  })
})
