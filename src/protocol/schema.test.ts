/** What Portolan builds and reads, held against the schemas that the specification publishes. */
import { readdirSync, readFileSync } from 'node:fs'
import Ajv from 'ajv'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { inputAsCapabilities, mergeServerCapabilities, mirrorCapabilities, withTasks } from './capability.ts'
import { ERRORS, PortolanError, toErrorObject, toWire } from './error.ts'
import type { ErrorCode } from './error.ts'
import { member, toWireText } from './json.ts'
import type { JsonObject, JsonValue } from './json-value.ts'
import { writeInitializeResult } from './legacy/initialize.ts'
import { writeDiscoverResult } from './modern/discover.ts'
import { ownRequestMeta, requestMetaFault } from './modern/request-meta.ts'
import { parseMessage } from './message.ts'
import { methodIn } from './method.ts'
import { REVISIONS, SUPPORTED_LEGACY, SUPPORTED_MODERN } from './revision.ts'
import type { Revision } from './revision.ts'
import { acknowledgedText, listenResultText, readFilter, writeFilter } from './subscription.ts'

const FIXTURES = new URL('fixtures/', import.meta.url)
const EXAMPLES = new URL('examples-2026-07-28/', FIXTURES)
const readJson = (url: URL): JsonValue => JSON.parse(readFileSync(url, 'utf8'))

type Schemas = { readonly errorsOf: (type: string, value: JsonValue) => unknown; readonly types: readonly string[] }

function load(revision: Revision): Schemas {
  const schema = readJson(new URL(`schema/${revision}.json`, FIXTURES)) as { readonly [key: string]: JsonObject }
  const keyword = '$defs' in schema ? '$defs' : 'definitions'
  const AjvClass = keyword === '$defs' ? Ajv2020.default : Ajv.default
  const ajv = new AjvClass({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(schema, 'mcp')
  const errorsOf = (type: string, value: JsonValue): unknown => {
    const validate = ajv.getSchema(`mcp#/${keyword}/${type}`) ?? expect.fail(`no type ${type} in ${revision}`)
    validate(value)
    return validate.errors ?? null
  }
  return { errorsOf, types: Object.keys(schema[keyword] ?? {}) }
}

const revisions = Object.keys(REVISIONS) as Revision[]
const schemas = Object.fromEntries(revisions.map((revision) => [revision, load(revision)])) as Record<Revision, Schemas>
const modern = schemas['2026-07-28']

const examples = readdirSync(EXAMPLES).flatMap((type) =>
  readdirSync(new URL(`${type}/`, EXAMPLES)).map((file) => {
    const name = `${type}/${file}`
    return [name, type, readJson(new URL(name, EXAMPLES))] as const
  }),
)

describe('the published examples of 2026-07-28', () => {
  it('are all here', () => {
    expect(examples.length).toBeGreaterThan(100)
  })

  it.each(examples)('%s is valid', (_name, type, example) => {
    expect(modern.errorsOf(type, example)).toBeNull()
  })

  const requests = examples
    .filter(([, type]) => type.endsWith('Request'))
    .map(([name, , example]) => [name, example as JsonObject] as const)
  it.each(requests)('%s is a method that we know, with metadata that we read', (_name, request) => {
    const traits = methodIn(String(request['method']), '2026-07-28')
    expect(traits).toBeDefined()
    if (traits?.kind !== 'request') return
    const scan = parseMessage(toWireText(JSON.stringify(request)))
    const message = scan.ok ? scan.value : expect.fail(scan.fault.detail)
    expect(requestMetaFault(message.text, member(message.body, '_meta'))).toBeUndefined()
  })
})

describe('errors on the wire', () => {
  const data: { readonly [code: string]: JsonValue } = {
    missing_capability: { requiredCapabilities: inputAsCapabilities(new Set(['elicitation.url', 'sampling.tools'])) },
    unsupported_version: { supported: SUPPORTED_MODERN, requested: '1900-01-01' },
  }
  const respond = (code: ErrorCode, revision: Revision): JsonObject => {
    const error = new PortolanError(code, data[code] === undefined ? {} : { data: data[code] })
    return { jsonrpc: '2.0', id: 1, error: { ...toErrorObject(toWire(error, REVISIONS[revision].era)) } }
  }

  it.each(Object.keys(ERRORS) as ErrorCode[])('%s is an error response of every revision', (code) => {
    expect(modern.errorsOf('JSONRPCErrorResponse', respond(code, '2026-07-28'))).toBeNull()
    expect(schemas['2025-11-25'].errorsOf('JSONRPCErrorResponse', respond(code, '2025-11-25'))).toBeNull()
    for (const revision of ['2024-11-05', '2025-03-26', '2025-06-18'] as const) {
      expect(schemas[revision].errorsOf('JSONRPCError', respond(code, revision))).toBeNull()
    }
  })

  it.each([
    ['header_mismatch', 'HeaderMismatchError'],
    ['missing_capability', 'MissingRequiredClientCapabilityError'],
    ['unsupported_version', 'UnsupportedProtocolVersionError'],
  ] as const)('%s is a %s', (code, type) => {
    expect(modern.errorsOf(type, respond(code, '2026-07-28'))).toBeNull()
    expect(modern.errorsOf(type, respond('internal', '2026-07-28'))).not.toBeNull()
  })

  it.each([
    ['parse_error', 'ParseError'], ['invalid_request', 'InvalidRequestError'], ['method_not_found', 'MethodNotFoundError'],
    ['unknown_tool', 'InvalidParamsError'], ['resource_not_found', 'InvalidParamsError'], ['internal', 'InternalError'],
  ] as const)('%s is a %s', (code, type) => {
    expect(modern.errorsOf(type, { ...toErrorObject(toWire(new PortolanError(code), 'modern')) })).toBeNull()
  })
})

describe('what a hop writes itself', () => {
  const everything = {
    roots: { listChanged: true },
    sampling: { tools: {}, context: {} },
    elicitation: { form: {}, url: {} },
    extensions: { 'a/b': {} },
  }
  const serverInfo = { name: 'portolan', version: '0.1.0' }

  it('opens and ends listen streams by the schema', () => {
    const filter = readFilter({ toolsListChanged: true, resourceSubscriptions: ['file:///a'] })
    const read = filter.ok ? filter.value : expect.fail()
    expect(modern.errorsOf('SubscriptionsAcknowledgedNotification', JSON.parse(acknowledgedText('1', read)))).toBeNull()
    expect(modern.errorsOf('SubscriptionFilter', writeFilter(read))).toBeNull()
    expect(modern.errorsOf('SubscriptionsListenResult', JSON.parse(listenResultText('1')))).toBeNull()
    const response = { jsonrpc: '2.0', id: 'a', result: JSON.parse(listenResultText('"a"')) as JsonValue }
    expect(modern.errorsOf('SubscriptionsListenResultResponse', response)).toBeNull()
  })

  it('answers server/discover by the schema', () => {
    const merged = mergeServerCapabilities([{ tools: { listChanged: true } }, { resources: { subscribe: true }, logging: {} }])
    const capabilities = withTasks(merged, '2026-07-28')
    const result = writeDiscoverResult({ capabilities, serverInfo, instructions: 'Ask.', ttlMs: 0, cacheScope: 'private' })
    expect(modern.errorsOf('DiscoverResult', result)).toBeNull()
  })

  it('stamps request metadata by the schema', () => {
    const meta: JsonValue = JSON.parse(ownRequestMeta('2026-07-28', serverInfo))
    expect(modern.errorsOf('RequestMetaObject', meta)).toBeNull()
  })

  it.each(SUPPORTED_LEGACY)('shakes hands by the schema of %s', (revision) => {
    const capabilities = mirrorCapabilities(everything, { client: '2026-07-28', upstream: revision })
    const { errorsOf, types } = schemas[revision]
    expect(errorsOf('ClientCapabilities', capabilities)).toBeNull()
    const offered = withTasks({ tools: {} }, revision)
    const result = writeInitializeResult({ revision, capabilities: offered, serverInfo, instructions: 'Ask.' })
    expect(errorsOf('InitializeResult', result)).toBeNull()
    expect(types).toContain('InitializeResult')
  })
})
