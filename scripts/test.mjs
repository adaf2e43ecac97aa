// Runs the test tiers of `npm test`, one after the other, under the Node.js that runs this script, says what took long, and
// closes with one plain line for all: `N passed, M failed`. Fails where a test failed, where a tier broke, and where nothing ran.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tiers = process.argv.length > 2 ? process.argv.slice(2) : ['unit', 'e2e']
const SHOWN_COUNT = 10
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

/** A file that could not be loaded has no tests of its own that could fail: it counts as one. */
function readReport(path) {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(path, 'utf8'))
  const broken = testResults.filter(({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'))
  const files = testResults.map(({ name, startTime, endTime }) => ({ path: relative(root, name), tookMs: endTime - startTime }))
  return { passed: numPassedTests, failed: numFailedTests + broken.length, files }
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

let passed = 0
let failed = 0
const times = []
const files = []
try {
  for (const tier of tiers) {
    const report = join(reports, `${tier}.json`)
    const [startedMs, busyMs] = [performance.now(), processorMs()]
    const code = await run(tier, report)
    times.push(timeText(tier, performance.now() - startedMs, processorMs() - busyMs))
    const counts = readReport(report)
    files.push(...counts.files)
    passed += counts.passed
    // vitest also fails for errors outside any test, an unhandled rejection for one.
    failed += code !== 0 && counts.failed === 0 ? 1 : counts.failed
  }
} catch (error) {
  console.error(error)
  failed += 1
} finally {
  rmSync(reports, { recursive: true, force: true })
}
console.log(`${times.join('\n')}\nThe slowest files:\n${slowestText(files)}\n`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
console.log(`${passed} passed, ${failed} failed`)
