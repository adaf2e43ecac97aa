import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, posix, sep } from 'node:path'
import { describe, expect, it } from 'vitest'

/** Path below src, with slashes -> text. */
type Sources = ReadonlyMap<string, string>

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: ['protocol'],
  core: ['protocol', 'core'],
  adapters: ['protocol', 'core', 'adapters'],
  apps: ['protocol', 'core', 'adapters', 'apps'],
}

/** Layers that may use neither `node:` nor a package, nor reach for time, randomness or the process by themselves. */
const PURE = new Set(['protocol', 'core'])

/** `adapters/<from> adapters/<to>` -> why. */
const ADAPTER_EXCEPTIONS: Readonly<Record<string, string>> = {
  'adapters/sqlite adapters/sql': 'SQL is one text for both databases, so that neither can drift',
  'adapters/postgres adapters/sql': 'SQL is one text for both databases, so that neither can drift',
}

const AMBIENT = /(?<![\w.'"`-])(?:Date\.now\(|new Date\(\)|Math\.random\(|setTimeout\(|setInterval\(|setImmediate\(|process\.|performance\.|crypto\.)/
const STATIC = /^[ \t]*(import|export)\s+(type\s+)?(?:[\w*{}\s,$]*?\bfrom\s*)?['"]([^'"]+)['"]/gm
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]/g
const VAGUE_NAME = /^(?:utils?|helpers?|common|shared|misc|lib)$/

const isTest = (path: string): boolean => path.endsWith('.test.ts')

function readSources(): Sources {
  const src = join(import.meta.dirname, '..', 'src')
  const paths = globSync('**/*.ts', { cwd: src }).map((path) => path.split(sep).join('/'))
  return new Map(paths.map((path) => [path, readFileSync(join(src, path), 'utf8')]))
}

/** What else may use what `src` exports: tests, benchmarks, examples, scripts. */
function readUsers(): readonly string[] {
  const root = join(import.meta.dirname, '..')
  return globSync('{test,bench,examples,scripts}/**/*.{ts,mjs}', { cwd: root, exclude: ['**/node_modules/**'] }).map((path) => readFileSync(join(root, path), 'utf8'))
}

function importsOf(path: string, text: string): Import[] {
  const found: Import[] = []
  for (const [, , type, to = ''] of text.matchAll(STATIC)) found.push({ from: path, to: resolve(path, to), typeOnly: type !== undefined })
  for (const [, to = ''] of text.matchAll(DYNAMIC)) found.push({ from: path, to: resolve(path, to), typeOnly: true })
  return found
}

/** A path below src, or the specifier of something outside. */
function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(from), specifier)) : specifier
}

function layerViolations(sources: Sources): string[] {
  const violations: string[] = []
  for (const [path, text] of sources) {
    if (isTest(path)) continue
    for (const { to } of importsOf(path, text)) {
      const fault = faultOf(path, to)
      if (fault !== undefined) violations.push(`${path}: ${fault} (${to})`)
    }
  }
  return violations
}

function faultOf(path: string, to: string): string | undefined {
  const [layer = '', folder = ''] = path.split('/')
  const [toLayer = '', toFolder = ''] = to.split('/')
  const inside = Object.hasOwn(MAY_IMPORT, toLayer) && to.endsWith('.ts')
  if (!inside) {
    if (to.startsWith('..')) return 'imports from outside src'
    return PURE.has(layer) ? 'imports what is no part of protocol or core' : undefined
  }
  if (isTest(to)) return 'imports a test'
  if (MAY_IMPORT[layer]?.includes(toLayer) !== true) return `imports upwards, from ${toLayer}`
  const between = layer === 'adapters' && toLayer === 'adapters' && folder !== toFolder
  if (between && !Object.hasOwn(ADAPTER_EXCEPTIONS, `adapters/${folder} adapters/${toFolder}`)) return 'imports another adapter'
  return undefined
}

function ambientViolations(sources: Sources): string[] {
  const violations: string[] = []
  for (const [path, text] of sources) {
    if (isTest(path) || !PURE.has(path.split('/')[0] ?? '')) continue
    const code = text.replaceAll(/\/\*[^]*?\*\/|(?<![:'"`])\/\/.*$/gm, '')
    const found = AMBIENT.exec(code)
    if (found !== null) violations.push(`${path}: ${found[0]}`)
  }
  return violations
}

/** Each cycle of value imports once, as the files on it. */
function importCycles(sources: Sources): string[] {
  const next = new Map<string, string[]>()
  for (const [path, text] of sources) {
    next.set(path, importsOf(path, text).filter((one) => !one.typeOnly).map((one) => one.to))
  }
  const cycles = new Set<string>()
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at !== -1) cycles.add(trail.slice(at).toSorted().join(' '))
    if (at !== -1 || done.has(path)) return
    for (const to of next.get(path) ?? []) visit(to, [...trail, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  return [...cycles]
}

/** What `exports` of the package names: the only files that may pass on what others export. */
const isEntry = (path: string): boolean => path.startsWith('apps/library/')

function barrels(sources: Sources): string[] {
  const isBarrel = (text: string): boolean => {
    const code = text.replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gm, '').trim()
    const rest = code.replaceAll(/^export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s*from\s*['"][^'"]+['"];?/gm, '').trim()
    return code !== '' && rest === ''
  }
  return [...sources].filter(([path, text]) => !isTest(path) && !isEntry(path) && isBarrel(text)).map(([path]) => path)
}

function vagueNames(sources: Sources): string[] {
  const parts = (path: string): string[] => [...dirname(path).split('/'), basename(path).replace(/(?:\.test)?\.ts$/, '')]
  return [...sources.keys()].filter((path) => parts(path).some((part) => VAGUE_NAME.test(part)))
}

function withoutHeader(sources: Sources): string[] {
  return [...sources].filter(([path, text]) => !isTest(path) && !/^(?:#!.*\n)?(?:\/\*\*|\/\/)/.test(text)).map(([path]) => path)
}

function defaultExports(sources: Sources): string[] {
  return [...sources].filter(([, text]) => /^export default\b/m.test(text)).map(([path]) => path)
}

/** Functions, constants and classes. A type may be exported for whoever has to name what a function takes or gives. */
const VALUE_EXPORT = /^export (?:async )?(?:function\*? |const |class )(\w+)/gm

function unusedExports(sources: Sources, users: readonly string[]): string[] {
  const fileCount = new Map<string, number>()
  for (const text of [...sources.values(), ...users]) for (const word of new Set(text.match(/\w+/g))) fileCount.set(word, (fileCount.get(word) ?? 0) + 1)
  const unused = ([path, text]: readonly [string, string]): string[] =>
    Array.from(text.matchAll(VALUE_EXPORT), ([, name = '']) => name).filter((name) => fileCount.get(name) === 1).map((name) => `${path}: ${name}`)
  return [...sources].filter(([path]) => !isTest(path)).flatMap(unused)
}

function misspelledNames(sources: Sources): string[] {
  return [...sources.keys()].filter((path) => !/^(?:[a-z0-9.]+(?:-[a-z0-9.]+)*\/)*[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.ts$/.test(path))
}

describe('the layers', () => {
  const sources = readSources()

  it('import only leftwards: protocol <- core <- adapters <- apps, and no adapter imports another', () => {
    expect(sources.size).toBeGreaterThan(20)
    expect(layerViolations(sources)).toEqual([])
  })

  it('take time, randomness, timers and the process as arguments in protocol and core', () => {
    expect(ambientViolations(sources)).toEqual([])
  })

  it('have no cycle of value imports', () => {
    expect(importCycles(sources)).toEqual([])
  })

  it('have no file that only passes on what others export', () => {
    expect(barrels(sources)).toEqual([])
  })

  it('name files and folders after what they hold, in kebab-case', () => {
    expect(vagueNames(sources)).toEqual([])
    expect(misspelledNames(sources)).toEqual([])
  })

  it('say at the top of each file what it promises, and export by name only', () => {
    expect(withoutHeader(sources)).toEqual([])
    expect(defaultExports(sources)).toEqual([])
  })

  it('export nothing that no other file uses', () => {
    expect(unusedExports(sources, readUsers())).toEqual([])
  })
})

describe('these rules', () => {
  const plant = (path: string, text: string, more: readonly (readonly [string, string])[] = []): Sources => new Map([[path, text], ...more])

  it.each([
    ['core/a/x.ts', "import { y } from '../../adapters/http/y.ts'"],
    ['core/a/x.ts', "import '../../apps/cli/y.ts'"],
    ['protocol/x.ts', "export type { Y } from '../core/y.ts'"],
    ['protocol/x.ts', "import type {\n  Y,\n} from '../core/y.ts'"],
    ['core/x.ts', "const y = await import('../adapters/http/y.ts')"],
    ['core/x.ts', "import { readFileSync } from 'node:fs'"],
    ['core/x.ts', "import * as zod from 'zod'"],
    ['protocol/x.ts', "import type { Buffer } from 'node:buffer'"],
    ['adapters/http/x.ts', "import { y } from '../stdio/y.ts'"],
    ['adapters/http/x.ts', "import { y } from '../../apps/gateway/y.ts'"],
    ['apps/cli/x.ts', "import { y } from '../../../test/y.ts'"],
    ['core/x.ts', "import { y } from './y.test.ts'"],
  ])('see a wrong import in %s: %s', (path, text) => {
    expect(layerViolations(plant(path, text))).toHaveLength(1)
  })

  it.each([
    ['core/a/x.ts', "import { y } from '../b/y.ts'\nimport { z } from '../../protocol/z.ts'"],
    ['adapters/http/x.ts', "import { createServer } from 'node:http'\nimport { y } from './y.ts'"],
    ['apps/cli/x.ts', "import { y } from '../gateway/y.ts'\nimport { Command } from 'commander'"],
    ['core/a/x.test.ts', "import { y } from '../../adapters/memory/y.ts'"],
    ['core/x.ts', "/** Take it from 'node:fs'. */\nexport const from = 'node:fs'"],
  ])('see nothing wrong in %s: %s', (path, text) => {
    expect(layerViolations(plant(path, text))).toEqual([])
  })

  it('see ambient time and randomness, but not in comments', () => {
    for (const text of ['const now = Date.now()', 'return Math.random()', 'setTimeout(run, 1)', 'process.env.X', 'const at = new Date()']) {
      expect(ambientViolations(plant('core/x.ts', text)), text).toHaveLength(1)
      expect(ambientViolations(plant('adapters/x.ts', text)), text).toEqual([])
    }
    expect(ambientViolations(plant('core/x.ts', '/** Not Date.now(). */\nclock.setTimeout(1) // process.env'))).toEqual([])
  })

  it('see cycles of value imports only', () => {
    const cycle = (kind: string): Sources => plant('core/a.ts', "import { b } from './b.ts'", [['core/b.ts', `${kind} { a } from './a.ts'`]])
    expect(importCycles(cycle('import'))).toEqual(['core/a.ts core/b.ts'])
    expect(importCycles(cycle('export'))).toHaveLength(1)
    expect(importCycles(cycle('import type'))).toEqual([])
  })

  it('see what is exported for nobody', () => {
    const text = 'export const a = 1\nexport function b() {}\nexport async function c() {}\nexport interface D {}'
    expect(unusedExports(plant('core/x.ts', text, [['core/y.ts', "import { a } from './x.ts'"]]), ['b()'])).toEqual(['core/x.ts: c'])
  })

  it('see barrels, vague names, missing headers and default exports', () => {
    expect(barrels(plant('core/index.ts', "/** All. */\nexport * from './a.ts'\nexport { b } from './b.ts'"))).toHaveLength(1)
    expect(barrels(plant('core/a.ts', "export * from './a.ts'\nexport const b = 1"))).toEqual([])
    for (const path of ['core/utils/x.ts', 'core/helper.ts', 'adapters/common.ts']) expect(vagueNames(plant(path, '')), path).toHaveLength(1)
    expect(misspelledNames(plant('core/someFile.ts', ''))).toHaveLength(1)
    expect(withoutHeader(plant('core/x.ts', 'export const a = 1'))).toHaveLength(1)
    expect(withoutHeader(plant('core/x.ts', '#!/usr/bin/env node\n/** Starts. */'))).toEqual([])
    expect(defaultExports(plant('core/x.ts', 'export default 1'))).toHaveLength(1)
  })
})
