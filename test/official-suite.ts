// Runs the official conformance suite for servers, against any URL: the reference server itself, or a gateway before it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const SUITE = fileURLToPath(new URL('../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url))
const TOTAL = /^Total: (?<passed>\d+) passed, (?<failed>\d+) failed/m
const DEFAULT_TIMEOUT_MS = 180_000

/** What to run. The suite sends no header of the caller's choice, so `url` must be reachable without a token. */
export type OfficialSuiteOptions = {
  readonly url: string
  /** The selection, for example `['--requirements', '2025-11-25']`. */
  readonly args: readonly string[]
  /** A folder for one report for each scenario. */
  readonly outDir: string
  readonly timeoutMs?: number
}

/** The number of checks that passed and failed, and everything that the suite printed. */
export type OfficialSuiteResult = { readonly passed: number; readonly failed: number; readonly output: string }

/** The bars of the suite's pinned version: the checks that a complete server passes at each revision. */
export const OFFICIAL_SERVER_BARS = [
  { revision: '2025-11-25', args: ['--requirements', '2025-11-25'], passed: 84 },
  { revision: '2026-07-28', args: ['--spec-version', '2026-07-28', '--suite', 'all'], passed: 152 },
] as const

/** Runs the suite to its end. Rejects with its output when it ends without a total, or not in time (3 minutes by default). */
export async function runOfficialServerSuite(options: OfficialSuiteOptions): Promise<OfficialSuiteResult> {
  const args = [SUITE, 'server', '--url', options.url, ...options.args, '--output-dir', options.outDir]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  await once(child, 'close')
  const total = TOTAL.exec(output)?.groups
  if (total === undefined) throw new Error(`The official suite ended without a total:\n${output.slice(-4000)}`)
  return { passed: Number(total['passed']), failed: Number(total['failed']), output }
}
