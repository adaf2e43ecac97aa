// Runs the test tiers of `npm test`, one after the other, under the Node.js that runs this script, and closes with one
// plain line for both: `N passed, M failed`. Fails where a test failed, where a tier broke, and where nothing ran.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tiers = process.argv.length > 2 ? process.argv.slice(2) : ['unit', 'e2e']
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
function countsOf(report) {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'))
  const broken = testResults.filter(({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'))
  return { passed: numPassedTests, failed: numFailedTests + broken.length }
}

let passed = 0
let failed = 0
try {
  for (const tier of tiers) {
    const report = join(reports, `${tier}.json`)
    const code = await run(tier, report)
    const counts = countsOf(report)
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
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
console.log(`${passed} passed, ${failed} failed`)
