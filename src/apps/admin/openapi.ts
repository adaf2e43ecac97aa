/** The OpenAPI 3.1 document of the admin API, made of the same table and schemas that serve it. */

import { z } from 'zod'
import type { AdminAnswerShape, AdminRoute } from './admin-route.ts'
import { PROBLEMS } from './problem.ts'
import type { ProblemCode } from './problem.ts'
import { RESOURCES } from './resource-schema.ts'

type Json = Readonly<Record<string, unknown>>

/** What any route may answer. */
const COMMON_PROBLEMS = ['invalid_params', 'unauthorized', 'forbidden_origin', 'body_too_large', 'rate_limited', 'internal'] as const satisfies readonly ProblemCode[]

export function openApiDocument(routes: readonly AdminRoute[], version: string): Json {
  return {
    openapi: '3.1.1',
    info: { title: 'Portolan: admin API', version, summary: 'What operators see and do over HTTP.', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/api/v1' }],
    security: [{ operator: [] }],
    paths: pathsOf(routes),
    components: {
      securitySchemes: { operator: { type: 'http', scheme: 'bearer', description: 'What `portolan operator add` printed. On the operations socket none is needed.' } },
      schemas: schemas(),
    },
  }
}

function pathsOf(routes: readonly AdminRoute[]): Json {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) (paths[route.path] ??= {})[route.verb] = operationOf(route)
  return paths
}

function operationOf({ id, summary, params, query, answers, problems }: AdminRoute): Json {
  const inPath = Object.entries(params).map(([name, description]) => ({ name, in: 'path', required: true, description, schema: { type: 'string' } }))
  const inQuery = Object.entries(query).map(([name, schema]) => {
    const { $schema: _dialect, description, ...rest } = z.toJSONSchema(schema, { io: 'output' })
    return { name, in: 'query', description, ...(rest.type === 'array' ? { style: 'form', explode: false } : {}), schema: rest }
  })
  const good = Object.entries(answers).map(([status, shape]) => [status, answerOf(shape)])
  return { operationId: id, summary, parameters: [...inPath, ...inQuery], responses: Object.fromEntries([...good, ...problemAnswers([...problems, ...COMMON_PROBLEMS])]) }
}

function answerOf({ description, schema, type }: AdminAnswerShape): Json {
  if (schema !== undefined) return { description, content: { 'application/json': { schema: refTo(schema) } } }
  return type === undefined ? { description } : { description, content: { [type]: { schema: { type: 'string' } } } }
}

function refTo(schema: z.ZodType): Json {
  const name = Object.entries(RESOURCES).find(([, one]) => one === schema)?.[0]
  if (name === undefined) throw new TypeError('A schema that is answered has to be named in RESOURCES')
  return { $ref: `#/components/schemas/${name}` }
}

function problemAnswers(codes: readonly ProblemCode[]): [string, Json][] {
  const statuses = [...new Set(codes.map((code) => PROBLEMS[code].status))].sort((left, right) => left - right)
  return statuses.map((status) => {
    const names = codes.filter((code) => PROBLEMS[code].status === status).map((code) => `\`${code}\`: ${PROBLEMS[code].title}`)
    return [String(status), { description: names.join('; '), content: { 'application/problem+json': { schema: refTo(RESOURCES.Problem) } } }]
  })
}

function schemas(): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(RESOURCES)) registry.add(schema, { id })
  const made = z.toJSONSchema(registry, {
    io: 'output',
    uri: (id) => `#/components/schemas/${id}`,
    // Tests read strictly; a client must not break when a later version says more.
    override: ({ jsonSchema }) => void delete jsonSchema.additionalProperties,
  }).schemas
  return Object.fromEntries(Object.entries(made).map(([id, { $schema: _dialect, $id: _id, ...schema }]) => [id, schema]))
}
