/**
 * Reads the configuration of a running process again, whoever asked: a changed file, SIGHUP, or the operations socket. A bad
 * one changes nothing; a good one is in force for the next request, and drops none.
 */

import { existsSync } from 'node:fs'
import { readStamp } from '../../adapters/node/file-watch.ts'
import { configChange, isEmptyChange } from './config-change.ts'
import type { ConfigChange, ReloadReport } from './config-change.ts'
import type { Condition, Opened } from './create-app.ts'
import type { Log } from './log.ts'
import { authenticatorOf, openToken } from './token.ts'

type Reloaded = Pick<Opened, 'config' | 'settingsOf' | 'data' | 'authenticator' | 'gateway' | 'listener' | 'log'>

/** Never throws. */
export function reload(opened: Reloaded, condition: Condition): ReloadReport {
  const { config, listener, log } = opened
  const { source } = config.loaded()
  const refused = (reason: string, problems: Extract<ReloadReport, { outcome: 'refused' }>['problems']): ReloadReport => {
    condition.refusal = reason
    log.error({ reason }, 'The configuration was not reloaded: the previous one stays in force')
    return { outcome: 'refused', source, problems }
  }
  try {
    const reloaded = config.reload()
    if (reloaded.kind === 'refused') return refused(reloaded.reason, reloaded.problems)
    listener.reloadTls()
    const hasNewToken = takeToken(opened, condition)
    condition.refusal = ''
    condition.loadedAtMs = Date.now()
    const change = configChange(reloaded.before, reloaded.loaded)
    const { digest } = reloaded.loaded.snapshot
    const isChanged = hasNewToken || reloaded.kind === 'changed' || !isEmptyChange(change)
    tell(log, change, digest, isChanged)
    return { outcome: isChanged ? 'changed' : 'unchanged', source, digest, change }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    return refused(problem, [{ path: source, problem, fix: 'Mend it, and reload again' }])
  }
}

/** Streams were opened with the old token: who has the new one opens them again. */
function takeToken({ config, settingsOf, data, authenticator, gateway, log }: Reloaded, condition: Condition): boolean {
  const settings = settingsOf(config.loaded())
  const auth = settings.ok ? settings.value.auth : condition.auth
  condition.tokenStamp = readStamp(data.file('token'))
  // Whoever removes the file gets another one at the next start, and locks nobody out before.
  if (auth === 'token' && condition.auth === 'token' && !existsSync(data.file('token'))) return false
  const token = auth === 'none' ? undefined : openToken(data)
  const value = token?.value ?? ''
  if (auth === condition.auth && value === condition.token) return false
  authenticator.use(authenticatorOf(token))
  condition.auth = auth
  condition.token = value
  condition.tokenStamp = readStamp(data.file('token'))
  log.info({ auth, path: data.file('token') }, 'Clients need another token from now on')
  gateway.endStreams()
  return true
}

function tell(log: Log, change: ConfigChange, digest: string, isChanged: boolean): void {
  const fields: Record<string, string | boolean> = { digest, changed: isChanged }
  for (const key of ['added', 'removed', 'changed', 'settings'] as const) if (change[key].length > 0) fields[`${key}Names`] = change[key].join(', ')
  if (change.renamed.length > 0) fields['renamedNames'] = change.renamed.map(({ from, to }) => `${from} -> ${to}`).join(', ')
  log.info(fields, 'The configuration was reloaded')
  for (const setting of change.atNextStart) log.warn({ setting }, 'This setting takes effect at the next start')
}
