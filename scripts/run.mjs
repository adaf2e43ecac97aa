// Runs a script of this project under the Node.js that the lock file pins, so that a fresh clone works under whatever
// Node (>= 20) happens to be there, and installs the locked dependencies first where they are missing; of several starts
// at once one installs and the others wait. Plain JavaScript on purpose: it must start on that older Node.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const pinned = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const recentEnough = major > 22 || (major === 22 && minor >= 19)
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Next to node_modules, which npm ci removes. Whoever holds it keeps it fresh: an old one belongs to nobody. */
const LOCK = join(root, '.installing')
const FRESH_MS = 2_000
const STALE_MS = 15_000
/** The last thing that npm writes: what it installed. */
const INSTALLED = join(root, 'node_modules', '.package-lock.json')
const packagesOf = (path) => JSON.parse(readFileSync(path, 'utf8')).packages

/** False also where the lock file has changed since, as after a pull. Takes 4 ms. */
function isInstalled() {
  if (!existsSync(INSTALLED)) return false
  try {
    const installed = packagesOf(INSTALLED)
    const isThere = ([path, locked]) => {
      const found = installed[path]
      return path === '' || locked.link || !path.startsWith('node_modules/') ? true : found === undefined ? locked.optional === true : found.version === locked.version
    }
    return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(isThere)
  } catch {
    return false
  }
}

/** True where it is this process that installs. */
function takeLock() {
  try {
    mkdirSync(LOCK)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  }
}

function isLocked() {
  const lock = statSync(LOCK, { throwIfNoEntry: false })
  return lock !== undefined && Date.now() - lock.mtimeMs < STALE_MS
}

/** Resolves with npm's exit code; 1 where it could not be started or a signal ended it. */
async function install() {
  const isWindows = process.platform === 'win32'
  // On the older Node that may run this, npm warns of every package that needs the newer one, which is about to be installed.
  const args = ['ci', '--ignore-scripts', '--loglevel=error', '--no-audit', '--no-fund']
  const npm = spawn(isWindows ? 'npm.cmd' : 'npm', args, { cwd: root, stdio: ['ignore', 2, 2], shell: isWindows })
  const beat = setInterval(() => utimesSync(LOCK, new Date(), new Date()), FRESH_MS)
  const stop = (signal) => npm.kill(signal)
  for (const signal of SIGNALS) process.on(signal, stop)
  const code = await new Promise((resolve) => {
    npm.on('error', (error) => {
      console.error(`Could not start npm: ${error.message}`)
      resolve(1)
    })
    npm.on('exit', (exitCode) => resolve(exitCode ?? 1))
  })
  clearInterval(beat)
  for (const signal of SIGNALS) process.off(signal, stop)
  return code
}

async function ensureInstalled() {
  let isWaiting = false
  while (!isInstalled() || isLocked()) {
    if (takeLock()) {
      const code = await installOnce()
      if (code === 0) continue
      console.error('npm ci failed. Mend what it says above, then try again.')
      process.exit(1)
    }
    if (isLocked()) {
      if (!isWaiting) console.error('Another start is installing the dependencies: waiting for it.')
      isWaiting = true
      await sleep(200)
    } else {
      // Left by one that was killed. Two that find it in the same instant may both install: accepted.
      rmSync(LOCK, { recursive: true, force: true })
    }
  }
}

async function installOnce() {
  try {
    if (isInstalled()) return 0
    console.error(`Installing dependencies (${existsSync(INSTALLED) ? 'the lock file has changed' : 'once'}): npm ci --ignore-scripts`)
    return await install()
  } finally {
    rmSync(LOCK, { recursive: true, force: true })
  }
}

if (!isInstalled() || isLocked()) await ensureInstalled()
if (!existsSync(pinned) && !recentEnough) {
  console.error(`No pinned Node.js exists for ${process.platform}-${process.arch}, and this one is ${process.version}. Install Node.js 22.19 or newer, then try again.`)
  process.exit(1)
}

const node = existsSync(pinned) ? pinned : process.execPath
const path = `${dirname(node)}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`
/**
 * A gateway's garbage dies young: twice 16 MiB for it are enough, and held 214 MB where Node's own choice held 285 MB, at
 * the peak of the benchmark's load. It can be set at the start of a process only, so not by the gateway itself.
 */
const isPortolan = /(^|[\\/])src[\\/]apps[\\/]cli[\\/]main\.ts$/.test(process.argv[2] ?? '')
const flags = isPortolan && !/max[-_]semi[-_]space[-_]size/.test(process.env.NODE_OPTIONS ?? '') ? ['--max-semi-space-size=16'] : []
const child = spawn(node, [...flags, ...process.argv.slice(2)], { stdio: 'inherit', env: { ...process.env, PATH: path } })
for (const signal of SIGNALS) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  console.error(`Could not start ${node}: ${error.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  for (const handled of SIGNALS) process.removeAllListeners(handled)
  process.kill(process.pid, signal)
})
