// Runs a script of this project under the Node.js that the lock file pins, so that a fresh clone works under whatever
// Node (>= 20) happens to be there. Plain JavaScript on purpose: it must start on that older Node.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const pinned = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const recentEnough = major > 22 || (major === 22 && minor >= 19)

if (!existsSync(pinned) && !recentEnough) {
  const why = existsSync(join(root, 'node_modules'))
    ? `No pinned Node.js exists for ${process.platform}-${process.arch}, and this one is ${process.version}. Install Node.js 22.19 or newer and try again.`
    : 'Dependencies are not installed yet. Run `npm ci`, then try again.'
  console.error(why)
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
