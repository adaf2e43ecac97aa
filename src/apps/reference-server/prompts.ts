// Prompts: without and with arguments, with every kind of content, with completion, and one that asks before it answers.
import { completable, inputRequired } from '@modelcontextprotocol/server'
import type { GetPromptResult, McpServer, PromptMessage, RegisteredPrompt } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { accepted, ASK_CONTEXT } from './input.ts'
import { RED_PIXEL_PNG } from './media.ts'

const ARG1_VALUES = ['testAlpha', 'testBeta', 'testValue1', 'unlike']
const TWO_ARGUMENTS = z.object({
  arg1: completable(z.string().describe('First test argument'), (typed) =>
    ARG1_VALUES.filter((value) => value.startsWith(typed)),
  ),
  arg2: z.string().describe('Second test argument'),
})
const RESOURCE_ARGUMENT = z.object({ resourceUri: z.string().describe('URI of the resource to embed') })
const NO_ARGUMENTS = z.object({})

function messages(...contents: readonly PromptMessage['content'][]): GetPromptResult {
  return { messages: contents.map((content) => ({ role: 'user', content })) }
}

function textContent(value: string): PromptMessage['content'] {
  return { type: 'text', text: value }
}

/** Registers every prompt. Returns the one that `test_trigger_prompt_change` shows and hides. */
export function registerPrompts(server: McpServer): RegisteredPrompt {
  server.registerPrompt('test_simple_prompt', { title: 'Simple prompt', description: 'One text, no arguments' }, () =>
    messages(textContent('This is a simple prompt for testing.')),
  )
  server.registerPrompt(
    'test_prompt_with_arguments',
    { title: 'Prompt with arguments', description: 'Shows its two arguments; arg1 can be completed', argsSchema: TWO_ARGUMENTS },
    ({ arg1, arg2 }) => messages(textContent(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  )
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    {
      title: 'Prompt with a resource',
      description: 'Embeds the resource that its argument names',
      argsSchema: RESOURCE_ARGUMENT,
    },
    ({ resourceUri }) =>
      messages(
        {
          type: 'resource',
          resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
        },
        textContent('Please process the embedded resource above.'),
      ),
  )
  server.registerPrompt('test_prompt_with_image', { title: 'Prompt with an image', description: 'An image and a text' }, () =>
    messages({ type: 'image', data: RED_PIXEL_PNG, mimeType: 'image/png' }, textContent('Please analyze the image above.')),
  )
  server.registerPrompt(
    'test_input_required_result_prompt',
    { title: 'Prompt that asks', description: 'Asks for a context before it answers', argsSchema: NO_ARGUMENTS },
    (_args, ctx) => {
      const context = accepted(ctx, 'user_context', ASK_CONTEXT.answer)?.context
      if (context === undefined) return inputRequired({ inputRequests: { user_context: ASK_CONTEXT.request } })
      return messages(textContent(`Use the following context: ${context}`))
    },
  )
  return server.registerPrompt(
    'test_optional_prompt',
    { description: 'Listed after an odd number of test_trigger_prompt_change calls' },
    () => messages(textContent('The optional prompt was there')),
  )
}
