// Runs a script of this project under the Node.js that the lock file pins, so that a fresh clone works under whatever
// Node (>= 20) happens to be there, and installs the locked dependencies first where they are missing. Plain JavaScript
// on purpose: it must start on that older Node.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const pinned = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const recentEnough = major > 22 || (major === 22 && minor >= 19)

if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) {
  console.error('Installing dependencies (once): npm ci --ignore-scripts')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const installed = spawnSync(npm, ['ci', '--ignore-scripts'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (installed.status !== 0) {
    console.error('npm ci failed. Mend what it says above, then try again.')
    process.exit(1)
  }
}
if (!existsSync(pinned) && !recentEnough) {
  console.error(`No pinned Node.js exists for ${process.platform}-${process.arch}, and this one is ${process.version}. Install Node.js 22.19 or newer, then try again.`)
  process.exit(1)
}

const node = existsSync(pinned) ? pinned : process.execPath
const path = `${dirname(node)}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`
const child = spawn(node, process.argv.slice(2), { stdio: 'inherit', env: { ...process.env, PATH: path } })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  console.error(`Could not start ${node}: ${error.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  for (const handled of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(handled)
  process.kill(process.pid, signal)
})
