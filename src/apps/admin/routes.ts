/** All routes of the admin API, in the order of its document. The more particular of two paths stands first. */

import { z } from 'zod'
import { route } from './admin-route.ts'
import type { AdminRoute } from './admin-route.ts'
import { openApiDocument } from './openapi.ts'
import { PROCESS_ROUTES } from './process-routes.ts'
import { RESOURCES } from './resource-schema.ts'
import { TASK_ROUTES } from './task-routes.ts'

const documentRoute: AdminRoute = route({
  id: 'getOpenApi', verb: 'get', path: '/openapi.json', summary: 'This document: OpenAPI 3.1.',
  params: {}, query: z.strictObject({}), isRecorded: false, problems: [],
  answers: { 200: { description: 'The document', schema: RESOURCES.Document } },
  run: async ({ source }) => ({ status: 200, json: openApiDocument(ROUTES, (await source.status()).version) }),
})

export const ROUTES: readonly AdminRoute[] = [...PROCESS_ROUTES, ...TASK_ROUTES, documentRoute]
