/**
 * Questions to a person, one after the other, on standard error. Every one can be declined (Ctrl-D) or cancelled (Esc,
 * Ctrl-C); when the terminal goes away, or the signal aborts, it is cancelled. Texts given here are others': they are made safe here.
 */

import { PassThrough } from 'node:stream'
import { CANCEL_SYMBOL, multiline, multiselect, password, select, text } from '@clack/prompts'
import { safeLine, safeName, safeText } from './safe-text.ts'
import type { Format, InputStream, Terminal } from './terminal.ts'
import { foldText } from './text-width.ts'

export type Reply<T> = { action: 'accept'; value: T } | { action: 'decline' } | { action: 'cancel' }

export interface Choice<T> {
  readonly value: T
  readonly label: string
  readonly hint?: string | undefined
}

export interface TextQuestion {
  readonly message: string
  /** What stands there already. */
  readonly initial?: string | undefined
  readonly placeholder?: string | undefined
  /** What is wrong with an answer, or undefined. */
  readonly problem?: (answer: string) => string | undefined
}

export interface Dialog {
  /** The head of a question: the person must see first who asks (elicitation, security considerations). */
  readonly title: (text: string) => void
  /** Lines beside the questions: folded, in `format`. */
  readonly say: (text: string, format?: Format) => void
  readonly text: (question: TextQuestion & { readonly isSecret?: boolean }) => Promise<Reply<string>>
  /** Several lines; Ctrl-D, or Tab and Enter, ends them. */
  readonly lines: (question: TextQuestion) => Promise<Reply<string>>
  readonly one: <T>(message: string, choices: readonly Choice<T>[], initial?: T) => Promise<Reply<T>>
  readonly several: <T>(message: string, choices: readonly Choice<T>[], initial?: readonly T[]) => Promise<Reply<T[]>>
}

interface Asked {
  readonly input: InputStream
  readonly output: Terminal['err']['stream']
  readonly signal: AbortSignal
}

export const KEYS_HELP = 'Enter goes on, Ctrl-D declines, Esc cancels.'

const CTRL_C = 0x03
const CTRL_D = 0x04
const TAB = 0x09
const MAX_CHOICES_SHOWN = 10
const FORGET_MS = 100
const SHOW_CURSOR = '\u001b[?25h'

/** A dialog with whoever sits at `terminal`, once what was typed before is gone; call it inside `terminal.exclusively`. */
export async function openDialog(terminal: Terminal, signal?: AbortSignal): Promise<Dialog> {
  const isInterrupted = await forgetTyped(terminal.stdin)
  const ask = async <T>(run: (asked: Asked) => Promise<Answer<T>>, isLines = false): Promise<Reply<T>> => {
    const isOver = isInterrupted || signal?.aborted === true || terminal.stdin.readableEnded || terminal.stdin.destroyed
    return isOver ? { action: 'cancel' } : askOnce(terminal, signal, run, isLines)
  }
  return {
    title: (said) => title(terminal, said),
    say: (said, format) => say(terminal, said, format),
    text: ({ isSecret, ...question }) => ask((asked) => (isSecret === true ? askHidden(asked, question) : askText(asked, question))),
    lines: ({ message, initial, problem }) => ask(async (asked) => {
      const validate = validation(problem)
      return answerOf(await multiline({ ...asked, message: safeLine(message), validate, initialValue: initial ?? '', showSubmit: true }), (typed) => typed ?? '')
    }, true),
    one: (message, choices, initial) => ask(async (asked) => {
      const initialValue = Math.max(0, choices.findIndex(({ value }) => value === initial))
      const list = { options: optionsOf(choices), initialValue, maxItems: MAX_CHOICES_SHOWN, showInstructions: false }
      return answerOf(await select({ ...asked, message: safeLine(message), ...list }), (chosen) => valueAt(choices, chosen))
    }),
    several: (message, choices, initial = []) => ask(async (asked) => {
      const initialValues = choices.flatMap(({ value }, index) => (initial.includes(value) ? [index] : []))
      const list = { options: optionsOf(choices), initialValues, maxItems: MAX_CHOICES_SHOWN, required: false }
      const inOrder = (chosen: readonly number[]): number[] => chosen.toSorted((a, b) => a - b)
      return answerOf(await multiselect({ ...asked, message: safeLine(message), ...list }), (chosen) => inOrder(chosen).map((index) => valueAt(choices, index)))
    }),
  }
}

async function askText(asked: Asked, { message, initial, placeholder, problem }: TextQuestion): Promise<Answer<string>> {
  const shown = { message: safeLine(message), initialValue: safeName(initial ?? ''), placeholder: safeLine(placeholder ?? '') }
  return answerOf(await text({ ...asked, ...shown, validate: validation(problem) }), (typed) => typed ?? '')
}

async function askHidden(asked: Asked, { message, problem }: TextQuestion): Promise<Answer<string>> {
  return answerOf(await password({ ...asked, message: safeLine(message), validate: validation(problem) }), (typed) => typed ?? '')
}

/** Undefined where the prompt was left without one. */
type Answer<T> = { readonly value: T } | undefined

/** Nothing typed is `undefined` to the prompts, whatever their types say. */
function answerOf<T, U>(answer: T | typeof CANCEL_SYMBOL, read: (answer: T) => U): Answer<U> {
  return answer === CANCEL_SYMBOL ? undefined : { value: read(answer as T) }
}

function validation(problem: TextQuestion['problem']): (answer: string | undefined) => string | undefined {
  return (answer) => problem?.(answer ?? '')
}

function optionsOf<T>(choices: readonly Choice<T>[]): { value: number; label: string; hint?: string }[] {
  return choices.map(({ label, hint }, value) => ({ value, label: safeLine(label), ...(hint !== undefined && { hint: safeLine(hint) }) }))
}

function valueAt<T>(choices: readonly Choice<T>[], index: number): T {
  const choice = choices[index]
  if (choice === undefined) throw new RangeError(`No choice ${index}`)
  return choice.value
}

function title({ err, canUnicode }: Terminal, said: string): void {
  err.stream.write(`\n${err.paint('gray', canUnicode ? '┌' : '+')}  ${err.paint('bold', foldText(safeLine(said), err.width() - 4).join('\n   '))}\n`)
}

/** What is said where nobody can be asked, and what to do about it. */
export function sayNobody({ err }: Terminal, server: string, what: string, message = ''): void {
  const reason = message === '' ? '' : ` ("${safeLine(message)}")`
  err.write(`${safeLine(server)} asks for ${what}${reason}, but nobody can answer here: this is no terminal. It was told "cancel". Run the command in a terminal to answer.\n`)
}

function say({ err, canUnicode }: Terminal, said: string, format?: Format): void {
  const guide = err.paint('gray', canUnicode ? '│' : '|')
  for (const line of foldText(safeText(said), err.width() - 4)) {
    err.stream.write(line === '' ? `${guide}\n` : `${guide}  ${format === undefined ? line : err.paint(format, line)}\n`)
  }
}

/** Keys that were pressed before a question was seen must not answer it: a server could wait for an Enter. True for Ctrl-C. */
async function forgetTyped(stdin: InputStream): Promise<boolean> {
  let isInterrupted = false
  const forget = (chunk: Buffer | string): void => void (isInterrupted ||= Buffer.from(chunk).includes(CTRL_C))
  stdin.setRawMode?.(true)
  stdin.on('data', forget).resume()
  await new Promise((resolve) => setTimeout(resolve, FORGET_MS))
  stdin.off('data', forget).pause()
  stdin.setRawMode?.(false)
  return isInterrupted
}

async function askOnce<T>(terminal: Terminal, signal: AbortSignal | undefined, run: (asked: Asked) => Promise<Answer<T>>, isLines: boolean): Promise<Reply<T>> {
  // A controller for each question: the prompts never take their listener off the signal that they get.
  const controller = new AbortController()
  let isDeclined = false
  const cancel = (): void => controller.abort()
  const decline = (): void => {
    isDeclined = true
    cancel()
  }
  const keys = openKeys(terminal.stdin, { isLines, decline, cancel })
  signal?.addEventListener('abort', cancel)
  // The prompts hide the cursor; a process that ends in the middle must not leave it so.
  const showCursor = (): void => void terminal.err.stream.write(SHOW_CURSOR)
  process.on('exit', showCursor)
  try {
    const answer = await withColorChoice(terminal, () => run({ input: keys.input, output: terminal.err.stream, signal: controller.signal }))
    if (answer !== undefined) return { action: 'accept', value: answer.value }
    return { action: isDeclined ? 'decline' : 'cancel' }
  } finally {
    process.off('exit', showCursor)
    signal?.removeEventListener('abort', cancel)
    keys.close()
  }
}

/**
 * What is typed, without Ctrl-D: readline would take it for the end of all input and never answer. In several lines it ends
 * them instead (Tab to the button, Enter), and tabs that are pasted become spaces.
 */
function openKeys(stdin: InputStream, on: { readonly isLines: boolean; readonly decline: () => void; readonly cancel: () => void }): { input: InputStream; close: () => void } {
  let isOnButton = false
  const keys = new PassThrough()
  const input = Object.assign(keys, { isTTY: stdin.isTTY === true, setRawMode: (isRaw: boolean) => stdin.setRawMode?.(isRaw) })
  const onData = (chunk: Buffer | string): void => {
    const bytes = Buffer.from(chunk)
    const at = bytes.indexOf(CTRL_D)
    const before = at === -1 ? bytes : bytes.subarray(0, at)
    isOnButton = before.length === 0 ? isOnButton : before.length === 1 && before[0] === TAB && !isOnButton
    if (before.length > 0) keys.write(on.isLines && before.length > 1 ? before.toString('utf8').replaceAll('\t', '    ') : before)
    if (at === -1) return
    if (!on.isLines) on.decline()
    else keys.write(isOnButton ? '\r' : '\t\r')
  }
  stdin.on('data', onData)
  stdin.on('end', on.cancel)
  // A stream that was paused does not flow again by a listener alone.
  stdin.resume()
  const close = (): void => {
    stdin.off('data', onData)
    stdin.off('end', on.cancel)
    stdin.pause()
  }
  return { input, close }
}

/** The prompts ask the environment for colours, at every frame; `--no-color` is not there. */
async function withColorChoice<T>(terminal: Terminal, run: () => Promise<T>): Promise<T> {
  if (terminal.err.canColor) return run()
  const { NO_COLOR, FORCE_COLOR } = process.env
  process.env['NO_COLOR'] = '1'
  delete process.env['FORCE_COLOR']
  try {
    return await run()
  } finally {
    if (NO_COLOR === undefined) delete process.env['NO_COLOR']
    if (FORCE_COLOR !== undefined) process.env['FORCE_COLOR'] = FORCE_COLOR
  }
}
