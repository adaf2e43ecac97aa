// The requests for input that tools and prompts make, and how their answers are read. The same request works in both eras:
// towards a session of 2025-11-25 or older the SDK turns it into a request to the client and runs the handler again.
import { acceptedContent, inputRequired, inputResponse } from '@modelcontextprotocol/server'
import type { ElicitRequestFormParams, InputRequest, Root, ServerContext } from '@modelcontextprotocol/server'
import { z } from 'zod'

type FormSchema = ElicitRequestFormParams['requestedSchema']

/** A form of one required text field. */
export function textForm(field: string): FormSchema {
  return { type: 'object', properties: { [field]: { type: 'string' } }, required: [field] }
}

/** A request for a form. */
export function form(message: string, requestedSchema: FormSchema): InputRequest {
  return inputRequired.elicit({ message, requestedSchema })
}

/** A request for a completion of `prompt` by the client's model. */
export function sampling(prompt: string, maxTokens: number): InputRequest {
  return inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens })
}

/** A request for the client's roots. */
export function roots(): InputRequest {
  return inputRequired.listRoots()
}

const NAME = z.object({ name: z.string() })
const COLOR = z.object({ color: z.string() })
const CONTEXT = z.object({ context: z.string() })
const CONFIRMATION = z.object({ ok: z.boolean() })

/** The forms that more than one round uses, each with the schema that its answer must match. */
export const ASK_NAME = { request: form('What is your name?', textForm('name')), answer: NAME }
export const ASK_STEP_NAME = { request: form('Step 1: What is your name?', textForm('name')), answer: NAME }
export const ASK_COLOR = { request: form('Step 2: What is your favorite color?', textForm('color')), answer: COLOR }
export const ASK_CONTEXT = { request: form('What context should the prompt use?', textForm('context')), answer: CONTEXT }
export const ASK_CONFIRMATION = {
  request: form('Please confirm', { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] }),
  answer: CONFIRMATION,
}

/** The accepted form under `key`; undefined when it is missing, declined or does not match `schema`, and is asked again. */
export function accepted<Content>(ctx: ServerContext, key: string, schema: z.ZodType<Content>): Content | undefined {
  return acceptedContent(ctx.mcpReq.inputResponses, key, schema)
}

/** The answer to the form under `key`, whatever the user did with it. */
export function formAnswer(ctx: ServerContext, key: string): { action: string; content: Record<string, unknown> } | undefined {
  const response = inputResponse(ctx.mcpReq.inputResponses, key)
  return response.kind === 'elicit' ? { action: response.action, content: response.content ?? {} } : undefined
}

/** The text that the model gave under `key`; another kind of content is shown as JSON. */
export function sampledText(ctx: ServerContext, key: string): string | undefined {
  const response = inputResponse(ctx.mcpReq.inputResponses, key)
  if (response.kind !== 'sampling') return undefined
  const { content } = response.result
  return !Array.isArray(content) && content.type === 'text' ? content.text : JSON.stringify(content)
}

/** The roots that the client listed under `key`. */
export function listedRoots(ctx: ServerContext, key: string): readonly Root[] | undefined {
  const response = inputResponse(ctx.mcpReq.inputResponses, key)
  return response.kind === 'roots' ? response.roots : undefined
}
