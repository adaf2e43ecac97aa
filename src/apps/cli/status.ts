/** `portolan status`: asks the running gateway over its admin API, once or every second. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { nearest } from '../gateway/config-problem.ts'
import type { ProcessStatus } from '../gateway/status.ts'
import { openOperatorClient, withOperatorOptions } from './operator-client.ts'
import type { OperatorClient, OperatorOptions } from './operator-client.ts'
import { serverText, virtualServerText } from './status-server-text.ts'
import { statusText } from './status-text.ts'
import { createInterrupt } from './terminal/interrupt.ts'
import { createTerminal } from './terminal/terminal.ts'
import type { Screen, Terminal } from './terminal/terminal.ts'
import { countTraffic, trafficBetween } from './traffic.ts'
import type { TrafficCount } from './traffic.ts'

interface StatusOptions extends OperatorOptions {
  readonly watch?: boolean
  readonly json?: boolean
}

const REFRESH_MS = 1_000

export function statusCommand(): Command {
  return withOperatorOptions(new Command('status'))
    .description('show how the running gateway and its servers are doing')
    .argument('[server]', 'one server in detail')
    .option('-w, --watch', 'show it again every second, until Ctrl+C')
    .option('--json', 'print everything as JSON')
    .action(async (server: string | undefined, options: StatusOptions) => {
      const client = openOperatorClient(options)
      const terminal = createTerminal(process)
      const show = { client, server, isJson: options.json === true, terminal }
      try {
        if (options.watch === true) await watch(show)
        else {
          const { text, isWell } = await look(show, undefined, terminal.out)
          terminal.out.write(text)
          if (!isWell) process.exitCode = 1
        }
      } finally {
        terminal.close()
      }
    })
}

interface Show {
  readonly client: OperatorClient
  /** One server; undefined for all. */
  readonly server: string | undefined
  readonly isJson: boolean
  readonly terminal: Terminal
}

interface Look {
  readonly text: string
  readonly isWell: boolean
  readonly count: TrafficCount | undefined
  readonly atMs: number
}

/** Rejects where no gateway answers, or has no such server. */
async function look({ client, server, isJson, terminal }: Show, before: Look | undefined, screen: Screen): Promise<Look> {
  const [statusJson, metrics] = await Promise.all([client.text('/status'), isJson || server !== undefined ? '' : client.text('/metrics').catch(() => undefined)])
  const status: ProcessStatus = JSON.parse(statusJson)
  const nowMs = Date.now()
  const count = metrics === undefined || metrics === '' ? undefined : countTraffic(metrics)
  if (server !== undefined) return { text: detailText(screen, { status, server, isJson, nowMs }), isWell: isWell(status, server), count, atMs: nowMs }
  const sinceMs = nowMs - (before?.atMs ?? status.startedAtMs)
  const traffic = count === undefined ? undefined : trafficBetween(before?.count, count, sinceMs)
  const period = before === undefined ? 'since the start' : 'since the last look'
  const text = isJson ? statusJson : statusText(screen, { status, traffic, period, nowMs, canUnicode: terminal.canUnicode })
  return { text, isWell: isWell(status, undefined), count, atMs: nowMs }
}

/** Nothing is degraded, nothing was refused: exit code 0. */
function isWell({ state, servers, config, ledgerLostCount }: ProcessStatus, only: string | undefined): boolean {
  const looked = only === undefined ? servers : servers.filter(({ name }) => name === only)
  const processIsWell = state !== 'draining' && config.refusal === '' && ledgerLostCount === 0
  return looked.every((server) => server.state !== 'degraded') && (only !== undefined || processIsWell)
}

interface Detail {
  readonly status: ProcessStatus
  readonly server: string
  readonly isJson: boolean
  readonly nowMs: number
}

function detailText(screen: Screen, { status, server, isJson, nowMs }: Detail): string {
  const real = status.servers.find(({ name, id }) => name === server || id === server)
  const virtual = status.virtualServers.find(({ name }) => name === server)
  if (real !== undefined) return isJson ? `${JSON.stringify(real)}\n` : serverText(screen, real, nowMs)
  if (virtual !== undefined) return isJson ? `${JSON.stringify(virtual)}\n` : virtualServerText(screen, virtual)
  const names = [...status.servers, ...status.virtualServers].map(({ name }) => name)
  const near = nearest(server, names)
  throw new Error(`There is no server ${JSON.stringify(server)}. ${near === undefined ? `There are: ${names.join(', ') || 'none'}.` : `Did you mean ${near}?`}`)
}

/** Redrawn in place on a terminal; elsewhere one after the other. A gateway that is away is waited for. */
async function watch(show: Show): Promise<void> {
  const { terminal, isJson } = show
  const interrupt = createInterrupt(terminal)
  const isLive = terminal.footer.canDraw && !isJson
  const block = terminal.footer.open()
  // What is drawn in place is on standard error, so its colours and width count.
  const screen = isLive ? terminal.err : terminal.out
  let before: Look | undefined
  try {
    while (!interrupt.signal.aborted) {
      const seen = await look(show, before, screen).catch((error: unknown) => {
        if (before === undefined) throw error
        return error instanceof Error ? error.message : String(error)
      })
      if (typeof seen !== 'string') before = seen
      const text = typeof seen === 'string' ? `${screen.paint('red', seen)}\n` : seen.text
      if (isLive) block.draw(`${text}\nEvery second; Ctrl+C ends it.`.split('\n'))
      else if (typeof seen !== 'string' || !isJson) terminal.out.write(isJson ? text : `${text}\n`)
      await sleep(REFRESH_MS, undefined, { signal: interrupt.signal }).catch(() => undefined)
    }
  } finally {
    block.close()
    interrupt.close()
  }
  // The last picture stays.
  if (isLive && before !== undefined) terminal.err.write(before.text)
}
