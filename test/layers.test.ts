import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src', import.meta.url))

/** `protocol <- core <- adapters <- apps`: a layer imports itself and what stands left of it. */
const LAYERS = ['protocol', 'core', 'adapters', 'apps'] as const
/** What these layers may use besides relative imports: nothing. */
const PURE: readonly string[] = ['protocol', 'core']

interface Import {
  readonly file: string
  readonly specifier: string
}

const isSource = (path: string): boolean => path.endsWith('.ts') && !/\.(test|contract)\.ts$/.test(path)

/** Static, side-effect, re-exporting and dynamic imports with a literal specifier. */
function importsOf(path: string, text: string): Import[] {
  const file = relative(src, path)
  const patterns = [/^\s*(?:import|export)\s(?:[^'"]*?\sfrom\s)?\s*['"]([^'"]+)['"]/gm, /\bimport\(\s*['"]([^'"]+)['"]/g]
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, specifier]) => ({ file, specifier: specifier ?? '' })))
}

/** What is wrong with an import, or undefined. */
function violation({ file, specifier }: Import): string | undefined {
  const [layer = '', folder = ''] = file.split('/')
  if (!specifier.startsWith('.')) return PURE.includes(layer) ? `${layer} imports no package and no node: module` : undefined
  const [otherLayer = '', otherFolder = ''] = relative(src, resolve(src, file, '..', specifier)).split('/')
  const index = (name: string): number => LAYERS.findIndex((known) => known === name)
  if (index(otherLayer) === -1) return 'imports leave src'
  if (index(otherLayer) > index(layer)) return `${layer} must not import ${otherLayer}`
  if (layer === 'adapters' && otherLayer === 'adapters' && folder !== otherFolder) return 'adapters do not import each other'
  if (layer === 'apps' && otherLayer === 'apps' && folder === 'reference-server' && folder !== otherFolder) return 'the reference server stands alone'
  return undefined
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(isSource).map((path) => join(src, path))
const texts = files.map((path) => ({ path, text: readFileSync(path, 'utf8') }))

describe('the layers', () => {
  it('import only to the left, and adapters not each other', () => {
    const imports = texts.flatMap(({ path, text }) => importsOf(path, text))
    expect(imports.length).toBeGreaterThan(200)
    const violations = imports.flatMap((found) => {
      const why = violation(found)
      return why === undefined ? [] : [`${found.file}: '${found.specifier}': ${why}`]
    })
    expect(violations).toEqual([])
  })

  it.each([
    ['core/a/b.ts', "import { x } from 'node:fs'"],
    ['protocol/a.ts', "import 'zod'"],
    ['core/a.ts', "export { x } from '../adapters/http/listener.ts'"],
    ['protocol/a.ts', "const x = await import('../core/clock.ts')"],
    ['adapters/http/a.ts', "import {\n  x,\n  y,\n} from '../memory/b.ts'"],
    ['core/a.ts', "import type { X } from '../../test/x.ts'"],
    ['apps/reference-server/a.ts', "import { x } from '../gateway/b.ts'"],
  ])('are found out: %s with %j', (file, text) => {
    expect(importsOf(join(src, file), text).map(violation)).toEqual([expect.any(String)])
  })

  it('hold no clock, randomness or environment of their own in protocol and core', () => {
    const own = /\b(?:Date\.now|new Date\(\)|Math\.random|process\.|setTimeout|setInterval|setImmediate|performance\.now)\b/
    const pure = texts.filter(({ path }) => PURE.includes(relative(src, path).split('/')[0] ?? ''))
    const code = pure.map(({ path, text }) => ({ path, text: text.replace(/\/\*[^]*?\*\/|\/\/[^\n]*/g, '') }))
    expect(code.filter(({ text }) => own.test(text)).map(({ path }) => relative(src, path))).toEqual([])
  })

  it('have no default exports, no enums and no barrels', () => {
    expect(texts.filter(({ text }) => /^export default|^(?:export )?(?:const )?enum /m.test(text)).map(({ path }) => relative(src, path))).toEqual([])
    expect(texts.filter(({ text }) => /^export \* from/m.test(text)).map(({ path }) => relative(src, path))).toEqual([])
  })
})
