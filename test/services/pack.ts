/** Packs the package as it would be published, once for a run: two at a time would build in one `dist/`. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { StartedService } from './global-setup.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PACK_MS = 180_000

/** npm of the machine, its scripts under the Node.js that runs the tests. */
export async function packPackage(): Promise<StartedService> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-pack-'))
  const stop = async (): Promise<void> => rmSync(folder, { recursive: true, force: true })
  try {
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` }
    const { stdout } = await promisify(execFile)('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT, env, maxBuffer: 16 * 1024 * 1024, timeout: PACK_MS })
    const [tarball]: { filename: string; files: { path: string }[] }[] = JSON.parse(stdout.slice(stdout.indexOf('[')))
    if (tarball === undefined) throw new Error(`npm pack said: ${stdout}`)
    return { facts: { tarball: join(folder, tarball.filename), paths: tarball.files.map(({ path }) => path).join('\n') }, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
