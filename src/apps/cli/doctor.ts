/** `portolan doctor`: runs the checks of `apps/doctor`, tells what they find as they end, and mends what is safe to mend. */

import { Command, InvalidArgumentError } from 'commander'
import type { Check } from '../doctor/check.ts'
import { CHECKS } from '../doctor/checks.ts'
import { openContext } from '../doctor/context.ts'
import type { DoctorContext } from '../doctor/context.ts'
import { examine, worst } from '../doctor/examine.ts'
import type { Examined } from '../doctor/examine.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'
import { ID_WIDTH, examinedText, summaryText } from './doctor-report.ts'
import { configOption, configPathOf, dataOption } from './option.ts'
import { createTerminal } from './terminal/terminal.ts'
import { cutText } from './terminal/text-width.ts'
import type { Terminal } from './terminal/terminal.ts'

interface DoctorOptions {
  readonly config?: string
  readonly data?: string
  readonly json?: boolean
  readonly fix?: boolean
  readonly only?: readonly Check[]
  readonly timeLimit: number
}

const LIMIT_SEC = 10
/** A trial ends before the check that waits for it, so that the check can say what it saw. */
const TRIAL_SHARE = 0.8

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('find what is misconfigured, and say what to do; starts each server for a moment')
    .addOption(configOption())
    .addOption(dataOption())
    .option('--only <checks>', 'run only these checks, separated by commas', parseOnly)
    .option('--fix', 'mend what can be mended without harm: permissions')
    .option('--time-limit <seconds>', `how long each check may take (default: ${LIMIT_SEC})`, parseSeconds, LIMIT_SEC)
    .option('--json', 'print everything as JSON')
    .action(async (options: DoctorOptions) => {
      const terminal = createTerminal(process)
      const context = openContext({
        configPath: configPathOf(options.config),
        dataPath: options.data ?? defaultDataPath(process.env),
        env: process.env,
        trialMs: options.timeLimit * 1_000 * TRIAL_SHARE,
      })
      try {
        const { examined, mended } = await runChecks(terminal, context, options)
        if (options.json === true) terminal.out.write(jsonOf(examined, mended))
        else terminal.out.write(summaryText(terminal.out, examined, mended))
        if (worst(examined.flatMap(({ findings }) => findings)) === 'problem') process.exitCode = 1
      } finally {
        terminal.close()
        await context.close()
      }
    })
}

interface Outcome {
  readonly examined: readonly Examined[]
  /** What `--fix` did, as commands. */
  readonly mended: readonly string[]
}

async function runChecks(terminal: Terminal, context: DoctorContext, options: DoctorOptions): Promise<Outcome> {
  const checks = options.only ?? CHECKS
  const limitMs = options.timeLimit * 1_000
  const live = options.json === true ? undefined : createLiveReport(terminal, checks)
  const first = await examine(context, { checks, limitMs, onEnd: (one) => live?.add(one) })
  live?.close()
  if (options.fix !== true) return { examined: first, mended: [] }
  const mended = first.flatMap(({ findings }) => findings).flatMap(mend)
  if (mended.length === 0) return { examined: first, mended }
  const changed = first.filter(({ findings }) => findings.some(({ fix }) => fix !== undefined)).map(({ check }) => check)
  const second = await examine(context, { checks: changed, limitMs })
  return { examined: first.map((one) => second.find(({ check }) => check === one.check) ?? one), mended }
}

function mend({ fix, next }: Examined['findings'][number]): readonly string[] {
  try {
    if (fix === undefined) return []
    fix()
    return [next]
  } catch {
    // The check that runs again says that it is still so.
    return []
  }
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 100

/** Tells each check in the order of the table, as soon as it and all before it have ended; those that run turn below. */
function createLiveReport(terminal: Terminal, checks: readonly Check[]): { add(one: Examined): void; close(): void } {
  const ended = new Map<Check, Examined>()
  const startedMs = performance.now()
  const block = terminal.footer.open()
  let told = 0
  const draw = (): void => {
    const tick = Math.floor((performance.now() - startedMs) / FRAME_MS)
    const mark = terminal.canUnicode ? (FRAMES[tick % FRAMES.length] ?? '') : ('|/-\\'[tick % 4] ?? '')
    const room = terminal.err.width() - ID_WIDTH - 4
    const { paint } = terminal.err
    const running = checks.filter((check) => !ended.has(check))
    block.draw(running.map(({ id, looksAt }) => `${paint('cyan', mark)} ${id.padEnd(ID_WIDTH)} ${paint('dim', cutText(looksAt, room))}`))
  }
  const timer = terminal.footer.canDraw ? setInterval(draw, FRAME_MS) : undefined
  return {
    add(one) {
      ended.set(one.check, one)
      for (let next = checks[told]; next !== undefined; next = checks[told]) {
        const examined = ended.get(next)
        if (examined === undefined) break
        terminal.out.write(examinedText(terminal.out, examined, terminal.canUnicode))
        told += 1
      }
    },
    close() {
      clearInterval(timer)
      block.close()
    },
  }
}

function jsonOf(examined: readonly Examined[], mended: readonly string[]): string {
  const checks = examined.map(({ check, verdict, durationMs, findings }) => ({
    id: check.id,
    looksAt: check.looksAt,
    verdict,
    durationMs: Math.round(durationMs),
    findings: findings.map(({ fix, ...finding }) => ({ ...finding, canFix: fix !== undefined })),
  }))
  return `${JSON.stringify({ verdict: worst(examined.flatMap(({ findings }) => findings)), checks, mended }, null, 2)}\n`
}

function parseOnly(text: string): readonly Check[] {
  const ids = text.split(',').map((id) => id.trim())
  const unknown = ids.find((id) => !CHECKS.some((check) => check.id === id))
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no check "${unknown}". There are: ${CHECKS.map(({ id }) => id).join(', ')}.`)
  return CHECKS.filter(({ id }) => ids.includes(id))
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds >= 1 && seconds <= 600)) throw new InvalidArgumentError('Give a number of seconds from 1 to 600.')
  return seconds
}
