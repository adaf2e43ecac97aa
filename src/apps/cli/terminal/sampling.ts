/**
 * `sampling/createMessage` answered by a person: messages and parameters are shown, the answer is typed (several lines),
 * reviewed, declined or cancelled.
 */

import { z } from 'zod'
import { openDialog, sayNobody } from './dialog.ts'
import type { Dialog } from './dialog.ts'
import type { Question } from './form.ts'
import type { Terminal } from './terminal.ts'

/** `result` is a CreateMessageResult; refusals are answered with a JSON-RPC error (-1: the user rejected the request). */
export type SamplingAnswer =
  | { action: 'accept'; result: { role: 'assistant'; model: string; stopReason: string; content: { type: 'text'; text: string } } }
  | { action: 'decline' }
  | { action: 'cancel' }

const MODEL = 'human'

const BLOCK = z.looseObject({ type: z.string() })
const REQUEST = z.object({
  messages: z.array(z.object({ role: z.string(), content: z.union([z.array(BLOCK), BLOCK]) })).catch([]),
  systemPrompt: z.string().optional().catch(undefined),
  maxTokens: z.number().optional().catch(undefined),
  temperature: z.number().optional().catch(undefined),
  stopSequences: z.array(z.string()).optional().catch(undefined),
  includeContext: z.string().optional().catch(undefined),
  modelPreferences: z.object({ hints: z.array(z.object({ name: z.string().optional() })).optional() }).optional().catch(undefined),
  tools: z.array(z.object({ name: z.string(), description: z.string().optional() })).optional().catch(undefined),
  toolChoice: z.object({ mode: z.string().optional() }).optional().catch(undefined),
})
type SamplingRequest = z.infer<typeof REQUEST>

/** Answers `sampling/createMessage`; `params` are as they came from the server. Nobody there to ask: `cancel`. */
export async function askSampling(terminal: Terminal, params: unknown, question: Question): Promise<SamplingAnswer> {
  const request = REQUEST.safeParse(params).data
  if (request === undefined) return { action: 'cancel' }
  if (!terminal.isInteractive) {
    sayNobody(terminal, question.server, 'a message of a model')
    return { action: 'cancel' }
  }
  return terminal.exclusively(async () => {
    const dialog = await openDialog(terminal, question.signal)
    dialog.title(`${question.server} asks for a message of a model; you can write it`)
    showRequest(dialog, request)
    const answer = await writeAnswer(dialog)
    if (question.signal?.aborted === true) dialog.say('The question was taken back.', 'dim')
    return answer
  })
}

async function writeAnswer(dialog: Dialog): Promise<SamplingAnswer> {
  for (let text = ''; ; ) {
    const written = await dialog.lines({
      message: 'Your answer: Ctrl-D when done, Esc cancels',
      initial: text,
      problem: (answer) => (answer.trim() === '' ? 'An answer is required; Esc cancels.' : undefined),
    })
    if (written.action !== 'accept') return written
    text = written.value
    const reply = await dialog.one<'send' | 'edit' | 'decline'>('Send it?', [
      { value: 'send', label: 'Send' },
      { value: 'edit', label: 'Edit it' },
      { value: 'decline', label: 'Decline', hint: 'tells the server no' },
    ])
    if (reply.action !== 'accept') return reply
    if (reply.value === 'decline') return { action: 'decline' }
    if (reply.value === 'send') return { action: 'accept', result: { role: 'assistant', model: MODEL, stopReason: 'endTurn', content: { type: 'text', text } } }
  }
}

function showRequest(dialog: Dialog, request: SamplingRequest): void {
  if (request.systemPrompt !== undefined) {
    dialog.say('\nSystem prompt:', 'bold')
    dialog.say(request.systemPrompt)
  }
  for (const { role, content } of request.messages) {
    dialog.say(`\n${role}:`, 'bold')
    for (const block of Array.isArray(content) ? content : [content]) dialog.say(blockText(block))
  }
  if (request.tools !== undefined && request.tools.length > 0) {
    dialog.say(`\nTools that a model could call (${request.toolChoice?.mode ?? 'auto'}):`, 'bold')
    for (const { name, description } of request.tools) dialog.say(`  ${name}${description === undefined ? '' : `: ${firstLine(description)}`}`)
  }
  dialog.say(`\n${parameterText(request)}`, 'dim')
}

function parameterText({ maxTokens, temperature, stopSequences, includeContext, modelPreferences }: SamplingRequest): string {
  const hints = modelPreferences?.hints?.flatMap(({ name }) => (name === undefined ? [] : [name])) ?? []
  return [
    ...(maxTokens === undefined ? [] : [`at most ${maxTokens} tokens`]),
    ...(temperature === undefined ? [] : [`temperature ${temperature}`]),
    ...(stopSequences === undefined || stopSequences.length === 0 ? [] : [`stops at ${stopSequences.map((stop) => JSON.stringify(stop)).join(', ')}`]),
    ...(hints.length === 0 ? [] : [`model like ${hints.join(', ')}`]),
    ...(includeContext === undefined || includeContext === 'none' ? [] : [`wants context: ${includeContext}`]),
  ].join(' · ')
}

function blockText(block: z.infer<typeof BLOCK>): string {
  if (block.type === 'text' && typeof block['text'] === 'string') return block['text']
  if (block.type === 'tool_use') return `calls ${String(block['name'])} with ${JSON.stringify(block['input'])}`
  if (block.type === 'tool_result') return `result of a call: ${JSON.stringify(block['content'])}`
  const mimeType = typeof block['mimeType'] === 'string' ? ` of ${block['mimeType']}` : ''
  return `(${block.type}${mimeType}, not shown here)`
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
