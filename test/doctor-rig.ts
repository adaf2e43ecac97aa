/** A configuration, a data folder and what else a check of `portolan doctor` looks at, made for one test and removed after it. */

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import type { Check, Finding } from '../src/apps/doctor/check.ts'
import { openContext } from '../src/apps/doctor/context.ts'
import type { DoctorContext, DoctorOptions } from '../src/apps/doctor/context.ts'

export interface DoctorRig {
  /** Of this test: `data` and the configuration are in it. */
  readonly folder: string
  readonly dataPath: string
  /** Writes a file, made with `mode`; its path. */
  file(name: string, text: string, mode?: number): string
  /** A Node.js script; the `command` and `args` that run it. */
  script(name: string, text: string): { readonly command: string; readonly args: readonly string[] }
  /** A configuration of these servers, and what doctor sees of it. */
  context(servers: Readonly<Record<string, object>>, options?: Partial<DoctorOptions> & { readonly portolan?: object }): DoctorContext
  run(check: Check, context: DoctorContext): Promise<readonly Finding[]>
  /** Called after the test, in reverse order. */
  onEnd(close: () => unknown): void
}

/** Registers hooks: call it once in a test file. */
export function doctorRig(): DoctorRig {
  let folder = ''
  const endings: (() => unknown)[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'portolan-doctor-'))
  })
  afterEach(async () => {
    for (const close of endings.splice(0).toReversed()) await close()
    rmSync(folder, { recursive: true, force: true })
  })
  const file = (name: string, text: string, mode = 0o600): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  }
  return {
    get folder() {
      return folder
    },
    get dataPath() {
      const path = join(folder, 'data')
      mkdirSync(path, { recursive: true, mode: 0o700 })
      return path
    },
    file,
    script: (name, text) => ({ command: process.execPath, args: [file(name, text)] }),
    context(servers, { portolan = {}, ...options } = {}) {
      const configPath = file('portolan.json', JSON.stringify({ mcpServers: servers, portolan: { version: 1, ...portolan } }))
      const context = openContext({ configPath, dataPath: join(folder, 'data'), env: { PATH: process.env['PATH'] }, trialMs: 9_000, ...options })
      endings.push(context.close)
      return context
    },
    run: async (check, context) => await check.run(context),
    onEnd: (close) => void endings.push(close),
  }
}

/** A stdio server of 2025-11-25 in one file, with these tools, printing `noise` first. */
export function stdioServerScript({ tools = [], noise = '' }: { readonly tools?: readonly string[]; readonly noise?: string } = {}): string {
  return `
    if (${JSON.stringify(noise)} !== '') console.log(${JSON.stringify(noise)})
    const tools = ${JSON.stringify(tools)}.map((name) => ({ name, inputSchema: { type: 'object' } }))
    const answers = {
      initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'small', version: '1' } },
      'tools/list': { tools },
    }
    let rest = ''
    process.stdin.on('data', (chunk) => {
      const lines = (rest + chunk).split('\\n')
      rest = lines.pop()
      for (const line of lines) {
        const { id, method } = JSON.parse(line)
        if (id === undefined) continue
        const result = answers[method]
        console.log(JSON.stringify({ jsonrpc: '2.0', id, ...(result === undefined ? { error: { code: -32601, message: 'no' } } : { result }) }))
      }
    })
    process.stdin.on('end', () => process.exit(0))
  `
}

/**
 * Key and certificate as files, made by openssl: self-signed, an authority of itself, for `name` (`IP:127.0.0.1`) and for the
 * days `from` and `to` counted from now.
 */
export function makeCertificate(
  folder: string,
  { name, from, to }: { readonly name: string; readonly from: number; readonly to: number },
): { readonly key: string; readonly cert: string } {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const day = (offset: number): string => `${new Date(Date.now() + offset * 86_400_000).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`
  const lines = [
    '[ca]', 'default_ca=d', '[d]', `new_certs_dir=${folder}`, 'database=index.txt', 'serial=serial', 'default_md=sha256', 'policy=p',
    '[p]', 'commonName=supplied', '[e]', `subjectAltName=${name}`, 'basicConstraints=CA:TRUE', '',
  ]
  writeFileSync(join(folder, 'ca.cnf'), lines.join('\n'))
  writeFileSync(join(folder, 'index.txt'), '')
  writeFileSync(join(folder, 'serial'), '01')
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', 'request.pem', '-subj', '/CN=Test Server')
  const days = ['-startdate', day(from), '-enddate', day(to)]
  openssl('ca', '-batch', '-selfsign', '-config', 'ca.cnf', '-extensions', 'e', '-keyfile', key, '-in', 'request.pem', '-out', cert, '-notext', ...days)
  return { key, cert }
}
