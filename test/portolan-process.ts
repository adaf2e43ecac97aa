/** A `portolan` process of a test: from source or installed, with a data folder of its own, ended when the test is. */

import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CLI_MAIN } from './compiled.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

export interface PortolanProcess {
  readonly child: ChildProcessWithoutNullStreams
  readonly stdout: () => string
  readonly stderr: () => string
  readonly exited: Promise<Exit>
  /** Resolves with the first match on standard output; rejects when the process ends before. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>
}

/** Runs `portolan` with these arguments; `command` is what starts it, the compiled source where not given. */
export function runPortolan(args: readonly string[], options: { readonly command?: readonly string[]; readonly cwd?: string } = {}): PortolanProcess {
  const [file = '', ...leading] = options.command ?? [process.execPath, CLI_MAIN]
  const child = spawn(file, [...leading, ...args], { cwd: options.cwd, stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exited = new Promise<Exit>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  return {
    child,
    exited,
    stdout: () => stdout,
    stderr: () => stderr,
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(stdout)
          if (found !== null) resolve(found)
        }
        child.stdout.on('data', look)
        exited.then(({ code }) => reject(new Error(`portolan ended with ${code}: ${stderr}`)), reject)
        look()
      }),
  }
}

/** `portolan up` on a free port, listening. */
export async function startPortolan(
  dataPath: string,
  args: readonly string[] = [],
  command?: readonly string[],
): Promise<PortolanProcess & { readonly baseUrl: string; readonly token: string }> {
  const portolan = runPortolan(['up', '--port', '0', '--data', dataPath, ...args], command === undefined ? {} : { command })
  const [, baseUrl = ''] = await portolan.waitFor(/all servers +(\S+)\/mcp/)
  const token = args.includes('none') ? '' : readFileSync(join(dataPath, 'token'), 'utf8').trim()
  return { ...portolan, baseUrl, token }
}

/** Ends it as a service manager does; resolves with how it ended. */
export function stopPortolan(portolan: PortolanProcess): Promise<Exit> {
  portolan.child.kill('SIGTERM')
  return portolan.exited
}

/** One request of 2026-07-28; the parsed response. */
export async function callModern(url: string, token: string, method: string, params: Record<string, unknown> = {}): Promise<{ status: number; body: unknown }> {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof params['name'] === 'string' ? { 'mcp-name': params['name'] } : {}),
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
  })
  const text = await response.text()
  const json = response.headers.get('content-type')?.startsWith('text/event-stream') === true ? (/^data: (.*)$/m.exec(text)?.[1] ?? 'null') : text
  return { status: response.status, body: JSON.parse(json) }
}
