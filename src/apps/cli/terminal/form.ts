/**
 * Elicitation in the terminal (2025-11-25 and 2026-07-28, client/elicitation): a form or the visit of a URL. The asking
 * server is named first, declining and cancelling are always possible and distinct (Ctrl-D declines, Esc and Ctrl-C cancel),
 * and nothing is sent before the person has seen all of it. Nobody there to ask: `cancel`, with a line that says so.
 */

import { z } from 'zod'
import { openDialog, KEYS_HELP, sayNobody } from './dialog.ts'
import type { Choice, Dialog, Reply } from './dialog.ts'
import { choiceProblem, fieldHint, formFields, parseAnswer } from './form-field.ts'
import type { FormField, FormValue } from './form-field.ts'
import { safeLine, safeName } from './safe-text.ts'
import type { Terminal } from './terminal.ts'
import { askVisit } from './url-visit.ts'
import type { OpenUrl } from './url-visit.ts'

/** An ElicitResult. */
export type ElicitAnswer =
  | { action: 'accept'; content?: Record<string, FormValue> }
  | { action: 'decline' }
  | { action: 'cancel' }

export interface Question {
  /** The server that asks, as the person knows it. */
  readonly server: string
  /** The server took the question back, or the call ended: the answer is `cancel`. */
  readonly signal?: AbortSignal
  /** Opens a page after consent; the system's browser where not given. */
  readonly openUrl?: OpenUrl
}

const PARAMS = z.object({
  mode: z.string().optional(),
  message: z.string().catch(''),
  url: z.string().optional(),
  requestedSchema: z.unknown().optional(),
})

/** Answers `elicitation/create` of either mode; `params` are as they came from the server. */
export async function askElicitation(terminal: Terminal, params: unknown, question: Question): Promise<ElicitAnswer> {
  const request = PARAMS.safeParse(params).data
  if (request === undefined) return { action: 'cancel' }
  if (!terminal.isInteractive) {
    sayNobody(terminal, question.server, 'information', request.message)
    return { action: 'cancel' }
  }
  return terminal.exclusively(async () => {
    const dialog = await openDialog(terminal, question.signal)
    const answer = request.mode === 'url'
      ? await askVisit(terminal, dialog, { ...question, message: request.message, url: request.url ?? '' })
      : await askForm(dialog, question.server, request)
    if (question.signal?.aborted === true) dialog.say('The question was taken back.', 'dim')
    return answer
  })
}

async function askForm(dialog: Dialog, server: string, request: z.infer<typeof PARAMS>): Promise<ElicitAnswer> {
  dialog.title(`${server} asks for information`)
  if (request.message !== '') dialog.say(request.message)
  const fields = formFields(request.requestedSchema)
  const unknown = fields?.find(({ kind, isRequired }) => kind === 'unknown' && isRequired)
  if (fields === undefined || unknown !== undefined) {
    dialog.say(`It asks in a way that no form can show${unknown === undefined ? '' : ` ("${unknown.label}")`}. It was told "cancel".`, 'yellow')
    return { action: 'cancel' }
  }
  warnOfSecrets(dialog, server, fields)
  dialog.say(KEYS_HELP, 'dim')
  const answers = new Map<string, FormValue>()
  for (const field of fields) {
    const reply = await askField(dialog, field, initialOf(field))
    if (reply.action !== 'accept') return reply
    keep(answers, field, reply.value)
  }
  return review(dialog, server, fields, answers)
}

/** Servers must not ask for passwords, keys and the like in a form (elicitation, form mode security). */
function warnOfSecrets(dialog: Dialog, server: string, fields: readonly FormField[]): void {
  const secrets = fields.filter(({ isSecret }) => isSecret).map(({ label }) => label)
  if (secrets.length === 0) return
  dialog.say(`Warning: "${secrets.join('", "')}" looks like a password or key. Servers must not ask for those in a form, and ${server} will see what you type. Decline (Ctrl-D) unless you know why it is asked.`, 'yellow')
}

function keep(answers: Map<string, FormValue>, { name }: FormField, value: FormValue | undefined): void {
  if (value === undefined) answers.delete(name)
  else answers.set(name, value)
}

function initialOf(field: FormField): FormValue | undefined {
  if (field.kind === 'unknown') return undefined
  return field.kind === 'several' ? [...field.initial] : field.initial
}

async function askField(dialog: Dialog, field: FormField, initial: FormValue | undefined): Promise<Reply<FormValue | undefined>> {
  const hint = fieldHint(field)
  const message = `${field.label}${field.isRequired ? '' : ' (optional)'}${hint === '' ? '' : `: ${hint}`}`
  if (field.kind === 'unknown') {
    dialog.say(`${field.label} is left out: no form can show it.`, 'dim')
    return { action: 'accept', value: undefined }
  }
  if (field.description !== undefined) dialog.say(`\n${field.description}`, 'dim')
  if (field.kind === 'boolean') return dialog.one(message, choicesOf(field, [{ value: true, label: 'Yes' }, { value: false, label: 'No' }]), booleanOf(initial))
  if (field.kind === 'one') return dialog.one(message, choicesOf(field, titled(field.choices)), textOf(initial))
  if (field.kind === 'several') return askSeveral(dialog, field, message, Array.isArray(initial) ? initial : [])
  const problem = (answer: string): string | undefined => {
    const parsed = parseAnswer(field, answer)
    return parsed.ok ? undefined : parsed.problem
  }
  const placeholder = field.isRequired ? undefined : 'Enter leaves it out'
  const reply = await dialog.text({ message, problem, isSecret: field.isSecret, placeholder, initial: initial === undefined ? undefined : String(initial) })
  if (reply.action !== 'accept') return reply
  // A default is shown with what is unseen in it made visible; left as it stands, it is the default itself.
  if (typeof initial === 'string' && reply.value === safeName(initial)) return { action: 'accept', value: initial }
  const parsed = parseAnswer(field, reply.value)
  return { action: 'accept', value: parsed.ok ? parsed.value : undefined }
}

async function askSeveral(dialog: Dialog, field: FormField & { readonly kind: 'several' }, message: string, initial: readonly string[]): Promise<Reply<FormValue | undefined>> {
  for (let chosen = initial; ; ) {
    const reply = await dialog.several(message, titled(field.choices), chosen)
    if (reply.action !== 'accept') return reply
    chosen = reply.value
    const problem = choiceProblem(field, chosen.length)
    if (problem === undefined) return { action: 'accept', value: chosen.length === 0 && !field.isRequired ? undefined : [...chosen] }
    dialog.say(problem, 'yellow')
  }
}

/** The last choice of what is optional leaves it out. */
function choicesOf<T>({ isRequired }: FormField, choices: readonly Choice<T>[]): Choice<T | undefined>[] {
  return isRequired ? [...choices] : [...choices, { value: undefined, label: 'No answer' }]
}

function titled(choices: (FormField & { readonly kind: 'one' })['choices']): Choice<string>[] {
  return choices.map(({ value, title: label }) => ({ value, label, hint: label === value ? undefined : value }))
}

function booleanOf(value: FormValue | undefined): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined
}

function textOf(value: FormValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

type Step = { step: 'send' } | { step: 'decline' } | { step: 'change'; field: FormField }

async function review(dialog: Dialog, server: string, fields: readonly FormField[], answers: Map<string, FormValue>): Promise<ElicitAnswer> {
  const changeable = fields.filter(({ kind }) => kind !== 'unknown')
  for (;;) {
    dialog.say(changeable.length === 0 ? '' : `\nThis is sent to ${server}:`)
    for (const field of changeable) dialog.say(`  ${field.label}: ${shownAnswer(field, answers.get(field.name))}`)
    const reply = await dialog.one<Step>('Send it?', [
      { value: { step: 'send' }, label: 'Send' },
      ...changeable.map((field): Choice<Step> => ({ value: { step: 'change', field }, label: `Change ${field.label}` })),
      { value: { step: 'decline' }, label: 'Decline', hint: 'tells the server no' },
    ])
    if (reply.action !== 'accept') return reply
    if (reply.value.step === 'decline') return { action: 'decline' }
    if (reply.value.step === 'send') return { action: 'accept', content: Object.fromEntries(answers) }
    const { field } = reply.value
    const changed = await askField(dialog, field, answers.get(field.name))
    if (changed.action !== 'accept') return changed
    keep(answers, field, changed.value)
  }
}

function shownAnswer(field: FormField, value: FormValue | undefined): string {
  if (value === undefined) {
    const fallback = initialOf(field)
    const isBare = fallback === undefined || (Array.isArray(fallback) && fallback.length === 0)
    return isBare ? '(left out)' : `(left out: its default is ${field.isSecret ? 'hidden' : shownAnswer(field, fallback)})`
  }
  if (field.isSecret) return '(hidden)'
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.join(', ')
  return typeof value === 'boolean' ? (value ? 'Yes' : 'No') : safeLine(String(value))
}
