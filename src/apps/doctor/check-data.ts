/** The data folder: whether it can be used, and whether only its owner can read token, keys and records. */

import { chmodSync, constants } from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { userInfo } from 'node:os'
import { ok, problem, shellText, shellWord, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import { may, nearestExisting, statOf } from './file-stat.ts'

const PRIVATE_FILES = ['token', 'operators', 'key-ring.json', 'state.db', 'cache.db', 'ledger.jsonl', 'operations.sock']

export const dataCheck: Check = {
  id: 'data',
  looksAt: 'whether the data folder can be used, and only by its owner',
  run({ dataPath, socketPath }) {
    const stat = statOf(dataPath)
    if (stat === undefined) return [missingFinding(dataPath)]
    if (!stat.isDirectory()) return [problem(dataPath, 'It is no folder.', `portolan up --data ${shellWord(`${dataPath}-folder`)}`)]
    const findings = [...ownerFindings(dataPath, stat), ...modeFindings(dataPath, stat, 0o700)]
    if (!may(dataPath, constants.W_OK | constants.X_OK)) findings.push(problem(dataPath, 'This user cannot write to it.', `ls -ld ${shellWord(dataPath)} && id`))
    for (const path of new Set([...PRIVATE_FILES.map((name) => join(dataPath, name)), socketPath])) findings.push(...fileFindings(path))
    return findings.length > 0 ? findings : [ok(dataPath, 'It can be written to, and only its owner can read it.')]
  },
}

function missingFinding(dataPath: string): Finding {
  const above = nearestExisting(dirname(dataPath))
  const isUsable = statOf(above)?.isDirectory() === true && may(above, constants.W_OK | constants.X_OK)
  if (isUsable) return ok(dataPath, 'It is made at the first start.')
  return problem(dataPath, `It is not there and cannot be made in ${above}.`, 'portolan up --data ~/portolan-data')
}

function fileFindings(path: string): readonly Finding[] {
  const stat = statOf(path)
  if (stat === undefined) return []
  const findings = [...ownerFindings(path, stat), ...modeFindings(path, stat, 0o600)]
  if (path.endsWith('ledger.jsonl') && (!stat.isFile() || !may(path, constants.W_OK))) {
    findings.push(problem(path, stat.isFile() ? 'The ledger cannot be written to: calls would leave no record.' : 'The ledger is no file.', `ls -ld ${shellWord(path)}`))
  }
  if (path.endsWith('/token') && (!stat.isFile() || !may(path, constants.R_OK))) findings.push(problem(path, 'The token cannot be read.', `ls -l ${shellWord(path)}`))
  return findings
}

/** Portolan closes what it opens, but a file that others could read may have been read. */
function modeFindings(path: string, stat: Stats, mode: number): Finding[] {
  if (process.platform === 'win32' || (stat.mode & 0o077) === 0) return []
  const next = shellText(['chmod', mode.toString(8), path])
  const octal = (stat.mode & 0o777).toString(8)
  const isToken = path.endsWith('/token')
  const advice = isToken ? ' Whoever may have read the token keeps access: remove the file, and the next start makes a new one.' : ''
  return [{ ...problem(path, `Others on this machine can open it (mode ${octal}, should be ${mode.toString(8)}).${advice}`, next), fix: () => chmodSync(path, mode) }]
}

function ownerFindings(path: string, stat: Stats): Finding[] {
  const uid = process.getuid?.()
  if (uid === undefined || uid === 0 || stat.uid === uid) return []
  return [warning(path, `It belongs to another user (${stat.uid}), perhaps of a start with sudo.`, `sudo chown -R ${userInfo().username} ${shellWord(path)}`)]
}
