// Tools whose input schema is the fixture: written as JSON, so that tools/list shows every keyword as it stands here.
import { fromJsonSchema } from '@modelcontextprotocol/server'
import { text, tool } from './tool.ts'
import type { ToolFixture } from './tool.ts'

// 2026-07-28, basic/transports, custom headers: `region` and `depth` are mirrored into Mcp-Param-Region and Mcp-Param-Depth.
const MIRRORED_PROPERTIES = {
  region: { type: 'string', description: 'Mirrored into the header Mcp-Param-Region', 'x-mcp-header': 'Region' },
  depth: { type: 'integer', description: 'Mirrored into the header Mcp-Param-Depth', 'x-mcp-header': 'Depth' },
  level: { type: 'integer', description: 'Not mirrored' },
} as const
const MIRRORED = fromJsonSchema<{ region?: string; depth?: number; level?: number }>({
  type: 'object',
  properties: MIRRORED_PROPERTIES,
})

const READ_ONLY = { readOnlyHint: true }
const DRAFT_2020_12 = fromJsonSchema({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
})

/** Mirrored parameters, and the vocabulary of JSON Schema 2020-12. */
export const SCHEMA_TOOLS: readonly ToolFixture[] = [
  tool(
    'test_x_mcp_header',
    { description: 'Has parameters that are mirrored into HTTP headers', inputSchema: MIRRORED, annotations: READ_ONLY },
    ({ region, depth }) => text(`region=${region ?? '<none>'} depth=${depth ?? '<none>'}`),
  ),
  tool(
    'json_schema_2020_12_tool',
    { description: 'Has an input schema that needs JSON Schema 2020-12', inputSchema: DRAFT_2020_12, annotations: READ_ONLY },
    (args) => text(`JSON Schema 2020-12 tool called with: ${JSON.stringify(args)}`),
  ),
]
