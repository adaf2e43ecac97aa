/** `portolan task`: the tasks that Portolan owns, on all replicas, through the admin API of one that runs. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Command, InvalidArgumentError } from 'commander'
import { TASK_PHASES } from '../../core/task/stored-task.ts'
import type { AskedQuestion } from '../admin/asked-question.ts'
import type { TaskDetail, TaskList, TaskRow } from '../admin/task-resource.ts'
import { visible } from '../gateway/visible-text.ts'
import { openOperatorClient, withOperatorOptions } from './operator-client.ts'
import type { OperatorClient, OperatorOptions } from './operator-client.ts'
import { createInterrupt } from './terminal/interrupt.ts'
import { tableText } from './terminal/table.ts'
import type { Column } from './terminal/table.ts'
import { createTerminal } from './terminal/terminal.ts'
import type { Screen } from './terminal/terminal.ts'

interface TaskOptions extends OperatorOptions {
  readonly json?: boolean
  readonly phase?: string
  readonly server?: string
  readonly tool?: string
  readonly owner?: string
  readonly full?: boolean
}

const PAGE = 200
/** Of a list for people; `--json` gives all. */
const MAX_ROWS = 2_000
const REFRESH_MS = 1_000

export function taskCommand(): Command {
  const command = new Command('task').description('the tasks that Portolan owns: calls that outlive their connection')
  withOperatorOptions(command.command('ls').description('list them, the oldest first'))
    .option('--phase <phases>', `only these, with commas between: ${TASK_PHASES.join(', ')}`, parsePhases)
    .option('--server <name>', 'only of this server, by name or id')
    .option('--tool <name>', 'only of this tool, by the server\'s own name of it')
    .option('--owner <name>', 'only of this owner, as the list names him')
    .option('--json', 'print all of them as JSON, one a line')
    .action((options: TaskOptions) => list(options))
  withOperatorOptions(command.command('show <id>').description('one task: its attempts, and what it waits for'))
    .option('--full', 'with its request and its result, which may hold secrets')
    .option('--json', 'print it as JSON')
    .action((id: string, options: TaskOptions) => show(id, options))
  for (const [action, what] of ACTIONS) {
    withOperatorOptions(command.command(`${action} <id>`).description(what)).action((id: string, options: TaskOptions) => act(action, id, options))
  }
  withOperatorOptions(command.command('watch').description('list those that have not ended well, every second, until Ctrl+C')).action((options: TaskOptions) => watch(options))
  return command
}

const ACTIONS = [
  ['retry', 'make another task of a dead one, for the same owner'],
  ['cancel', 'cancel it, at its server, too'],
  ['drop', 'remove one that has ended; its owner is told that it has expired'],
] as const

/** As the API takes them. */
function parsePhases(text: string): string {
  const known: readonly string[] = TASK_PHASES
  const unknown = text.split(',').find((phase) => !known.includes(phase))
  if (unknown !== undefined) throw new InvalidArgumentError(`There are ${TASK_PHASES.join(', ')}.`)
  return text
}

async function list(options: TaskOptions): Promise<void> {
  const client = openOperatorClient(options)
  const query = queryOf(options)
  const terminal = createTerminal(process)
  const rows: TaskRow[] = []
  let after = ''
  do {
    const page: TaskList = await client.get(`/tasks?content=true&count=${PAGE}${query}${after}`)
    if (options.json === true) for (const task of page.tasks) terminal.out.write(`${JSON.stringify(task)}\n`)
    else rows.push(...page.tasks)
    after = page.next === undefined ? '' : `&after=${encodeURIComponent(page.next)}`
  } while (after !== '' && rows.length < MAX_ROWS)
  if (options.json !== true) terminal.out.write(rows.length === 0 && query !== '' ? 'No such tasks. portolan task ls lists all there are.\n' : listText(terminal.out, rows, after !== ''))
  terminal.close()
}

function queryOf(options: TaskOptions): string {
  const filters = (['phase', 'server', 'tool', 'owner'] as const).flatMap((name) => {
    const value = options[name]
    return value === undefined ? [] : [`&${name}=${encodeURIComponent(value)}`]
  })
  return filters.join('')
}

const COLUMNS: readonly Column[] = [
  { title: 'TASK', isWhole: true },
  { title: 'PHASE' },
  { title: 'SERVER' },
  { title: 'TOOL', isFlexible: true },
  { title: 'OWNER', isExtra: true },
  { title: 'TRIES', isExtra: true },
  { title: 'MADE', isExtra: true, isWhole: true },
  { title: 'SAYS', isFlexible: true },
]

function listText(screen: Screen, rows: readonly TaskRow[], isMore: boolean): string {
  if (rows.length === 0) return 'No tasks.\n'
  const cells = rows.map(({ id, phase, server, tool, owner, attempts, createdAtMs, reason, message = reason }) => [id, phase, server, tool, owner, String(attempts), timeText(createdAtMs), message])
  return `${tableText(screen, COLUMNS, cells)}${isMore ? `There are more: portolan task ls --json prints all.\n` : ''}`
}

async function show(id: string, options: TaskOptions): Promise<void> {
  const { request: asked, result, ...told }: TaskDetail = await openOperatorClient(options).get(`${pathOf(id)}?content=true`)
  const task = { ...told, ...(options.full === true ? { request: asked, result } : {}) }
  process.stdout.write(options.json === true ? `${JSON.stringify(task)}\n` : detailText(task))
}

/** For people; ends with a newline. */
export function detailText(task: TaskDetail): string {
  const { failures, message: says = '', request: asked, result, isRepeatable, isDispatched, asks, questions = [], isOfServer, serverTask } = task
  const facts: readonly (readonly [string, string])[] = [
    ['task', task.id],
    ['phase', task.phase],
    ['tool', `${task.tool} of ${task.server}, at ${task.endpoint === '' ? '/mcp' : `/${task.endpoint}/mcp`}`],
    ['owner', task.owner],
    ['says', says],
    ['attempts', isOfServer ? `none: its server made it, as ${serverTask}` : `${task.attempts} of ${task.maxAttempts}${isRepeatable ? '; it may run twice' : ''}${isDispatched && task.phase === 'running' ? '; this one may have reached the server' : ''}`],
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
  const failed = failures.map(({ attempt, atMs, reason, message = '' }) => `  ${timeText(atMs)} attempt ${attempt}: ${reason}: ${visible(message)}`)
  const open = questions.flatMap(questionLines)
  return `${[...lines, ...(open.length === 0 ? [] : ['questions', ...open]), ...(failed.length === 0 ? [] : ['failures', ...failed])].join('\n')}\n`
}

function questionLines({ key, method, message, schema, url }: AskedQuestion): readonly string[] {
  return [
    `  ${visible(key)} ${visible(method)}: ${visible(message)}`,
    ...(url === undefined ? [] : [`    page      ${url === '' ? 'no web page' : visible(url)}`]),
    ...(schema === undefined ? [] : [`    form      ${visible(JSON.stringify(schema))}`]),
  ]
}

type Action = (typeof ACTIONS)[number][0]

const ACT: Readonly<Record<Action, (client: OperatorClient, id: string) => Promise<string>>> = {
  async retry(client, id) {
    const { id: made } = await client.post<TaskRow>(`${pathOf(id)}/retry`)
    return `Made ${made} of it. See what becomes of it: portolan task show ${made}`
  },
  async cancel(client, id) {
    await client.post<TaskRow>(`${pathOf(id)}/cancel`)
    return `${id} is cancelled.`
  },
  async drop(client, id) {
    await client.delete(pathOf(id))
    return `${id} is removed.`
  },
}

async function act(action: Action, id: string, options: TaskOptions): Promise<void> {
  process.stdout.write(`${await ACT[action](openOperatorClient(options), id)}\n`)
}

function pathOf(id: string): string {
  return `/tasks/${encodeURIComponent(id)}`
}

async function watch(options: TaskOptions): Promise<void> {
  const client = openOperatorClient(options)
  const terminal = createTerminal(process)
  const interrupt = createInterrupt(terminal)
  const isLive = terminal.footer.canDraw
  const screen = isLive ? terminal.err : terminal.out
  const block = terminal.footer.open()
  try {
    while (!interrupt.signal.aborted) {
      const { tasks, next }: TaskList = await client.get(`/tasks?count=${PAGE}&phase=queued,running,asking,dead`)
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
