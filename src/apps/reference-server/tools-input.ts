// Tools that ask the client once: for a completion, a form, a visit to a URL or its roots.
import { randomUUID } from 'node:crypto'
import { inputRequired, inputResponse, UrlElicitationRequiredError } from '@modelcontextprotocol/server'
import type { ElicitRequestFormParams, ElicitRequestURLParams, InputRequest } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { form, formAnswer, listedRoots, roots, sampledText, sampling, textForm } from './input.ts'
import { isModern, plainTool, text, tool } from './tool.ts'
import type { ToolFixture } from './tool.ts'

const ANSWER = 'answer'
const MAX_TOKENS = 100
const PROMPT = z.object({ prompt: z.string().describe('The prompt for the model') })
const MESSAGE = z.object({ message: z.string().describe('The message for the user') })
const OPTIONS = ['option1', 'option2', 'option3']
const CONSENT = { message: 'Please open this page and confirm', url: 'https://example.com/confirm' }

/** SEP-1034: a default of every primitive type. */
const DEFAULTS_FORM: ElicitRequestFormParams['requestedSchema'] = {
  type: 'object',
  properties: {
    name: { type: 'string', description: 'User name', default: 'John Doe' },
    age: { type: 'integer', description: 'User age', default: 30 },
    score: { type: 'number', description: 'User score', default: 95.5 },
    status: { type: 'string', description: 'User status', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', description: 'Verification status', default: true },
  },
  required: [],
}

/** SEP-1330: one choice and several, with titles and without, and the older form of titles. */
const ENUMS_FORM: ElicitRequestFormParams['requestedSchema'] = {
  type: 'object',
  properties: {
    untitledSingle: { type: 'string', description: 'Choose one', enum: OPTIONS },
    titledSingle: {
      type: 'string',
      description: 'Choose one by its title',
      oneOf: [
        { const: 'value1', title: 'First Option' },
        { const: 'value2', title: 'Second Option' },
        { const: 'value3', title: 'Third Option' },
      ],
    },
    legacyEnum: {
      type: 'string',
      description: 'Choose one by its name',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: {
      type: 'array',
      description: 'Choose up to three',
      minItems: 1,
      maxItems: 3,
      items: { type: 'string', enum: OPTIONS },
    },
    titledMulti: {
      type: 'array',
      description: 'Choose up to three by their titles',
      minItems: 1,
      maxItems: 3,
      items: {
        anyOf: [
          { const: 'value1', title: 'First Choice' },
          { const: 'value2', title: 'Second Choice' },
          { const: 'value3', title: 'Third Choice' },
        ],
      },
    },
  },
  required: [],
}

const FORMS: readonly (readonly [name: string, description: string, request: InputRequest])[] = [
  [
    'test_elicitation_sep1034_defaults',
    'Asks for a form with a default in every field',
    form('Please review and update the form fields with defaults', DEFAULTS_FORM),
  ],
  [
    'test_elicitation_sep1330_enums',
    'Asks for a form with every kind of choice',
    form('Please select options from the enum fields', ENUMS_FORM),
  ],
]

const formTools = FORMS.map(([name, description, request]) =>
  plainTool(name, description, (ctx) => {
    const answer = formAnswer(ctx, ANSWER)
    if (answer === undefined) return inputRequired({ inputRequests: { [ANSWER]: request } })
    return text(`Elicitation completed: action=${answer.action}, content=${JSON.stringify(answer.content)}`)
  }),
)

/**
 * Until 2025-11-25 a visit has an id, and the client is told when it is over (elicitation, URL mode); from 2026-07-28 on it
 * has neither. The id travels from the first round to the second inside the sealed state.
 */
const urlTool = plainTool('test_elicitation_url', 'Asks the user to visit a URL', async (ctx, state) => {
  const answer = inputResponse(ctx.mcpReq.inputResponses, ANSWER)
  if (answer.kind === 'elicit') {
    const elicitationId = ctx.mcpReq.requestState<{ elicitationId?: string }>()?.elicitationId
    if (answer.action === 'accept' && elicitationId !== undefined) {
      await ctx.mcpReq.notify({ method: 'notifications/elicitation/complete', params: { elicitationId } })
    }
    return text(`URL elicitation: action=${answer.action}`)
  }
  if (isModern(ctx)) return inputRequired({ inputRequests: { [ANSWER]: inputRequired.elicitUrl(CONSENT) } })
  const visit: ElicitRequestURLParams = { mode: 'url', ...CONSENT, elicitationId: randomUUID() }
  return inputRequired({
    inputRequests: { [ANSWER]: { method: 'elicitation/create', params: visit } },
    requestState: await state.requestState.mint({ tool: 'test_elicitation_url', elicitationId: visit.elicitationId }),
  })
})

/** Tools that need one answer of the client. */
export const INPUT_TOOLS: readonly ToolFixture[] = [
  tool('test_sampling', { description: 'Asks the model of the client', inputSchema: PROMPT }, ({ prompt }, ctx) => {
    const answer = sampledText(ctx, ANSWER)
    if (answer === undefined) return inputRequired({ inputRequests: { [ANSWER]: sampling(prompt, MAX_TOKENS) } })
    return text(`LLM response: ${answer}`)
  }),
  tool('test_elicitation', { description: 'Asks the user for one text', inputSchema: MESSAGE }, ({ message }, ctx) => {
    const answer = formAnswer(ctx, ANSWER)
    if (answer === undefined) return inputRequired({ inputRequests: { [ANSWER]: form(message, textForm('response')) } })
    return text(`User response: action=${answer.action}, content=${JSON.stringify(answer.content)}`)
  }),
  ...formTools,
  urlTool,
  // Until 2025-11-25 a server may also refuse with -32042; from 2026-07-28 on that error does not exist.
  plainTool('test_elicitation_url_required', 'Refuses until the user visited a URL', (ctx) => {
    if (!isModern(ctx)) throw new UrlElicitationRequiredError([{ mode: 'url', ...CONSENT, elicitationId: randomUUID() }])
    const answer = inputResponse(ctx.mcpReq.inputResponses, ANSWER)
    if (answer.kind === 'elicit') return text(`URL elicitation: action=${answer.action}`)
    return inputRequired({ inputRequests: { [ANSWER]: inputRequired.elicitUrl(CONSENT) } })
  }),
  plainTool('test_list_roots', 'Asks the client for its roots', (ctx) => {
    const answer = listedRoots(ctx, ANSWER)
    if (answer === undefined) return inputRequired({ inputRequests: { [ANSWER]: roots() } })
    return text(`Roots: ${answer.map((root) => root.uri).join(', ')}`)
  }),
  plainTool('test_missing_capability', 'Needs the sampling capability', (ctx) => {
    if (sampledText(ctx, ANSWER) !== undefined) return text('The client completed the prompt')
    return inputRequired({ inputRequests: { [ANSWER]: sampling('Reply with the single word: pong', MAX_TOKENS) } })
  }),
]
