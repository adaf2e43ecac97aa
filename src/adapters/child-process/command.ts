/** How a child is started: found before it is spawned, so that what is missing has a name, and capped. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import type { SpawnRequest } from '../../core/upstream/spawner.ts'

/** Caps of each child (setrlimit); undefined leaves the system's. Core dumps are always off: they hold secrets. */
export interface ChildCaps {
  readonly openFiles?: number
  /** Processes of the user, not of the child: RLIMIT_NPROC counts so. */
  readonly processes?: number
  /** Virtual memory. Node.js and Go reserve far more than they use. */
  readonly addressSpaceBytes?: number
}

/** Generous: they stop a leak before it takes the host, not a server at work. */
export const DEFAULT_CAPS: ChildCaps = { openFiles: 16_384, processes: 32_768 }

export type Command =
  | { readonly ok: true; readonly file: string; readonly args: readonly string[] }
  | { readonly ok: false; readonly error: string }

const isWindows = process.platform === 'win32'

/**
 * What to hand to spawn. Programs of util-linux set the limits and the parent-death signal and become the command; where
 * they are missing a shell does, without parsing the arguments (`exec "$@"`). A limit above the hard one stays as it is.
 */
export function prepareCommand(request: SpawnRequest, caps: ChildCaps, wrapper: readonly string[] | undefined): Command {
  const { command, args, env, cwd } = request
  if (cwd !== undefined && !isDirectory(cwd)) return { ok: false, error: `no such directory: ${cwd}` }
  // cmd.exe resolves .cmd and .exe by rules of its own.
  if (isWindows) return { ok: true, file: command, args }
  const found = findExecutable(command, env['PATH'], cwd)
  if (!found.ok) return found
  const [program, ...rest] = wrapper ?? ['/bin/sh', '-c', `${capsScript(caps)}exec "$@"`, 'sh']
  return program === undefined ? found : { ok: true, file: program, args: [...rest, found.file, ...args] }
}

/**
 * `setpriv` and `prlimit` with their arguments, where they are there and work (busybox's setpriv knows no parent-death
 * signal); undefined elsewhere. The shell is second best: dash drops variables that are no identifiers.
 */
export function findWrapper(caps: ChildCaps): readonly string[] | undefined {
  if (process.platform !== 'linux') return undefined
  const find = (name: string): string | undefined => [`/usr/bin/${name}`, `/bin/${name}`].find(isFile)
  const setpriv = find('setpriv')
  const prlimit = find('prlimit')
  if (setpriv === undefined || prlimit === undefined) return undefined
  const limits = readHardLimits()
  const option = (name: string, value: number | undefined, hard: string): string[] =>
    value === undefined ? [] : [`--${name}=${Math.floor(Math.min(value, limits.get(hard) ?? value))}`]
  const wrapper = [
    setpriv,
    '--pdeathsig',
    'KILL',
    '--',
    prlimit,
    '--core=0',
    ...option('nofile', caps.openFiles, 'Max open files'),
    ...option('nproc', caps.processes, 'Max processes'),
    ...option('as', caps.addressSpaceBytes, 'Max address space'),
    '--',
  ]
  const trial = spawnSync(setpriv, [...wrapper.slice(1), '/bin/sh', '-c', ':'], { stdio: 'ignore', timeout: 2_000 })
  return trial.status === 0 ? wrapper : undefined
}

function readHardLimits(): ReadonlyMap<string, number> {
  const limits = new Map<string, number>()
  for (const line of readFileSync('/proc/self/limits', 'latin1').split('\n')) {
    const [, name, hard] = /^(Max .*?) {2,}\S+ +(\d+)/.exec(line) ?? []
    if (name !== undefined && hard !== undefined) limits.set(name, Number(hard))
  }
  return limits
}

function capsScript({ openFiles, processes, addressSpaceBytes }: ChildCaps): string {
  let script = 'ulimit -c 0 2>/dev/null;'
  if (openFiles !== undefined) script += `ulimit -n ${Math.floor(openFiles)} 2>/dev/null;`
  // dash says -p where bash and zsh say -u.
  if (processes !== undefined) script += `ulimit -u ${Math.floor(processes)} 2>/dev/null || ulimit -p ${Math.floor(processes)} 2>/dev/null;`
  if (addressSpaceBytes !== undefined) script += `ulimit -v ${Math.ceil(addressSpaceBytes / 1024)} 2>/dev/null;`
  return script
}

function findExecutable(command: string, path: string | undefined, cwd: string | undefined): Command {
  const places = command.includes('/')
    ? [isAbsolute(command) ? command : resolve(cwd ?? '.', command)]
    : (path ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter).map((directory) => resolve(cwd ?? '.', join(directory || '.', command)))
  let isPresent = false
  for (const place of places) {
    if (!isFile(place)) continue
    isPresent = true
    if (isExecutable(place)) return { ok: true, file: place, args: [] }
  }
  return { ok: false, error: isPresent ? `not executable: ${command}` : `command not found: ${command}` }
}

function isExecutable(place: string): boolean {
  try {
    accessSync(place, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isFile(place: string): boolean {
  return statSync(place, { throwIfNoEntry: false })?.isFile() === true
}

function isDirectory(place: string): boolean {
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() === true
}
