// Tools for every pattern of multi round-trip requests (2026-07-28, basic/patterns/mrtr): one kind of input, several at once,
// several rounds, sealed state, state alone, and only what the client declared.
import { CLIENT_CAPABILITIES_META_KEY, inputRequired, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import type { InputRequests, ServerContext } from '@modelcontextprotocol/server'
import { z } from 'zod'
import {
  accepted, ASK_COLOR, ASK_CONFIRMATION, ASK_NAME, ASK_STEP_NAME, listedRoots, roots, sampledText, sampling,
} from './input.ts'
import type { ReferenceState, RoundState } from './state.ts'
import { plainTool, text } from './tool.ts'
import type { ToolAnswer, ToolFixture } from './tool.ts'

const PREFIX = 'test_input_required_result'
const GREETING_TOKENS = 50
const INPUT_CAPABILITIES = z.object({ elicitation: z.unknown(), sampling: z.unknown(), roots: z.unknown() }).partial()
// The SDK's type of the envelope has no members.
const ENVELOPE = z.object({ [CLIENT_CAPABILITIES_META_KEY]: INPUT_CAPABILITIES.optional() })

function round(
  name: string,
  description: string,
  call: (ctx: ServerContext, state: ReferenceState, tool: string) => ToolAnswer | Promise<ToolAnswer>,
): ToolFixture {
  const toolName = `${PREFIX}_${name}`
  return plainTool(toolName, description, (ctx, state) => call(ctx, state, toolName))
}

/** The verified state of an earlier round of this tool; the state of another tool is as good as forged. */
function stateOf(ctx: ServerContext, toolName: string): RoundState | undefined {
  const state = ctx.mcpReq.requestState<RoundState>()
  if (state === undefined || state.tool === toolName) return state
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'requestState of another tool')
}

async function askWithState(inputRequests: InputRequests, state: ReferenceState, sealed: RoundState): Promise<ToolAnswer> {
  return inputRequired({ inputRequests, requestState: await state.requestState.mint(sealed) })
}

async function multipleInputs(ctx: ServerContext, state: ReferenceState, toolName: string): Promise<ToolAnswer> {
  const name = accepted(ctx, 'user_name', ASK_NAME.answer)?.name
  const greeting = sampledText(ctx, 'greeting')
  const clientRoots = listedRoots(ctx, 'client_roots')
  if (name !== undefined && greeting !== undefined && clientRoots !== undefined) {
    return text(`${greeting} ${name}: ${clientRoots.length} root(s) visible`)
  }
  const askGreeting = sampling('Generate a greeting', GREETING_TOKENS)
  const inputRequests = { user_name: ASK_NAME.request, greeting: askGreeting, client_roots: roots() }
  return askWithState(inputRequests, state, { tool: toolName })
}

async function multiRound(ctx: ServerContext, state: ReferenceState, toolName: string): Promise<ToolAnswer> {
  const before = stateOf(ctx, toolName)
  if (before?.round === undefined) return askWithState({ step1: ASK_STEP_NAME.request }, state, { tool: toolName, round: 1 })
  if (before.round === 1) {
    const name = accepted(ctx, 'step1', ASK_STEP_NAME.answer)?.name ?? 'unknown'
    return askWithState({ step2: ASK_COLOR.request }, state, { tool: toolName, round: 2, name })
  }
  const color = accepted(ctx, 'step2', ASK_COLOR.answer)?.color ?? 'unknown'
  return text(`Multi-round complete: ${before.name ?? 'unknown'} likes ${color}`)
}

function declaredOnly(ctx: ServerContext): ToolAnswer {
  if (ctx.mcpReq.inputResponses !== undefined) return text('Only declared kinds of input were asked for')
  const declared = ENVELOPE.parse(ctx.mcpReq.envelope ?? {})[CLIENT_CAPABILITIES_META_KEY]
  const inputRequests: InputRequests = {
    ...(declared?.elicitation !== undefined && { user_name: ASK_NAME.request }),
    ...(declared?.sampling !== undefined && { greeting: sampling('Generate a short greeting', GREETING_TOKENS) }),
    ...(declared?.roots !== undefined && { client_roots: roots() }),
  }
  return Object.keys(inputRequests).length === 0 ? text('The client declared no kind of input') : inputRequired({ inputRequests })
}

async function confirmed(ctx: ServerContext, state: ReferenceState, toolName: string, done: string): Promise<ToolAnswer> {
  const confirmation = accepted(ctx, 'confirm', ASK_CONFIRMATION.answer)
  if (confirmation === undefined) return askWithState({ confirm: ASK_CONFIRMATION.request }, state, { tool: toolName })
  // A confirmation without the state that it belongs to confirms nothing.
  if (stateOf(ctx, toolName) === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'requestState is missing')
  return text(done)
}

/** Multi round-trip tools. */
export const INPUT_REQUIRED_TOOLS: readonly ToolFixture[] = [
  round('elicitation', 'Asks for a name', (ctx) => {
    const name = accepted(ctx, 'user_name', ASK_NAME.answer)?.name
    return name === undefined ? inputRequired({ inputRequests: { user_name: ASK_NAME.request } }) : text(`Hello, ${name}!`)
  }),
  round('sampling', 'Asks for a completion', (ctx) => {
    const capital = sampledText(ctx, 'capital_question')
    if (capital !== undefined) return text(`Sampling response: ${capital}`)
    return inputRequired({ inputRequests: { capital_question: sampling('What is the capital of France?', 100) } })
  }),
  round('list_roots', 'Asks for the roots of the client', (ctx) => {
    const clientRoots = listedRoots(ctx, 'client_roots')
    if (clientRoots === undefined) return inputRequired({ inputRequests: { client_roots: roots() } })
    return text(`Client exposed ${clientRoots.length} root(s): ${clientRoots.map((root) => root.uri).join(', ')}`)
  }),
  round('request_state', 'Asks with a state that the retry must return', (ctx, state, name) =>
    confirmed(ctx, state, name, 'state-ok: requestState verified and confirmation received'),
  ),
  round('tampered_state', 'Refuses a state that was changed', (ctx, state, name) =>
    confirmed(ctx, state, name, 'integrity-ok: requestState verified'),
  ),
  round('multiple_inputs', 'Asks for a form, a completion and roots at once', multipleInputs),
  round('multi_round', 'Asks twice, with a state that changes', multiRound),
  round('state_only', 'Asks for nothing but a retry', async (ctx, state, name) =>
    stateOf(ctx, name) === undefined
      ? inputRequired({ requestState: await state.requestState.mint({ tool: name }) })
      : text('Retried with the state'),
  ),
  round('capabilities', 'Asks only for what the client declared', declaredOnly),
]
