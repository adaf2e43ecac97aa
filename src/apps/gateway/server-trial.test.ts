import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { ServerSnapshot, StdioServer } from '../../core/gateway/snapshot.ts'
import { tryServer } from './server-trial.ts'

const reference = fileURLToPath(new URL('../reference-server/main.ts', import.meta.url))
const env = { PATH: process.env['PATH'] ?? '' }
function server(target: Partial<StdioServer>): ServerSnapshot {
  return {
    id: 'a', name: 'a', enabled: true, era: 'auto', share: 'all', state: 'opaque', placement: 'replica', trustAnnotations: false,
    connectTimeoutMs: 20_000, requestIdleTimeoutMs: 20_000, requestTotalTimeoutMs: 20_000,
    target: { transport: 'stdio', command: process.execPath, args: [], env, cwd: undefined, ...target },
  }
}

describe('a server that is tried', () => {
  it('says what it is and how many tools it has', async () => {
    expect(await tryServer(server({ args: [reference] }), { env, timeoutMs: 20_000 })).toEqual({
      ok: true, serverName: expect.stringMatching(/\d/), eras: ['modern', 'legacy'], revisions: ['2026-07-28', '2025-11-25'], toolCount: expect.any(Number),
    })
  }, 30_000)

  it('is tried no longer once nobody wants to know, and leaves no process behind', async () => {
    const controller = new AbortController()
    const started = join(mkdtempSync(join(tmpdir(), 'portolan-trial-')), 'pid')
    const trial = tryServer(server({ args: ['-e', `require('node:fs').writeFileSync(${JSON.stringify(started)}, String(process.pid)); setInterval(() => 0, 1000)`] }), { env, timeoutMs: 60_000, signal: controller.signal })
    await expect.poll(() => existsSync(started) && readFileSync(started, 'utf8'), { timeout: 10_000 }).toMatch(/^\d+$/)
    const reason = new Error('Ctrl+C')
    controller.abort(reason)
    await expect(trial).rejects.toBe(reason)
    expect(() => process.kill(Number(readFileSync(started, 'utf8')), 0)).toThrow('ESRCH')
  }, 30_000)

  it('that is no command, or ends, or is silent is told with its reason', async () => {
    expect(await tryServer(server({ command: 'no-such-command-at-all' }), { env, timeoutMs: 5_000 })).toMatchObject({ ok: false, detail: expect.stringContaining('command not found') })
    expect(await tryServer(server({ args: ['-e', 'console.error("boom"); process.exit(3)'] }), { env, timeoutMs: 10_000 })).toMatchObject({ ok: false, detail: expect.stringMatching(/exited with code 3/) })
    expect(await tryServer(server({ args: ['-e', 'setInterval(() => 0, 1000)'] }), { env, timeoutMs: 700 })).toEqual({ ok: false, detail: 'no answer for 1 s' })
  }, 30_000)
})
