/** The Node.js that runs this. */

import { ok, problem } from './check.ts'
import type { Check, Finding } from './check.ts'

const LEAST = [22, 19] as const

export const nodeCheck: Check = {
  id: 'node',
  looksAt: 'whether this Node.js is recent enough',
  run: () => [nodeFinding(process.versions.node, process.execPath)],
}

export function nodeFinding(version: string, path: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isEnough = major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])
  if (isEnough) return ok('', `${version} (${path}).`)
  return problem('', `Node.js ${version} (${path}) is too old: Portolan needs ${LEAST.join('.')} or later. A service may find another one than your shell.`, 'node --version && command -v node')
}
