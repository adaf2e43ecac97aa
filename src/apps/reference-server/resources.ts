// Resources: text, binary, templates with completion, one that changes, one that asks, and enough of them for several pages.
import { inputRequired, ProtocolError, ProtocolErrorCode, ResourceTemplate } from '@modelcontextprotocol/server'
import type {
  ListResourcesResult, McpServer, ReadResourceResult, RegisteredResource, Resource,
} from '@modelcontextprotocol/server'
import { accepted, ASK_NAME } from './input.ts'
import { RED_PIXEL_PNG } from './media.ts'
import { CANCELLED_CALLS_URI } from './state.ts'
import type { ReferenceState } from './state.ts'

const PAGE_SIZE = 20
const NUMBERED_COUNT = 30
const TEMPLATE_IDS = ['alpha', 'beta', 'gamma']

const STATIC_TEXT: Resource = {
  uri: 'test://static-text',
  name: 'static-text',
  title: 'Static text',
  description: 'A text that never changes',
  mimeType: 'text/plain',
}
const STATIC_BINARY: Resource = {
  uri: 'test://static-binary',
  name: 'static-binary',
  title: 'Static image',
  description: 'One red pixel',
  mimeType: 'image/png',
}
const WATCHED: Resource = {
  uri: 'test://watched-resource',
  name: 'watched-resource',
  title: 'Watched resource',
  description: 'For subscriptions',
  mimeType: 'text/plain',
}
const CANCELLED_CALLS: Resource = {
  uri: CANCELLED_CALLS_URI,
  name: 'cancelled-calls',
  description: 'How many test_wait calls were cancelled',
  mimeType: 'text/plain',
}
const ASKING: Resource = {
  uri: 'test://input-required',
  name: 'input-required',
  description: 'Asks for a name before it is read',
  mimeType: 'text/plain',
}
const OPTIONAL: Resource = {
  uri: 'test://optional-resource',
  name: 'optional-resource',
  description: 'Listed after an odd number of test_trigger_resource_change calls',
  mimeType: 'text/plain',
}
const NUMBERED: readonly Resource[] = Array.from({ length: NUMBERED_COUNT }, (_, index) => ({
  uri: `test://numbered/${index + 1}`,
  name: `numbered-${index + 1}`,
  mimeType: 'text/plain',
}))
const LISTED: readonly Resource[] = [STATIC_TEXT, STATIC_BINARY, WATCHED, CANCELLED_CALLS, ASKING, ...NUMBERED]

// A read of a resource that never changes may be shared by all clients for a minute (2026-07-28, caching).
const UNCHANGING = { ttlMs: 60_000, cacheScope: 'public' } as const

const DATA_TEMPLATE = new ResourceTemplate('test://template/{id}/data', {
  list: undefined,
  complete: { id: (value) => TEMPLATE_IDS.filter((id) => id.startsWith(value)) },
})
const DATA_METADATA = { title: 'Data by id', description: 'JSON about any id', mimeType: 'application/json' }
const NUMBERED_TEMPLATE = new ResourceTemplate('test://numbered/{number}', { list: undefined })
const NUMBERED_METADATA = { description: 'A text that names its number', mimeType: 'text/plain' }

function textOf({ uri, mimeType }: Pick<Resource, 'uri' | 'mimeType'>, text: string): ReadResourceResult {
  return { contents: [{ uri, ...(mimeType !== undefined && { mimeType }), text }] }
}

/** The page of `resources/list` after `cursor`. A cursor that was not given out is refused with -32602. */
function listPage(resources: readonly Resource[], cursor: string | undefined): ListResourcesResult {
  const start = cursor === undefined ? 0 : Number(Buffer.from(cursor, 'base64url').toString())
  if (!Number.isInteger(start) || start < 0 || start > resources.length || (cursor !== undefined && start === 0)) {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'Unknown cursor')
  }
  const end = start + PAGE_SIZE
  const page = resources.slice(start, end)
  if (end >= resources.length) return { resources: page }
  return { resources: page, nextCursor: Buffer.from(String(end)).toString('base64url') }
}

function metadata({ uri: _uri, name: _name, ...rest }: Resource): Omit<Resource, 'uri' | 'name'> {
  return rest
}

/** Registers every resource and template. Returns the resource that `test_trigger_resource_change` shows and hides. */
export function registerResources(server: McpServer, state: ReferenceState): RegisteredResource {
  const fixed = (resource: Resource, read: () => ReadResourceResult): RegisteredResource =>
    server.registerResource(resource.name, resource.uri, { ...metadata(resource), cacheHint: UNCHANGING }, read)
  fixed(STATIC_TEXT, () => textOf(STATIC_TEXT, 'This is the content of the static text resource.'))
  fixed(STATIC_BINARY, () => ({ contents: [{ uri: STATIC_BINARY.uri, mimeType: 'image/png', blob: RED_PIXEL_PNG }] }))
  server.registerResource(WATCHED.name, WATCHED.uri, metadata(WATCHED), () => textOf(WATCHED, 'Watched resource content'))
  server.registerResource(CANCELLED_CALLS.name, CANCELLED_CALLS.uri, metadata(CANCELLED_CALLS), () =>
    textOf(CANCELLED_CALLS, String(state.cancelledCallCount())),
  )
  server.registerResource(ASKING.name, ASKING.uri, metadata(ASKING), (_uri, ctx) => {
    const name = accepted(ctx, 'user_name', ASK_NAME.answer)?.name
    if (name === undefined) return inputRequired({ inputRequests: { user_name: ASK_NAME.request } })
    return textOf(ASKING, `Read by ${name}`)
  })
  server.registerResource('template', DATA_TEMPLATE, DATA_METADATA, (uri, { id }) => {
    const data = { id, templateTest: true, data: `Data for ID: ${String(id)}` }
    return textOf({ uri: uri.toString(), mimeType: 'application/json' }, JSON.stringify(data))
  })
  server.registerResource('numbered', NUMBERED_TEMPLATE, NUMBERED_METADATA, (uri, { number }) =>
    textOf({ uri: uri.toString(), mimeType: 'text/plain' }, `Number ${String(number)}`),
  )
  server.server.setRequestHandler('resources/list', (request) =>
    listPage(state.shows('resources') ? [...LISTED, OPTIONAL] : LISTED, request.params?.cursor),
  )
  return fixed(OPTIONAL, () => textOf(OPTIONAL, 'The optional resource was there'))
}
