// Runs the official conformance suite for servers, against any URL: the reference server itself, or a gateway before it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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

/**
 * The number of checks that passed and failed, and everything that the suite printed. `warned` are the ids of those that did neither, a
 * SHOULD each (`WARNING`), and `complaints` what the suite says of them and of those that failed.
 */
export type OfficialSuiteResult = {
  readonly passed: number
  readonly failed: number
  readonly warned: readonly string[]
  readonly complaints: readonly string[]
  readonly output: string
}

/** As in the `checks.json` of a scenario. */
type Check = { readonly id: string; readonly status: string; readonly errorMessage?: string }

/** The bars of the suite's pinned version: the checks that a complete server passes at each revision. */
export const OFFICIAL_SERVER_BARS = [
  { revision: '2025-11-25', args: ['--requirements', '2025-11-25'], passed: 84 },
  { revision: '2026-07-28', args: ['--spec-version', '2026-07-28', '--suite', 'all'], passed: 152 },
] as const

/** Runs the suite to its end. Rejects with its output when it ends without a total, or not in time (3 minutes by default). */
export async function runOfficialServerSuite(options: OfficialSuiteOptions): Promise<OfficialSuiteResult> {
  const outDir = mkdtempSync(join(options.outDir, 'run-'))
  const args = [SUITE, 'server', '--url', options.url, ...options.args, '--output-dir', outDir]
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
  return { passed: Number(total['passed']), failed: Number(total['failed']), ...complaintsIn(outDir), output }
}

function complaintsIn(outDir: string): Pick<OfficialSuiteResult, 'warned' | 'complaints'> {
  const checks = globSync('**/checks.json', { cwd: outDir }).flatMap((path) => JSON.parse(readFileSync(join(outDir, path), 'utf8')) as Check[])
  const warnings = checks.filter(({ status }) => status === 'WARNING')
  const failures = checks.filter(({ status }) => status === 'FAILURE')
  return {
    warned: warnings.map(({ id }) => id),
    complaints: [...failures, ...warnings].map(({ id, status, errorMessage }) => `${status} ${id}: ${errorMessage}`),
  }
}
