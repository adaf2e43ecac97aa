/** Watching files (inotify on Linux): reloading a changed configuration, and servers that watch folders, need it. */

import { existsSync, readFileSync, readdirSync, readlinkSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ok, problem, skipped, warning } from './check.ts'
import type { Check } from './check.ts'

export const watchesCheck: Check = {
  id: 'watches',
  looksAt: 'whether files can be watched for changes (inotify)',
  run({ procPath }) {
    const folder = join(procPath, 'sys/fs/inotify')
    if (!existsSync(folder)) return [skipped('This system has no inotify.')]
    const instances = readNumber(join(folder, 'max_user_instances'))
    const watches = readNumber(join(folder, 'max_user_watches'))
    const used = countInstances(procPath)
    const next = 'sudo sysctl fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288'
    if (instances <= used || !canWatch()) {
      return [problem('', `No further file can be watched: ${used} of ${instances} watchers are in use. Changes of the configuration would go unseen, and servers that watch folders fail.`, next)]
    }
    if (instances - used < 8 || watches < 8_192) return [warning('', `Few files can be watched: ${used} of ${instances} watchers are in use, with ${watches} files at most.`, next)]
    return [ok('', `${used} of ${instances} watchers are in use, with ${watches} files at most.`)]
  },
}

function readNumber(path: string): number {
  try {
    return Number(readFileSync(path, 'latin1'))
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** Of this user's processes, as far as they can be looked at. */
function countInstances(procPath: string): number {
  const pids = readdirSync(procPath).filter((name) => /^\d+$/.test(name))
  return pids.reduce((count, pid) => count + instancesOf(join(procPath, pid, 'fd')), 0)
}

function instancesOf(folder: string): number {
  try {
    return readdirSync(folder).filter((fd) => linkOf(join(folder, fd)) === 'anon_inode:inotify').length
  } catch {
    return 0
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function canWatch(): boolean {
  try {
    watch(tmpdir(), { persistent: false }).close()
    return true
  } catch {
    return false
  }
}
