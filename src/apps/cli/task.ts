/** `portolan task`: the tasks that Portolan owns, on all replicas, through the operations socket of one that runs. */

import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { defaultDataPath } from '../gateway/data-folder.ts'
import type { TaskDetail, TaskRow } from '../gateway/task-answer.ts'
import { visible } from '../gateway/visible-text.ts'
import { dataOption } from './option.ts'
import { createInterrupt } from './terminal/interrupt.ts'
import { tableText } from './terminal/table.ts'
import { createTerminal } from './terminal/terminal.ts'
import type { Screen } from './terminal/terminal.ts'

interface TaskOptions {
  readonly data?: string
  readonly socket?: string
  readonly json?: boolean
  readonly phase?: string
  readonly full?: boolean
}

interface Page {
  readonly tasks: readonly TaskRow[]
  readonly next?: string
}

const ANSWER_MS = 15_000
const PAGE = 200
/** Of a list for people; `--json` gives all. */
const MAX_ROWS = 2_000
const REFRESH_MS = 1_000

export function taskCommand(): Command {
  const command = new Command('task').description('the tasks that Portolan owns: calls that outlive their connection')
  at(command.command('ls').description('list them, the oldest first'))
    .option('--phase <phases>', 'only these, with commas between: queued, running, asking, completed, failed, dead, cancelled')
    .option('--json', 'print all of them as JSON, one a line')
    .action((options: TaskOptions) => list(options))
  at(command.command('show <id>').description('one task: its attempts, and what it waits for'))
    .option('--full', 'with its request and its result, which may hold secrets')
    .option('--json', 'print it as JSON')
    .action((id: string, options: TaskOptions) => show(id, options))
  for (const [action, what] of ACTIONS) {
    at(command.command(`${action} <id>`).description(what)).action((id: string, options: TaskOptions) => act(action, id, options))
  }
  at(command.command('watch').description('list those that have not ended well, every second, until Ctrl+C')).action((options: TaskOptions) => watch(options))
  return command
}

const ACTIONS = [
  ['retry', 'make another task of a dead one, for the same owner'],
  ['cancel', 'cancel it, at its server, too'],
  ['drop', 'remove one that has ended; its owner is told that it has expired'],
] as const

const DONE: Readonly<Record<(typeof ACTIONS)[number][0], (task: TaskRow) => string>> = {
  retry: ({ id }) => `Made ${id} of it. See what becomes of it: portolan task show ${id}`,
  cancel: ({ id }) => `${id} is cancelled.`,
  drop: ({ id }) => `${id} is removed.`,
}

function at(command: Command): Command {
  return command.addOption(dataOption()).option('--socket <path>', 'the operations socket, where the configuration moved it')
}

async function list(options: TaskOptions): Promise<void> {
  const query = options.phase === undefined ? '' : `&phase=${encodeURIComponent(options.phase)}`
  const terminal = createTerminal(process)
  const rows: TaskRow[] = []
  let after = ''
  do {
    const page = await ask<Page>(options, 'GET', `/tasks?count=${PAGE}${query}${after}`)
    if (options.json === true) for (const task of page.tasks) terminal.out.write(`${JSON.stringify(task)}\n`)
    else rows.push(...page.tasks)
    after = page.next === undefined ? '' : `&after=${encodeURIComponent(page.next)}`
  } while (after !== '' && rows.length < MAX_ROWS)
  if (options.json !== true) terminal.out.write(listText(terminal.out, rows, after !== ''))
  terminal.close()
}

function listText(screen: Screen, rows: readonly TaskRow[], isMore: boolean): string {
  if (rows.length === 0) return 'No tasks.\n'
  const columns = ['TASK', 'PHASE', 'SERVER', 'TOOL', 'OWNER', 'TRIES', 'MADE', 'SAYS'].map((title) => ({ title }))
  const cells = rows.map(({ id, phase, server, tool, owner, attempts, createdAtMs, message }) => [id, phase, server, tool, owner, String(attempts), timeText(createdAtMs), message])
  return `${tableText(screen, columns, cells)}${isMore ? `There are more: portolan task ls --json prints all.\n` : ''}`
}

async function show(id: string, options: TaskOptions): Promise<void> {
  const task = await ask<TaskDetail>(options, 'GET', `/tasks/${encodeURIComponent(id)}${options.full === true ? '?full=1' : ''}`)
  process.stdout.write(options.json === true ? `${JSON.stringify(task)}\n` : detailText(task))
}

/** For people; ends with a newline. */
export function detailText(task: TaskDetail): string {
  const { failures, request: asked, result, isRepeatable, isDispatched, asks } = task
  const facts: readonly (readonly [string, string])[] = [
    ['task', task.id],
    ['phase', task.phase],
    ['tool', `${task.tool} of ${task.server}, at ${task.endpoint === '' ? '/mcp' : `/${task.endpoint}/mcp`}`],
    ['owner', task.owner],
    ['says', task.message],
    ['attempts', task.serverTask !== '' ? `none: its server made it, as ${task.serverTask}` : `${task.attempts} of ${task.maxAttempts}${isRepeatable ? '; it may run twice' : ''}${isDispatched ? '; this one may have reached the server' : ''}`],
    ['held by', task.holder],
    ['waits for', asks.join(', ')],
    ['made', timeText(task.createdAtMs)],
    ['changed', timeText(task.updatedAtMs)],
    ['next try', task.nextAtMs === 0 ? '' : timeText(task.nextAtMs)],
    ['deadline', timeText(task.deadlineAtMs)],
    ['kept until', timeText(task.expiresAtMs)],
    ['retried as', task.retriedAs],
    ['request', asked ?? `${task.requestBytes} bytes; --full shows it`],
    ['result', result ?? `${task.resultBytes} bytes; --full shows it`],
  ]
  const lines = facts.filter(([, value]) => value !== '').map(([name, value]) => `${name.padEnd(11)} ${visible(value)}`)
  const failed = failures.map(({ attempt, atMs, reason, message }) => `  ${timeText(atMs)} attempt ${attempt}: ${reason}: ${visible(message)}`)
  return `${[...lines, ...(failed.length === 0 ? [] : ['failures', ...failed])].join('\n')}\n`
}

async function act(action: (typeof ACTIONS)[number][0], id: string, options: TaskOptions): Promise<void> {
  const task = await ask<TaskRow>(options, 'POST', `/tasks/${encodeURIComponent(id)}/${action}`)
  process.stdout.write(`${DONE[action](task)}\n`)
}

async function watch(options: TaskOptions): Promise<void> {
  const terminal = createTerminal(process)
  const interrupt = createInterrupt(terminal)
  const isLive = terminal.footer.canDraw
  const screen = isLive ? terminal.err : terminal.out
  const block = terminal.footer.open()
  try {
    while (!interrupt.signal.aborted) {
      const { tasks, next } = await ask<Page>(options, 'GET', `/tasks?count=${PAGE}&phase=queued,running,asking,dead`)
      const text = listText(screen, tasks, next !== undefined)
      if (isLive) block.draw(`${text}\nEvery second; Ctrl+C ends it.`.split('\n'))
      else terminal.out.write(`${text}\n`)
      await sleep(REFRESH_MS, undefined, { signal: interrupt.signal }).catch(() => undefined)
    }
  } finally {
    block.close()
    interrupt.close()
    terminal.close()
  }
}

function timeText(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** Rejects with what the gateway says, or where none answers. */
function ask<T>({ data, socket }: TaskOptions, method: string, path: string): Promise<T> {
  const socketPath = socket ?? join(resolve(data ?? defaultDataPath(process.env)), 'operations.sock')
  return new Promise((accept, reject) => {
    const asked = request({ socketPath, path, method, timeout: ANSWER_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        if (response.statusCode === 200) return accept(JSON.parse(text) as T)
        reject(new Error(refusalText(text)))
      })
    })
    asked.on('timeout', () => asked.destroy(new Error(`The gateway at ${socketPath} does not answer.`)))
    asked.on('error', (error) => {
      const isAbsent = 'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
      reject(isAbsent ? new Error(`No gateway runs at ${socketPath}. Start one with: portolan up (and give task the same --data)`) : error)
    })
    asked.end()
  })
}

function refusalText(text: string): string {
  try {
    const { error }: { error?: string } = JSON.parse(text)
    return error ?? text
  } catch {
    return text.trim()
  }
}
