/** Programs of stdio servers: found, executable, and found also where no shell has prepared the PATH. */

import { closeSync, openSync, readSync, readdirSync, realpathSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { delimiter, join } from 'node:path'
import { prepareCommand } from '../../adapters/child-process/command.ts'
import { nearest } from '../gateway/config-problem.ts'
import { ok, problem, shellWord, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { stdioServers } from './server-target.ts'
import type { StdioCase } from './server-target.ts'

export const commandCheck: Check = {
  id: 'command',
  looksAt: 'whether the programs of stdio servers are there and can be executed, by a service, too',
  run(context) {
    const servers = stdioServers(context.servers)
    if (servers.length === 0) return [skipped('No server is started as a process.')]
    return servers.flatMap((one) => commandFindings(one, context))
  },
}

function commandFindings({ server, target }: StdioCase, context: DoctorContext): readonly Finding[] {
  // The system's own rules find programs on Windows.
  if (process.platform === 'win32') return [skipped('Windows finds programs by rules of its own.')]
  const { command, args, env, cwd } = target
  const found = prepareCommand({ command, args, env, cwd }, {}, [])
  if (!found.ok) return [missingFinding(server.name, target, found.error, context)]
  const interpreter = missingInterpreter(found.file, env['PATH'])
  if (interpreter !== undefined) {
    const what = `${found.file} is a script for ${interpreter}, which the PATH does not have: ${pathList(env['PATH'])}.`
    return [problem(server.name, what, `command -v ${shellWord(interpreter)}`)]
  }
  const doubts = [...shellOnlyFindings(server.name, command, found.file, context), ...offlineFindings(server.name, command, context)]
  return doubts.length > 0 ? doubts : [ok(server.name, `${command === found.file ? command : `${command} is ${found.file}`}.`)]
}

function missingFinding(name: string, target: StdioCase['target'], error: string, context: DoctorContext): Finding {
  const { command, cwd, env } = target
  if (error.startsWith('no such directory')) return problem(name, `Its working directory is missing: ${cwd ?? ''}.`, `mkdir -p ${shellWord(cwd ?? '')}`)
  if (error.startsWith('not executable')) return problem(name, `${command} is there, but cannot be executed.`, `chmod +x ${shellWord(command.includes('/') ? join(cwd ?? '', command) : command)}`)
  const near = command.includes('/') ? undefined : nearest(command, programsOf(env['PATH']))
  const guess = near === undefined ? '' : ` Did you mean ${near}?`
  const places = command.includes('/') ? '' : ` It was looked for in ${pathList(env['PATH'])}.`
  return problem(name, `There is no program ${command}.${guess}${places}`, near === undefined ? `command -v ${shellWord(command)}` : context.editCommand)
}

function pathList(path: string | undefined): string {
  return [...new Set((path ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter))].join(', ')
}

function programsOf(path: string | undefined): readonly string[] {
  return (path ?? '').split(delimiter).flatMap((folder) => {
    try {
      return readdirSync(folder)
    } catch {
      return []
    }
  })
}

/** `#!/usr/bin/env python3`: what `env` would look for and not find; or an interpreter named by its path. */
function missingInterpreter(file: string, path: string | undefined): string | undefined {
  const words = /^#!\s*(\S+)(?:\s+-S)?\s*(\S+)?/.exec(firstBytes(file))
  const program = words?.[1]
  if (program === undefined) return undefined
  const interpreter = program.endsWith('/env') ? (words?.[2] ?? program) : program
  const found = prepareCommand({ command: interpreter, args: [], env: path === undefined ? {} : { PATH: path }, cwd: undefined }, {}, [])
  return found.ok ? undefined : interpreter
}

function firstBytes(file: string): string {
  try {
    const buffer = Buffer.alloc(256)
    const opened = openSync(file, 'r')
    const length = readSync(opened, buffer, 0, buffer.length, 0)
    closeSync(opened)
    return buffer.toString('latin1', 0, length).split('\n')[0] ?? ''
  } catch {
    return ''
  }
}

/** Folders that version managers put in front of the PATH of interactive shells only. */
const SHELL_ONLY = /\/(\.nvm|\.asdf|\.volta|\.fnm|fnm_multishells|\.local\/share\/fnm|\.local\/share\/mise|mise\/shims|\.pyenv|\.rbenv|\.nodenv|\.sdkman)\//

function shellOnlyFindings(name: string, command: string, file: string, context: DoctorContext): readonly Finding[] {
  const manager = SHELL_ONLY.exec(file)?.[1]?.split('/').at(-1)
  if (manager === undefined || command.includes('/')) return []
  const lasting = manager === 'fnm_multishells' ? realpathSync(file) : file
  const advice = `A service does not: write "command": ${JSON.stringify(lasting)}, and give its folder in "env": {"PATH": …}.`
  const what = `${command} is found only because this shell has ${manager} on its PATH (${file}). ${advice}`
  return [warning(name, what, context.editCommand)]
}

const FETCHERS: ReadonlySet<string> = new Set(['npx', 'bunx', 'pnpx', 'uvx', 'pipx', 'docker'])

/** What fetches the server first needs a network. */
function offlineFindings(name: string, command: string, { env }: DoctorContext): readonly Finding[] {
  const program = command.split('/').at(-1) ?? command
  const isOnline = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ internal }) => !internal) === true)
  const hasProxy = ['HTTPS_PROXY', 'https_proxy'].some((variable) => (env[variable] ?? '') !== '')
  if (!FETCHERS.has(program) || isOnline || hasProxy) return []
  return [warning(name, `${program} fetches the server where it has not yet, and this machine has no network but loopback.`, 'ip address || ifconfig')]
}
