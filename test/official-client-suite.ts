// Runs the official conformance suite for clients: every scenario outside authorization and extensions, at every revision it is for.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
const SUITE = path('../node_modules/@modelcontextprotocol/conformance/dist/index.js')
const DRIVER = path('conformance-client.ts')
const SCENARIO = /^ {2}- (?<name>[^\s/]+) \[(?<revisions>[\d,-]+)\]$/gm
const RESULT = /^Passed: (?<passed>\d+)\/(?<total>\d+), (?<failed>\d+) failed, (?<warnings>\d+) warnings$/m
const RUN_MS = 60_000

/** One scenario at one revision. */
export type ClientScenario = { readonly name: string; readonly revision: string }

export type ClientScenarioResult = ClientScenario & {
  readonly passed: number
  readonly failed: number
  readonly warnings: number
  /** Of the suite: not 0 also when the client failed or took too long. */
  readonly exitCode: number
  readonly output: string
}

/** What the suite has for clients; names with a slash are its authorization scenarios. */
export async function listClientScenarios(): Promise<ClientScenario[]> {
  const { output } = await runSuite(['list'])
  const clients = output.split(/^Client scenarios.*$/m)[1]?.split(/^Authorization server scenarios/m)[0] ?? ''
  return [...clients.matchAll(SCENARIO)].flatMap(({ groups }) => (
    (groups?.['revisions'] ?? '').split(',').map((revision) => ({ name: groups?.['name'] ?? '', revision }))
  ))
}

/** Runs one scenario against the reference client. Rejects with the output where it ends without a result. */
export async function runClientScenario({ name, revision }: ClientScenario): Promise<ClientScenarioResult> {
  // The suite splits the command at spaces and gives it to a shell.
  const command = `${process.execPath} ${DRIVER}`
  const { output, exitCode } = await runSuite(['client', '--command', command, '--scenario', name, '--spec-version', revision])
  const result = RESULT.exec(output)?.groups
  if (result === undefined) throw new Error(`Scenario ${name} ended without a result:\n${output.slice(-4000)}`)
  const count = (key: string): number => Number(result[key])
  return { name, revision, passed: count('passed'), failed: count('failed'), warnings: count('warnings'), exitCode, output }
}

function runSuite(args: readonly string[]): Promise<{ output: string; exitCode: number }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [SUITE, ...args], { timeout: RUN_MS, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      const output = `${stdout}\n${stderr}`
      if (error === null) resolve({ output, exitCode: 0 })
      else if (typeof error.code === 'number') resolve({ output, exitCode: error.code })
      else reject(error)
    })
  })
}
