/**
 * Compiles Portolan into few files: most of a start is the loading of its 500 modules and those of its packages, and the tests
 * start it hundreds of times. Measured: 0.37 s of processor time for `portolan up` in place of 0.66 s from source, both of
 * them found in Node's compile cache.
 */
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import type { StartedService } from './global-setup.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CACHE = join(ROOT, 'node_modules/.cache/compiled')
/** The first is never there, the next two look for files beside their own, and of the last one a test sees when it is loaded. */
const NOT_COMPILED = ['pg-native', 'open', 'jsonc-parser', 'hono']
const KEPT_MS = 24 * 60 * 60 * 1000
/** Modules that find something by their own address are shared, and what is shared goes here: these entries lie as seen from it. */
const SHARED = 'apps/gateway'
const ENTRIES: Readonly<Record<string, string>> = {
  'apps/cli/main': 'src/apps/cli/main.ts',
  'apps/reference-server/main': 'src/apps/reference-server/main.ts',
  [`${SHARED}/write-thread`]: 'src/adapters/sqlite/write-thread.ts',
}

/** For the run: of the source as it is. */
export async function compileSource(): Promise<StartedService> {
  return { facts: { folder: await compile(ROOT) } }
}

/** What `dist/` would be of the source in this folder, in a folder named after its content: so the compile cache knows it the next time. */
export async function compile(root: string): Promise<string> {
  mkdirSync(CACHE, { recursive: true })
  removeOld()
  const making = mkdtempSync(join(CACHE, 'making-'))
  try {
    const input = Object.fromEntries(Object.entries(ENTRIES).map(([name, path]) => [name, join(root, path)]))
    const build = await rolldown({ input, platform: 'node', tsconfig: false, external: NOT_COMPILED, logLevel: 'warn' })
    const { output } = await build.write({ dir: join(making, 'dist'), entryFileNames: '[name].js', chunkFileNames: `${SHARED}/[name]-[hash].js` })
    await build.close()
    cpSync(join(root, 'package.json'), join(making, 'package.json'))
    // Tests start it as other users, too.
    chmodSync(making, 0o755)
    const hash = createHash('sha256').update(readFileSync(join(making, 'package.json')))
    for (const file of output) if (file.type === 'chunk') hash.update(file.fileName).update(file.code)
    return join(keep(making, join(CACHE, hash.digest('hex').slice(0, 16))), 'dist')
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

/** Of several runs that make the same, the first one's is kept: others may be running it. */
function keep(making: string, made: string): string {
  try {
    renameSync(making, made)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST'))) throw error
    utimesSync(made, new Date(), new Date())
  }
  return made
}

function removeOld(): void {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat !== undefined && Date.now() - stat.mtimeMs > KEPT_MS) rmSync(path, { recursive: true, force: true })
  }
}
