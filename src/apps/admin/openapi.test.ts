import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { newTask } from '../../../test/contracts/task-store.contract.ts'
import { startAdminRig } from '../../../test/admin-rig.ts'
import type { AdminRig } from '../../../test/admin-rig.ts'
import { openApiDocument } from './openapi.ts'
import { PROBLEMS } from './problem.ts'
import type { ProblemCode } from './problem.ts'
import { RESOURCES } from './resource-schema.ts'
import { ROUTES } from './routes.ts'

const ajv = (): Ajv2020 => {
  const made = new Ajv2020({ strict: false, allErrors: true, formats: { 'media-range': true } })
  addFormats.default(made)
  return made
}

describe('the OpenAPI document', () => {
  const document = openApiDocument(ROUTES, '1.2.3')

  it('is OpenAPI 3.1 by its own JSON Schema, and so is each schema in it by JSON Schema\'s', () => {
    const text = readFileSync(new URL('../../../test/fixtures/openapi/openapi-3.1.json', import.meta.url), 'utf8')
    // Nothing else here has that anchor, and ajv takes the reference for one to the root.
    const schema = JSON.parse(text.replaceAll('"$dynamicRef": "#meta"', '"$ref": "#/$defs/schema"'))
    const validate = ajv().compile(schema)
    expect(validate(document) ? [] : validate.errors).toEqual([])
    expect(validate({ ...document, paths: { '/x': { get: { responses: {} } } } })).toBe(false)
    const whole = ajv()
    whole.addSchema({ ...document, $id: 'http://portolan/document' }, undefined, undefined, false)
    const { schemas } = document['components'] as { schemas: Record<string, unknown> }
    expect(Object.keys(schemas)).toEqual(Object.keys(RESOURCES))
    for (const name of Object.keys(schemas)) expect(() => whole.compile({ $ref: `http://portolan/document#/components/schemas/${name}` })).not.toThrow()
  })

  it('is what the API answers, to who is let in', async () => {
    const { ask } = await startAdminRig()
    const answer = await ask('/api/v1/openapi.json')
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(await answer.json()).toEqual(JSON.parse(JSON.stringify(document)))
    expect((await ask('/api/v1/openapi.json', { headers: {} })).status).toBe(401)
  })

  it('has each operation once, with the token that it needs', () => {
    expect(new Set(ROUTES.map(({ id }) => id)).size).toBe(ROUTES.length)
    expect(new Set(ROUTES.map(({ verb, path }) => `${verb} ${path}`)).size).toBe(ROUTES.length)
    expect(document['security']).toEqual([{ operator: [] }])
  })
})

async function codeOf(answer: Response): Promise<ProblemCode> {
  return ((await answer.json()) as { code: ProblemCode }).code
}

/** How to come to each problem that a route says it may answer. */
const WAYS: Readonly<Partial<Record<ProblemCode, (rig: AdminRig, verb: string, path: string) => Promise<Response>>>> = {
  invalid_params: ({ ask }, verb, path) => ask(`${path}?nonsense=1`, { verb }),
  unauthorized: ({ ask }, verb, path) => ask(path, { verb, headers: {} }),
  forbidden_origin: ({ ask, headers }, verb, path) => ask(path, { verb, headers: { ...headers, origin: 'http://localhost:1' } }),
}

describe('every route', () => {
  const made: Readonly<Record<string, string>> = { '{id}': 'queued', '{server}': 'never' }
  const at = (path: string): string => `/api/v1${path.replaceAll(/\{\w+\}/g, (name) => made[name] ?? '')}`

  it.each(ROUTES.map((route) => [`${route.verb.toUpperCase()} ${route.path}`, route] as const))('%s answers as it is described', async (_name, route) => {
    const rig = await startAdminRig()
    await rig.store.create(newTask('queued'))
    const answer = await rig.ask(at(route.path), { verb: route.verb.toUpperCase() })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const shape = route.answers[answer.status]
    if (shape === undefined) {
      const code = await codeOf(answer)
      expect(route.problems).toContain(code)
      expect(answer.status).toBe(PROBLEMS[code].status)
      return
    }
    if (shape.schema !== undefined) expect(shape.schema.safeParse(await answer.json())).toMatchObject({ success: true })
    else if (shape.type !== undefined) expect(answer.headers.get('content-type')).toContain(shape.type)
    if (!answer.bodyUsed) await answer.body?.cancel()
  })

  it.each(ROUTES.map((route) => [`${route.verb.toUpperCase()} ${route.path}`, route] as const))('%s refuses by problem details', async (_name, route) => {
    const rig = await startAdminRig()
    for (const [code, way] of Object.entries(WAYS)) {
      const answer = await way(rig, route.verb.toUpperCase(), at(route.path))
      expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([PROBLEMS[code as ProblemCode].status, 'application/problem+json', 'no-store'])
      expect(await answer.json()).toMatchObject({ type: 'about:blank', status: answer.status, code, title: expect.any(String), detail: expect.any(String) })
    }
  })

  it('answers other verbs with those that it takes, and other paths with none', async () => {
    const { ask } = await startAdminRig()
    const answer = await ask('/api/v1/tasks/x', { verb: 'POST' })
    expect([answer.status, answer.headers.get('allow'), await codeOf(answer)]).toEqual([405, 'GET, DELETE', 'method_not_allowed'])
    for (const verb of ['PUT', 'PATCH', 'OPTIONS']) expect((await ask('/api/v1/status', { verb })).status).toBe(405)
    for (const path of ['/api/v1', '/api/v1/', '/api/v1/nothing', '/api/v2/status', '/api/']) expect((await ask(path)).status, path).toBe(404)
  })
})
