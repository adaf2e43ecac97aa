// Tools that show every kind of content, structured output and how a tool fails.
import { fromJsonSchema } from '@modelcontextprotocol/server'
import type { CallToolResult } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { RED_PIXEL_PNG, SILENT_WAV } from './media.ts'
import { plainTool, text, tool } from './tool.ts'
import type { ToolFixture } from './tool.ts'

const FORECAST = z.object({
  city: z.string(),
  temperature: z.number().describe('In degrees Celsius'),
  conditions: z.enum(['sunny', 'cloudy', 'rainy']),
})
const FORECAST_INPUT = z.object({ city: z.string().default('Lisbon') })
const NOTHING = z.object({})
const WORDS = fromJsonSchema<string[]>({ type: 'array', items: { type: 'string' } })

const HARMLESS = { readOnlyHint: true, idempotentHint: true, openWorldHint: false }
const IMAGE = { type: 'image', data: RED_PIXEL_PNG, mimeType: 'image/png' } as const

/** Tools without arguments that always give the same result. */
const FIXED: readonly (readonly [name: string, description: string, result: CallToolResult])[] = [
  ['test_simple_text', 'Answers with one text', text('This is a simple text response for testing.')],
  ['test_image_content', 'Answers with an image', { content: [IMAGE] }],
  ['test_audio_content', 'Answers with a sound', { content: [{ type: 'audio', data: SILENT_WAV, mimeType: 'audio/wav' }] }],
  [
    'test_embedded_resource',
    'Answers with the content of a resource',
    {
      content: [
        {
          type: 'resource',
          resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' },
        },
      ],
    },
  ],
  [
    'test_resource_link',
    'Answers with links to two resources, annotated',
    {
      content: [
        { type: 'resource_link', uri: 'test://static-text', name: 'static-text', mimeType: 'text/plain', size: 48 },
        {
          type: 'resource_link',
          uri: 'test://static-binary',
          name: 'static-binary',
          title: 'One red pixel',
          mimeType: 'image/png',
          annotations: { audience: ['user'], priority: 0.5, lastModified: '2026-07-28T00:00:00Z' },
        },
      ],
    },
  ],
  [
    'test_multiple_content_types',
    'Answers with a text, an image and a resource',
    {
      content: [
        { type: 'text', text: 'Multiple content types test:' },
        IMAGE,
        {
          type: 'resource',
          resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' },
        },
      ],
      _meta: { 'dev.portolan/fixture': 'mixed' },
    },
  ],
  ['test_streaming_elicitation', 'Answers without asking for anything', text('No request was sent to the client.')],
]

/** Content of every kind; results with and without structure; a failure. */
export const CONTENT_TOOLS: readonly ToolFixture[] = [
  ...FIXED.map(([name, description, result]) => plainTool(name, description, () => result, HARMLESS)),
  plainTool('test_error_handling', 'Always fails', () => {
    throw new Error('This tool intentionally returns an error for testing')
  }),
  tool(
    'test_structured_output',
    {
      title: 'Weather forecast',
      description: 'Answers with an object that its output schema describes, and the same as text',
      inputSchema: FORECAST_INPUT,
      outputSchema: FORECAST,
      annotations: { readOnlyHint: true },
    },
    ({ city }) => {
      const forecast = { city, temperature: 21.5, conditions: 'sunny' }
      return { content: [{ type: 'text', text: JSON.stringify(forecast) }], structuredContent: forecast }
    },
  ),
  tool(
    'test_structured_list',
    {
      description: 'Answers with an array that its output schema describes: such schemas exist from 2026-07-28 on',
      inputSchema: NOTHING,
      outputSchema: WORDS,
      annotations: { readOnlyHint: true },
    },
    () => ({ content: [{ type: 'text', text: '["north","south"]' }], structuredContent: ['north', 'south'] }),
  ),
]
