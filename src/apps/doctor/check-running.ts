/** A Portolan that runs on this data folder: whether it serves what the file says now, and how it is doing. */

import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { readVersion } from '../gateway/version.ts'
import type { ProcessStatus } from '../gateway/status.ts'
import { ok, problem, shellText, shellWord, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import type { DoctorContext } from './context.ts'

export const runningCheck: Check = {
  id: 'running',
  looksAt: 'whether the Portolan that runs serves what the file says now, and is well',
  async run(context) {
    const status = await context.running()
    if (status === undefined) return [skipped(`No Portolan runs on the data folder ${context.dataPath}.`)]
    const found = [...configurationOf(status, context), ...healthOf(status, context)]
    return found.length > 0 ? found : [ok(`process ${status.pid}`, `${status.state}, serving ${status.config.source} as it is now.`)]
  },
}

function configurationOf(status: ProcessStatus, context: DoctorContext): readonly Finding[] {
  const subject = `process ${status.pid}`
  const reload = shellText(['portolan', 'reload', '--data', context.dataPath])
  if (status.config.refusal !== '') {
    return [problem(subject, `The last reload was refused, so the configuration before it is still served: ${status.config.refusal}`, context.editCommand)]
  }
  if (!isSameFile(status.config.source, context.configPath)) {
    return [warning(subject, `It serves ${status.config.source}, not ${context.source}.`, `portolan doctor --config ${shellWord(status.config.source)}`)]
  }
  if (context.digest !== undefined && context.digest !== status.config.digest) {
    return [warning(subject, `${context.source} has changed since it was read.`, reload)]
  }
  return []
}

function isSameFile(served: string, given: string | undefined): boolean {
  if (given === undefined) return served === 'the built-in configuration'
  // A relative path is relative to where that Portolan was started: only its end can be compared.
  const end = served.replace(/^(?:\.{1,2}\/)+/, '')
  return resolve(served) === resolve(given) || real(given).endsWith(`/${end}`)
}

function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

function healthOf(status: ProcessStatus, context: DoctorContext): readonly Finding[] {
  const findings: Finding[] = []
  const where = ['--data', context.dataPath]
  if (status.version !== readVersion()) {
    findings.push(warning(`process ${status.pid}`, `It is version ${status.version}, and this is ${readVersion()}: it was not started again after an update.`, `kill ${status.pid} && portolan up`))
  }
  if (status.ledgerLostCount > 0) findings.push(problem('ledger', `${status.ledgerLostCount} records could not be written.`, `df -h ${shellWord(context.dataPath)}`))
  if (status.config.elsewhere !== '') findings.push(warning('replicas', `Another replica serves another configuration (${status.config.elsewhere.slice(0, 12)}): give all of them the same.`, shellText(['portolan', 'reload', ...where])))
  findings.push(...linksOf(status, where))
  for (const { name, state, detail } of status.servers) {
    if (state === 'degraded') findings.push(warning(name, `It is down for the running Portolan: ${detail}`, shellText(['portolan', 'status', name, ...where])))
  }
  return findings
}

/** The ways to the other replicas. */
function linksOf({ replica }: ProcessStatus, where: readonly string[]): readonly Finding[] {
  if (replica === null) return []
  const look = shellText(['portolan', 'status', ...where])
  const findings = replica.unreachable.map(({ id, address }) =>
    problem(`replica ${id.slice(0, 8)}`, `It lives, and cannot be reached from here at ${address}: what it has is refused here. Let its --peer-listen be reached, or mend its --peer-address.`, look))
  for (const id of replica.otherTokens) findings.push(problem(`replica ${id.slice(0, 8)}`, 'It lets in another token: clients are refused there, or here. Copy the file "token" of one data folder into all others.', look))
  if (!replica.hints.isUp) findings.push(warning('hints', `They do not reach the other replicas: ${replica.hints.detail}. What changes is noticed later.`, look))
  return findings
}
