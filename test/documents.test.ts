import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { DEFAULTS, portolanSchema } from '../src/apps/gateway/config-schema.ts'
import { ERRORS } from '../src/protocol/error.ts'
import { anchorsOf, fencesOf, linksOf, readDocument, userDocuments } from './document.ts'
import { withMethodTable } from './method-table.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const headings = (text: string, level: number): string[] =>
  [...text.matchAll(new RegExp(`^#{${level}} (.+)$`, 'gm'))].map(([, heading]) => (heading ?? '').replaceAll('`', ''))

describe('docs/dependencies.md', () => {
  it('has one line with a reason for each dependency, and none for what is not there', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json'))
    const { optionalDependencies } = JSON.parse(read('tools/node/package.json'))
    const rows = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)]
    const names = [dependencies, devDependencies, optionalDependencies].flatMap((group) => Object.keys(group))
    expect(rows.map(([, name]) => name).sort()).toEqual(names.sort())
    expect(rows.filter(([, , reason]) => (reason ?? '').length < 20)).toEqual([])
  })
})

describe('docs/errors.md', () => {
  it('has one heading for each error code, in the order of the table', () => {
    expect(headings(read('docs/errors.md'), 2)).toEqual(Object.keys(ERRORS))
  })

  it('says the codes and statuses of both eras', () => {
    const text = read('docs/errors.md')
    for (const [code, { legacy, modern }] of Object.entries(ERRORS)) {
      const section = text.split(`## \`${code}\`\n`)[1]?.split('\n## ')[0] ?? ''
      const facts = `${legacy.code} (${legacy.status})`
      const expected = legacy.code === modern.code && legacy.status === modern.status ? facts : `${facts} · ${modern.code} (${modern.status})`
      expect(section.split('\n')[1]?.startsWith(`${expected}`), `${code}: ${expected}`).toBe(true)
    }
  })
})

describe('docs/configuration.md', () => {
  it('has one row for each setting, with the schema\'s own sentence and the default', () => {
    const rows = [...read('docs/configuration.md').matchAll(/^\| `portolan\.[^\n]*$/gm)].map(([row]) => row)
    expect(rows).toEqual(settingsOf(portolanSchema, 'portolan', defaultAt).map(({ row }) => row))
  })
})

/** Everything that can be set, as the rows of the reference. */
function settingsOf(schema: unknown, path: string, defaultOf: (path: string) => string): { row: string }[] {
  const opened = schema instanceof z.ZodOptional ? schema.unwrap() : schema
  if (opened instanceof z.ZodObject) {
    return Object.entries(opened.shape).flatMap(([key, value]) => settingsOf(value, `${path}.${key}`, defaultOf))
  }
  if (opened instanceof z.ZodRecord) return settingsOf(opened.valueType, `${path}.<name>`, defaultOf)
  const description = schema instanceof z.ZodType ? (schema.description ?? '') : ''
  return [{ row: `| \`${path}\` | ${defaultOf(path)} | ${description} |` }]
}

function defaultAt(path: string): string {
  const keys = path.replace('portolan.servers.<name>', 'portolan.server').split('.').slice(1)
  let value: unknown = DEFAULTS
  for (const key of keys) value = typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined
  return value === undefined ? '' : `\`${JSON.stringify(value).replaceAll('"', '')}\``
}

describe('what is committed', () => {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '' && !/\.(png|pem|tgz)$/.test(path) && !path.startsWith('src/protocol/fixtures/'))

  it('names no package registry\'s host and no path of somebody\'s machine', () => {
    // Written apart, so that this file does not name them either.
    const forbidden = [['registry', 'npmjs'], ['registry', 'yarnpkg'], ['npm', 'pkg', 'github']].map((parts) => parts.join('.'))
    const paths = /(?<![\w.])\/(?:root|home\/(?!me\b|portolan\b)\w+|Users\/(?!me\b)\w+)\/[\w.]/
    const found = files.filter((path) => {
      const text = read(path)
      return forbidden.some((host) => text.includes(host)) || paths.test(text)
    })
    expect(found).toEqual([])
  })

  it('keeps ARCHITECTURE.md within 150 lines', () => {
    expect(read('ARCHITECTURE.md').split('\n').length).toBeLessThanOrEqual(151)
  })

  it('names in ARCHITECTURE.md only paths that are there, and whole ones', () => {
    const spans = [...read('ARCHITECTURE.md').matchAll(/`([^`\n]+)`/g)].map(([, span]) => span ?? '')
    const paths = spans.filter((span) => /^[\w.-]+\/[\w./-]*$/.test(span) && (span.endsWith('/') || /\.\w+$/.test(span)))
    expect(paths.length).toBeGreaterThan(100)
    expect(paths.filter((path) => !exists(new URL(`../${path}`, import.meta.url)))).toEqual([])
    expect(spans.filter((span) => /^[\w-]+\.(ts|mjs)$/.test(span))).toEqual([])
  })

  it('says in docs/explanation/eras.md what the carrier table says', () => {
    const page = read('docs/explanation/eras.md')
    expect(page, 'node scripts/run.mjs test/method-table.ts writes it').toBe(withMethodTable(page))
  })

  it('links only to files that are there, and to headings that they have', () => {
    const documents = files.filter((path) => path.endsWith('.md') && !path.startsWith('test/'))
    const broken = documents.flatMap((path) => linksOf(read(path)).filter((link) => !/^[a-z]+:/.test(link)).flatMap((link) => {
      const [target = '', anchor] = link.split('#')
      const url = target === '' ? new URL(`../${path}`, import.meta.url) : new URL(target, new URL(`../${path}`, import.meta.url))
      const isThere = exists(url) && (anchor === undefined || anchorsOf(readFileSync(url, 'utf8')).has(anchor))
      return isThere ? [] : [`${path} -> ${link}`]
    }))
    expect(broken).toEqual([])
  })
})

describe('the documents', () => {
  const fences = userDocuments().flatMap((path) => fencesOf(readDocument(path)).map((fence) => ({ ...fence, at: `${path}:${fence.line}` })))

  it('are all reached from docs/README.md', () => {
    const linked = new Set(['docs/README.md'])
    for (const path of linked) {
      for (const link of linksOf(readDocument(path))) {
        const [target = ''] = link.split('#')
        const resolved = new URL(target, `file:///${path}`).pathname.slice(1)
        if (target !== '' && !/^[a-z]+:/.test(link) && resolved.endsWith('.md') && resolved.startsWith('docs/')) linked.add(resolved)
      }
    }
    expect(userDocuments().filter((path) => path.startsWith('docs/') && !linked.has(path))).toEqual([])
  })

  it('mark each command as run by a test, or say why none can', () => {
    const shells = new Set(['sh', 'bash', 'console', 'shell', 'zsh', 'powershell'])
    const commands = fences.filter(({ language }) => shells.has(language))
    expect(commands.length).toBeGreaterThan(5)
    expect(commands.filter(({ mark }) => !/^(run|background|terminal|not run: \S.{10,})$/.test(mark)).map(({ at, mark }) => `${at} ${mark}`)).toEqual([])
  })

  const spans = userDocuments().flatMap((path) => [...readDocument(path).replaceAll(/^( *)```[\s\S]*?^ *```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => ({ path, span })))

  it('name only settings that there are', () => {
    const paths = new Set(settingsOf(portolanSchema, 'portolan', () => '').map(({ row }) => /^\| `([^`]+)`/.exec(row)?.[1] ?? ''))
    const known = (span: string): boolean => [...paths].some((path) => path === span || path.startsWith(`${span}.`))
    const named = spans.flatMap(({ path, span }) => {
      const [setting] = /^(?:portolan\.(?!json|service|schema)|limits\.)[\w.<>]+/.exec(span) ?? []
      return setting === undefined ? [] : [{ path, setting: setting.startsWith('limits.') ? `portolan.${setting}` : setting }]
    })
    expect(named.length).toBeGreaterThan(60)
    expect(named.filter(({ setting }) => !known(setting))).toEqual([])
  })

  it('name only commands and flags that there are', () => {
    const sections = readDocument('docs/reference/command-line.md').split(/^## /m).filter((section) => section.startsWith('`portolan '))
    const flags = new Map(sections.map((section) => [/^`portolan ([^`]+)`/.exec(section)?.[1] ?? '', new Set([...section.matchAll(/(?<=`|, )(--?[\w-]+)/g)].map(([flag]) => flag))]))
    const inFences = fences.filter(({ mark, language }) => language === 'sh' && /^(run|background|terminal|not run)/.test(mark)).flatMap(({ at, text }) => text.replaceAll('\\\n', ' ').split('\n').map((line) => ({ path: at, span: line.trim() })))
    const wrong = [...spans, ...inFences].filter(({ span }) => {
      const [, command = '', rest = ''] = /^(?:\$ )?(?:portolan|npm run -s portolan --) ((?:(?:config|key|state|task|operator) )?[a-z]+)(?=\s|$)([^|;&]*)/.exec(span) ?? []
      if (['', 'config', 'key', 'state', 'task', 'operator'].includes(command)) return false
      const own = rest.split(' -- ')[0]?.replaceAll(/"[^"]*"|'[^']*'/g, '') ?? ''
      const used = [...own.matchAll(/(?<=\s)--?[a-z][\w-]*/g)].map(([flag]) => flag)
      const there = flags.get(command)
      return there === undefined || used.some((flag) => !there.has(flag) && flag !== '--help')
    })
    expect(flags.size).toBeGreaterThan(15)
    expect(wrong).toEqual([])
  })

  it('say of each block what language it is in, and use only marks that a test knows', () => {
    const known = /^$|^(run|background|terminal|shows(?: .+)?|not run: .*|file=\S+|runs|client=\S+ entry=\S+)$/
    expect(fences.filter(({ language, mark }) => language === '' || !known.test(mark)).map(({ at }) => at)).toEqual([])
  })
})

function exists(url: URL): boolean {
  try {
    readFileSync(url)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EISDIR'
  }
}
