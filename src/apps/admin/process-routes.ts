/** Routes of the process itself: its status, its servers, its replicas, its configuration. */

import { z } from 'zod'
import { route } from './admin-route.ts'
import type { AdminRoute } from './admin-route.ts'
import { RESOURCES } from './resource-schema.ts'

const none = z.strictObject({})

export const PROCESS_ROUTES: readonly AdminRoute[] = [
  route({
    id: 'getStatus', verb: 'get', path: '/status', summary: 'How the Portolan that answers is doing, and each server there: what `portolan status --json` prints.',
    params: {}, query: none, isRecorded: false, problems: [],
    answers: { 200: { description: 'The status', schema: RESOURCES.Status } },
    run: async ({ source }) => ({ status: 200, json: await source.status() }),
  }),
  route({
    id: 'getMetrics', verb: 'get', path: '/metrics', summary: 'The metrics of the Portolan that answers, in the text format of Prometheus.',
    params: {}, query: none, isRecorded: false, problems: [],
    answers: { 200: { description: 'The metrics', type: 'text/plain' } },
    run: async ({ source }) => ({ status: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }, text: await source.metrics() }),
  }),
  route({
    id: 'listServers', verb: 'get', path: '/servers', summary: 'The servers behind it, and the virtual servers.',
    params: {}, query: none, isRecorded: false, problems: [],
    answers: { 200: { description: 'All of them, in the order of the configuration', schema: RESOURCES.ServerList } },
    async run({ source }) {
      const { servers, virtualServers } = await source.status()
      return { status: 200, json: { servers, virtualServers } }
    },
  }),
  route({
    id: 'getServer', verb: 'get', path: '/servers/{server}', summary: 'One server in detail: what `portolan status <server> --json` prints.',
    params: { server: 'Its name or id' }, query: none, isRecorded: false, problems: ['unknown_server'],
    answers: { 200: { description: 'The server', schema: RESOURCES.Server } },
    async run({ source, params }) {
      const found = (await source.status()).servers.find(({ name, id }) => name === params['server'] || id === params['server'])
      return found === undefined ? { problem: { code: 'unknown_server', detail: 'There is no server of this name: list them at /api/v1/servers' } } : { status: 200, json: found }
    },
  }),
  route({
    id: 'listReplicas', verb: 'get', path: '/replicas', summary: 'The replicas that are alive.',
    params: {}, query: none, isRecorded: false, problems: ['state_unavailable'],
    answers: { 200: { description: 'All of them; none for a process that shares its state with nobody', schema: RESOURCES.ReplicaList } },
    run: async ({ source }) => ({ status: 200, json: { self: (await source.status()).replica?.id ?? '', replicas: (await source.replicas()).map(({ id, version, address }) => ({ id, version, address })) } }),
  }),
  route({
    id: 'reload', verb: 'post', path: '/reload', summary: 'Has the Portolan that answers read its configuration again; a bad one changes nothing: what `portolan reload --json` prints.',
    params: {}, query: none, isRecorded: true, problems: [],
    answers: { 200: { description: 'What changed, or every problem', schema: RESOURCES.Reload } },
    run: async ({ source }) => ({ status: 200, json: await source.reload() }),
  }),
]
