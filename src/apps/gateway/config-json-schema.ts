/**
 * The configuration file as a JSON Schema, for editors: the `portolan` object from its zod schema with its own sentences and
 * defaults, the servers as all clients spell them. Looser than `portolan config check`, never stricter. Draft 7 is what VS Code
 * and JetBrains understand in full.
 */

import { z } from 'zod'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import { DEFAULTS, portolanSchema } from './config-schema.ts'

/** Plain data; the same for the same version of Portolan. */
export function configJsonSchema(): JsonObject {
  const servers = { $ref: '#/definitions/servers' }
  const { definitions, ...portolan } = portolanPart()
  const place = (description: string): JsonObject => ({ description, ...servers })
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Portolan configuration',
    description: 'MCP servers as clients write them, and an optional portolan object. portolan config check finds more than a schema can.',
    type: 'object',
    // Both are VS Code's own; others ignore them.
    allowComments: true,
    allowTrailingCommas: true,
    properties: {
      $schema: { type: 'string', description: 'Where an editor finds this schema' },
      mcpServers: {
        description: 'The servers, by name, as most clients write them; Continue writes a list',
        anyOf: [servers, { type: 'array', items: { allOf: [{ $ref: '#/definitions/server' }, { required: ['name'], properties: { name: { type: 'string' } } }] } }],
      },
      servers: place('The servers, by name, as VS Code writes them'),
      context_servers: place('The servers, by name, as Zed writes them'),
      'amp.mcpServers': place('The servers, by name, as Amp writes them'),
      mcp: { type: 'object', description: 'The servers as VS Code settings, OpenCode and Crush write them', properties: { servers, mcpServers: servers } },
      inputs: { type: 'array', description: 'VS Code: what ${input:id} refers to; PORTOLAN_INPUT_ID of the environment answers it' },
      portolan,
    },
    // Paths in a schema start at its root: what the part refers to stands there too.
    definitions: { ...(isJsonObject(definitions) ? definitions : {}), server: SERVER, servers: { type: 'object', additionalProperties: { $ref: '#/definitions/server' } } },
  }
}

function portolanPart(): JsonObject {
  // Through JSON, which leaves nothing but data.
  const schema: JsonValue = JSON.parse(JSON.stringify(z.toJSONSchema(portolanSchema, { target: 'draft-7', io: 'input', unrepresentable: 'any' })))
  if (!isJsonObject(schema)) throw new TypeError('The schema of portolan is no object')
  const { $schema: _draft, ...rest } = schema
  return { description: 'Settings of Portolan itself; clients pass it over', ...withDefaults(rest, DEFAULTS) }
}

/** `servers` is a map of what `DEFAULTS.server` says once. */
function withDefaults(schema: JsonObject, defaults: unknown): JsonObject {
  const { properties } = schema
  if (properties === undefined || !isJsonObject(properties) || !isJsonObject(defaults)) return schema
  const filled = Object.entries(properties).map(([key, value]): [string, JsonValue] => {
    if (!isJsonObject(value)) return [key, value]
    const fallback = defaults[key]
    const each = value['additionalProperties']
    if (key === 'servers' && each !== undefined && isJsonObject(each)) return [key, { ...value, additionalProperties: withDefaults(each, defaults['server']) }]
    if (fallback === undefined || isJsonObject(fallback)) return [key, withDefaults(value, fallback)]
    return [key, typeof fallback === 'string' && fallback.startsWith('<') ? value : { ...value, default: fallback }]
  })
  return { ...schema, properties: Object.fromEntries(filled) }
}

const REFERENCES = 'Secrets are references: env:NAME, file:/path, ${NAME}, ${file:/path}'
const SCALAR: JsonObject = { type: ['string', 'number', 'boolean'] }
const TEXT: JsonObject = { type: 'string', minLength: 1 }
const MAP: JsonObject = { type: 'object', additionalProperties: SCALAR }
const WORDS: JsonObject = { type: 'array', items: SCALAR }

const SERVER: JsonObject = {
  type: 'object',
  description: 'One server: a program to start, or the URL of one that runs. What only clients understand may stand here too',
  properties: {
    type: {
      description: 'Its kind, where a client needs it',
      enum: ['stdio', 'local', 'http', 'sse', 'streamable-http', 'streamableHttp', 'streamable_http', 'remote'],
    },
    command: { description: 'The program to start; a list holds its arguments too', anyOf: [TEXT, { ...WORDS, minItems: 1 }] },
    args: { description: `Its arguments. ${REFERENCES}`, ...WORDS },
    env: { description: `Its environment, besides what programs need to run. ${REFERENCES}`, ...MAP },
    environment: { description: 'As env, in OpenCode', ...MAP },
    envFile: { description: 'A file of NAME=value lines; env wins over it', ...TEXT },
    cwd: { description: 'Where it is started', ...TEXT },
    url: { description: 'Where the server is', ...TEXT },
    httpUrl: { description: 'As url, in Gemini CLI', ...TEXT },
    serverUrl: { description: 'As url, in Windsurf', ...TEXT },
    headers: { description: `Sent with every request. ${REFERENCES}`, ...MAP },
    requestInit: { description: 'Copilot in JetBrains keeps its headers here', type: 'object', properties: { headers: MAP } },
    disabled: { description: 'true leaves the server out', type: 'boolean' },
    enabled: { description: 'false leaves the server out', type: 'boolean' },
  },
  anyOf: ['command', 'cmd', 'url', 'httpUrl', 'serverUrl', 'uri'].map((key) => ({ required: [key] })),
}
