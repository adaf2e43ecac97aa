import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { DEFAULT_CAPS } from '../src/adapters/child-process/command.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import { BASE_PATH } from '../src/apps/admin/admin-app.ts'
import { PROBLEMS } from '../src/apps/admin/problem.ts'
import { ROUTES } from '../src/apps/admin/routes.ts'
import { RESERVED_NAMES } from '../src/apps/gateway/config-name.ts'
import { readDocument, rowsBelow } from './document.ts'

const source = fileURLToPath(new URL('../src', import.meta.url))
const sources = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/\.(test|contract)\.ts$/.test(path))
  .map((path) => ({ path: `src/${path}`, text: readFileSync(join(source, path), 'utf8') }))

const named = (cell: string): string => /^`([^`]+)`$/.exec(cell)?.[1] ?? ''
const tableOf = (page: string, heading: string): string[][] => rowsBelow(readDocument(page), heading).slice(1)

/** `16 KiB`, `10 s`, `1,000` as a number of bytes, milliseconds or things. */
function quantity(text: string): number {
  const [, digits = '', unit = ''] = /^([\d,.]+)(?: (KiB|MiB|s|min|h))?$/.exec(text) ?? []
  const factor = { KiB: 1024, MiB: 1024 ** 2, s: 1_000, min: 60_000, h: 3_600_000, '': 1 }[unit] ?? Number.NaN
  return Number(digits.replaceAll(',', '')) * factor
}

/** The value of a number written as a product: `16 * 1024`. */
function product(expression: string): number {
  return expression.split('*').reduce((sofar, factor) => sofar * Number(factor.trim().replaceAll('_', '')), 1)
}

describe('docs/reference/limits.md', () => {
  const page = 'docs/reference/limits.md'

  it('has each limit that can be set, with its default', () => {
    const rows = tableOf(page, 'What can be set').map(([name = '', value = '']) => [named(name), quantity(value)])
    expect(rows).toEqual(Object.entries(DEFAULT_LIMITS))
  })

  it('says of the fixed ones what the code says', () => {
    const rows = tableOf(page, 'What is fixed').filter(([, , , where = '']) => where !== '')
    const wrong = rows.filter(([, value = '', , where = '']) => {
      const [, name = '', path = ''] = /^`(\w+)` in `([^`]+)`$/.exec(where) ?? []
      const text = sources.find((one) => one.path === path)?.text ?? ''
      const [, expression = ''] = new RegExp(`^(?:export )?const ${name} = ([\\d_ *]+)$`, 'm').exec(text) ?? []
      return expression === '' || product(expression) !== quantity(value)
    })
    expect(rows.length).toBeGreaterThan(15)
    expect(wrong).toEqual([])
  })

  it('leaves none out that a client or server could meet', () => {
    // Bounds of caches, formats and retries, which nobody meets: beyond them something is looked up again.
    const inner = new Set([
      'MAX_CLASS_BYTES', 'MAX_CLASSES', 'MAX_READ', 'ENDED_LENGTH', 'MAX_RETRY_AFTER_MS', 'MAX_OWNERS', 'MAX_ATTEMPTS', 'MAX_BATCH', 'MAX_WRITES', 'MAX_TTL_MS', 'MAX_KNOWN',
      'MAX_VIEWS', 'MAX_ROUNDS', 'MAX_KEPT', 'MAX_TARGETS', 'MAX_RETRY_MS', 'MAX_RESUME_TRIES', 'MAX_DELAY_MS', 'MAX_AGE_SEC', 'BODY_BYTES', 'DRAIN_BYTES',
      'KEEP_ALIVE_REST_BYTES', 'LINGER_BYTES', 'OVERHEAD_BYTES', 'ID_BYTES', 'KEY_ID_BYTES', 'NONCE_BYTES', 'TAG_BYTES', 'HEAD_BYTES', 'MIN_SECRET_BYTES',
      'ANSWERED_LENGTH', 'ANSWERED_ID_LENGTH', 'DIGEST_LENGTH', 'MIN_LENGTH', 'ID_LENGTH', 'MAX_NOTICES', 'LONG_BYTES', 'MAX_SPACE_MS', 'MAX_TRIES', 'MAX_FAILURES', 'MAX_POLL_MS',
      'MAX_STATEMENTS', 'MAX_BATCHES', 'MAX_TEXT_BYTES', 'MAX_PINGS_OUT', 'MAX_HEADER_BYTES', 'MAX_CONNECTIONS_PER_CALL', 'MAX_PROOF_CHARS', 'MEMBER_BYTES', 'SECRET_BYTES', 'MAX_STREAM', 'MAX_AGE_BEATS', 'MAX_TOPIC_CHARS', 'BATCH_BYTES',
    ])
    const text = readDocument(page)
    const bounds = sources
      .filter(({ path }) => /^src\/(core|adapters)\//.test(path))
      .flatMap(({ path, text: code }) => [...code.matchAll(/^(?:export )?const (MAX_\w+|\w+_BYTES|\w+_LENGTH) =/gm)].map(([, name = '']) => ({ path, name })))
    expect(bounds.filter(({ path, name }) => !inner.has(name) && !text.includes(`\`${name}\` in \`${path}\``))).toEqual([])
  })

  it('says what the listener does where nothing else is asked for', () => {
    const listener = sources.find(({ path }) => path === 'src/adapters/http/listener.ts')?.text ?? ''
    const rows = rowsBelow(readDocument(page), 'What is fixed').filter(([name = '']) => /^`\w+`$/.test(name)).map(([name = '', value = '']) => [named(name), quantity(value)])
    const defaults = [...listener.matchAll(/options\.(\w+) \?\? ([\d_]+)/g)].map(([, name, value = '']) => [name, product(value)])
    expect(rows.sort()).toEqual(defaults.sort())
  })

  it('says what a child process may have', () => {
    const [, files = '', processes = ''] = /may have ([\d,]+) open files and ([\d,]+) processes/.exec(readDocument(page)) ?? []
    expect({ openFiles: quantity(files), processes: quantity(processes) }).toEqual(DEFAULT_CAPS)
  })
})

describe('docs/reference/environment.md', () => {
  const page = 'docs/reference/environment.md'
  const documented = tableOf(page, 'What Portolan reads').flatMap(([cell = '', what = '']) =>
    [...cell.matchAll(/`([A-Z_]+)(?:<ID>)?`/g)].map(([, name = '']) => ({ name, byNode: what.includes('of Node.js') })))

  it('has every variable that the code reads', () => {
    const read = sources.filter(({ path }) => !path.startsWith('src/apps/reference-server/')).flatMap(({ path, text }) =>
      [...text.matchAll(/\benv(?:\.([A-Z][A-Z_]+)\b|\[['"](\w+)['"]\])/g)].map(([, dotted, quoted = '']) => ({ path, name: (dotted ?? quoted).toUpperCase() })))
    const names = new Set(documented.map(({ name }) => name))
    expect(read.length).toBeGreaterThan(5)
    expect(read.filter(({ name }) => !names.has(name))).toEqual([])
  })

  it('has none that nothing reads', () => {
    const code = sources.map(({ text }) => text).join('\n')
    expect(documented.filter(({ name, byNode }) => !byNode && !code.includes(`'${name}'`) && !code.includes(`${name}$`) && !code.includes(`env.${name}`))).toEqual([])
  })

  it('names what a server\'s process gets of it', () => {
    const snapshot = sources.find(({ path }) => path === 'src/apps/gateway/config-snapshot.ts')?.text ?? ''
    const [, list = ''] = /const INHERITED[^=]*= \[([\s\S]*?)\n\]/.exec(snapshot) ?? []
    const inherited = [...list.matchAll(/'(\w+)'/g)].map(([, name = '']) => name)
    const section = readDocument(page).split('## What a server')[1] ?? ''
    const proxies = /proxy/i
    expect(inherited.length).toBeGreaterThan(15)
    expect(inherited.filter((name) => !section.includes(`\`${name}\``) && !name.startsWith('XDG_') && !proxies.test(name))).toEqual([])
  })
})

describe('docs/reference/endpoints.md', () => {
  it('has the reserved names, where a path of their own is served', () => {
    const first = [...readDocument('docs/configuration.md').matchAll(/`([\w.-]+)`/g)].map(([, name]) => name)
    expect(RESERVED_NAMES.filter((name) => !first.includes(name))).toEqual([])
  })

  it('has each path that the listeners answer, and no others', () => {
    const paths = [...rowsBelow(readDocument('docs/reference/endpoints.md'), 'For clients'), ...rowsBelow(readDocument('docs/reference/endpoints.md'), 'For operators')]
      .flatMap(([cell = '']) => [...cell.matchAll(/`(\/[^`]*)`/g)].map(([, path = '']) => path))
    const served = [BASE_PATH, '/mcp', '/<name>/mcp', '/sse', '/<name>/sse', ...sources.flatMap(({ path, text }) =>
      /^src\/(adapters\/http|apps\/gateway|core\/gateway)\//.test(path) ? [...text.matchAll(/(?:path: |pathname === |url === )'(\/[\w/.-]+)'/g)].map(([, found = '']) => found) : [])]
    expect(new Set(paths)).toEqual(new Set(served))
  })
})

describe('docs/reference/admin-api.md', () => {
  const page = 'docs/reference/admin-api.md'

  it('has each route with its query and sentence, in the order of the document', () => {
    const rows = ROUTES.map(({ verb, path, query, summary }) => [`\`${verb.toUpperCase()} ${path}\``, Object.keys(query).map((name) => `\`${name}\``).join(', '), summary])
    const [head, ...shown] = readDocument(page).split('## Routes')[1]?.split('\n\n| query')[0]?.match(/^\| .* \|$/gm)?.map((row) => row.slice(2, -2).split(' | ')) ?? []
    expect(head).toHaveLength(3)
    expect(shown.map((row) => row.map((cell) => cell.trim()))).toEqual(rows)
    const parameters = tableOf(page, 'Routes').map(([cell = '']) => named(cell))
    for (const name of new Set(ROUTES.flatMap(({ query }) => Object.keys(query)))) expect(parameters).toContain(name)
  })

  it('has each problem', () => {
    expect(tableOf(page, 'Problems')).toEqual(Object.entries(PROBLEMS).map(([code, { status, title }]) => [`\`${code}\``, String(status), title]))
  })
})

describe.each(['docs/explanation/guarantees.md', 'docs/reference/rulings.md'])('%s', (path) => {
  it('names only tests that are there', () => {
    const page = readDocument(path)
    const named = [...page.matchAll(/^ *- \[(\S+)\]\(\.\.\/\.\.\/(\S+)\): "(.+)"$/gm)].map(([, shown = '', file = '', title = '']) => ({ shown, file, title }))
    expect(named).toHaveLength(page.split('\n').filter((line) => line.trimStart().startsWith('- [')).length)
    expect(named.length).toBeGreaterThan(15)
    expect(named.filter(({ shown, file }) => shown !== file)).toEqual([])
    expect(named.filter(({ file, title }) => !readDocument(file).includes(`'${title.replaceAll("'", "\\'")}'`))).toEqual([])
  })
})

describe('docs/reference/metrics-and-ledger.md', () => {
  it('has each outcome that an exchange can have', () => {
    const outcome = sources.find(({ path }) => path === 'src/core/gateway/outcome.ts')?.text ?? ''
    // What was relayed is recorded by whoever served it.
    const kinds = [...outcome.matchAll(/^ {2}\| \{ readonly kind: '(\w+)'/gm)].map(([, kind]) => kind).filter((kind) => kind !== 'relayed')
    const [, what = ''] = tableOf('docs/reference/metrics-and-ledger.md', 'Ledger').find(([name = '']) => name === '`outcome`') ?? []
    expect(kinds.length).toBeGreaterThan(8)
    expect([...what.matchAll(/`(\w+)`/g)].map(([, kind]) => kind)).toEqual(kinds)
  })
})
