// Runs the test tiers of `npm test`, one after the other, under the Node.js that runs this script, says what took long and once
// more what failed, and closes with one plain line for all: `N passed, M failed`. Fails where a test failed, where a tier broke,
// and where nothing ran.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tiers = process.argv.length > 2 ? process.argv.slice(2) : ['unit', 'e2e']
const SHOWN_COUNT = 10
const SHOWN_LINES = 12
const reports = mkdtempSync(join(tmpdir(), 'portolan-test-'))

/** Resolves with the exit code; 1 where a signal ended it. */
function run(tier, report) {
  const args = ['run', '--project', tier, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, '--passWithNoTests']
  const child = spawn(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), ...args], { cwd: root, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

/** What failed in a file, as `{ name, message }`. A file that could not be loaded has no tests that could fail: it counts as one. */
function failuresOf({ name, status, message, assertionResults }) {
  const path = relative(root, name)
  const failed = assertionResults.filter((test) => test.status === 'failed')
  if (status === 'failed' && failed.length === 0) return [{ name: path, message }]
  return failed.map((test) => ({ name: `${path} > ${test.fullName}`, message: test.failureMessages.join('\n') }))
}

function readReport(path) {
  const { numPassedTests, testResults } = JSON.parse(readFileSync(path, 'utf8'))
  const files = testResults.map(({ name, startTime, endTime }) => ({ path: relative(root, name), tookMs: endTime - startTime }))
  return { passed: numPassedTests, failures: testResults.flatMap(failuresOf), files }
}

/** Processor time of what this process started and what that started; NaN where the system does not tell. */
function processorMs() {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1')
    const [userTicks, systemTicks] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(13)
    return (Number(userTicks) + Number(systemTicks)) * 10
  } catch {
    return Number.NaN
  }
}

const secondsText = (ms) => `${(ms / 1000).toFixed(ms < 100_000 ? 1 : 0)} s`

/** A line for a tier: how long it took, and how much of that the processor had to do. */
function timeText(tier, tookMs, busyMs) {
  return `${tier}: ${secondsText(tookMs)}${Number.isNaN(busyMs) ? '' : `, ${secondsText(busyMs)} of processor time`}`
}

function slowestText(files) {
  const slowest = files.toSorted((left, right) => right.tookMs - left.tookMs).slice(0, SHOWN_COUNT)
  return slowest.map(({ path, tookMs }) => `${secondsText(tookMs).padStart(9)}  ${path}`).join('\n')
}

/** Each failure with the head of its message: the end of the output is what is left of a long log. */
function failuresText(failures) {
  const texts = failures.map(({ name, message }) => `  ${name}\n${message.split('\n').slice(0, SHOWN_LINES).map((line) => `      ${line}`).join('\n')}`)
  return `Failed:\n${texts.join('\n')}\n`
}

let passed = 0
const failures = []
const times = []
const files = []
try {
  for (const tier of tiers) {
    const report = join(reports, `${tier}.json`)
    const [startedMs, busyMs] = [performance.now(), processorMs()]
    const code = await run(tier, report)
    times.push(timeText(tier, performance.now() - startedMs, processorMs() - busyMs))
    const told = readReport(report)
    files.push(...told.files)
    passed += told.passed
    failures.push(...told.failures)
    if (code !== 0 && told.failures.length === 0) failures.push({ name: `${tier}, outside any test`, message: 'An error that no test caught, an unhandled rejection for one: vitest tells it above.' })
  }
} catch (error) {
  failures.push({ name: 'npm test', message: String(error?.stack ?? error) })
} finally {
  rmSync(reports, { recursive: true, force: true })
}
console.log(`${times.join('\n')}\nThe slowest files:\n${slowestText(files)}\n`)
if (failures.length > 0) console.log(failuresText(failures))
process.exitCode = failures.length > 0 || passed === 0 ? 1 : 0
console.log(`${passed} passed, ${failures.length} failed`)
