/** Addresses of HTTP servers: the right path, the right transport, no redirect that nobody follows. */

import { ok, problem, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { httpServers, plainUrl } from './server-target.ts'
import type { HttpCase } from './server-target.ts'
import type { Trial } from './trial.ts'

export const urlCheck: Check = {
  id: 'url',
  looksAt: 'whether addresses of HTTP servers have the right path and transport',
  async run(context) {
    const servers = httpServers(context.servers)
    if (servers.length === 0) return [skipped('No server is reached over HTTP.')]
    const findings = await Promise.all(servers.map((one) => urlFindings(one, context)))
    const found = findings.flat()
    return found.length > 0 ? found : [skipped('No server answered: see the check "upstream".')]
  },
}

async function urlFindings(one: HttpCase, context: DoctorContext): Promise<readonly Finding[]> {
  const trial = await context.trial(one.server)
  const { name } = one.server
  const moved = trial.requests.find(({ status, location }) => status >= 300 && status < 400 && location !== '')
  if (moved !== undefined && trial.profile === undefined) return [movedFinding(one, moved.location, context)]
  if (trial.profile !== undefined) return [await transportFinding(one, trial, context)]
  const isAnswered = trial.requests.some(({ status }) => status !== 0 && status !== 401 && status !== 403 && status < 500)
  if (!isAnswered) return []
  const found = await findEndpoint(one, context)
  const here = `Nothing speaks MCP at ${plainUrl(one.target.url)}`
  if (found === undefined) return [problem(name, `${here}, nor at /mcp or /sse of that host: look the address up in the server's documentation.`, context.editCommand)]
  return [problem(name, `${here}, but ${found.kind} is at ${plainUrl(found.url)}: write that as "url".`, context.editCommand)]
}

/** Portolan follows no redirect: credentials would go along to wherever it leads. */
function movedFinding({ server, target }: HttpCase, location: string, context: DoctorContext): Finding {
  const to = URL.canParse(location, target.url) ? plainUrl(new URL(location, target.url).href) : location.slice(0, 200)
  const advice = 'Portolan follows no redirects, because credentials would go along: write that address as "url", if you trust it.'
  return problem(server.name, `${plainUrl(target.url)} sends clients on to ${to}. ${advice}`, context.editCommand)
}

async function transportFinding({ server, target }: HttpCase, trial: Trial, context: DoctorContext): Promise<Finding> {
  const isSse = speaksOnlySse(trial, target.url)
  const { pathname } = new URL(target.url)
  if (!isSse) {
    const misnamed = pathname.endsWith('/sse') ? ' (though its path says sse)' : ''
    return ok(server.name, `Streamable HTTP at ${plainUrl(target.url)}${misnamed}.`)
  }
  const better = await findEndpoint({ server, target }, context, ['streamable'])
  const what = `${plainUrl(target.url)} speaks only HTTP+SSE of 2024-11-05, which is deprecated and cannot resume`
  if (better !== undefined) return warning(server.name, `${what}; Streamable HTTP is at ${plainUrl(better.url)}: write that as "url".`, context.editCommand)
  return warning(server.name, `${what}. Portolan translates it for every client; ask its operator for Streamable HTTP.`, context.editCommand)
}

/** It refused to be posted to, and opened a stream of 2024-11-05 instead. */
function speaksOnlySse({ profile, requests }: Trial, url: string): boolean {
  if (profile?.modern !== undefined) return false
  const isRefused = requests.every((one) => one.method !== 'POST' || one.url !== url || one.status >= 400)
  return isRefused && requests.some(({ method, contentType, status }) => method === 'GET' && status === 200 && contentType.startsWith('text/event-stream'))
}

interface Endpoint {
  readonly url: string
  readonly kind: 'Streamable HTTP' | 'HTTP+SSE'
}

type Kind = 'streamable' | 'sse'

const HELLO = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"portolan-doctor","version":"1"}}}'

/** Where else on the same origin MCP may be: without credentials, so a 401 that challenges counts. */
async function findEndpoint({ target }: HttpCase, context: DoctorContext, kinds: readonly Kind[] = ['streamable', 'sse']): Promise<Endpoint | undefined> {
  const { origin, pathname } = new URL(target.url)
  const base = pathname.replace(/\/+$/, '')
  const parent = base.replace(/\/[^/]*$/, '')
  const paths = ['/mcp', '/sse'].flatMap((end) => [`${base}${end}`, `${parent}${end}`, end])
  const others = [...new Set([...paths, '/', pathname.endsWith('/') ? base : `${pathname}/`])].filter((path) => path !== pathname && path !== '')
  const found = await Promise.all(others.map((path) => tryEndpoint(origin + path, context, kinds)))
  return found.find((one) => one?.kind === 'Streamable HTTP') ?? found.find((one) => one !== undefined)
}

async function tryEndpoint(url: string, { ask }: DoctorContext, kinds: readonly Kind[]): Promise<Endpoint | undefined> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const posted = await ask({ method: 'POST', url, headers, body: HELLO, timeoutMs: 2_000 })
  const isChallenge = posted.status === 401 && posted.wwwAuthenticate !== ''
  if (isChallenge || (posted.status !== 0 && posted.body.includes('"jsonrpc"') && posted.status !== 404 && posted.status !== 405)) return { url, kind: 'Streamable HTTP' }
  if (!kinds.includes('sse')) return undefined
  const streamed = await ask({ method: 'GET', url, headers: { accept: 'text/event-stream' }, timeoutMs: 2_000 })
  const isSse = streamed.status === 200 && streamed.contentType.startsWith('text/event-stream') && /^event: ?endpoint/m.test(streamed.body)
  return isSse ? { url, kind: 'HTTP+SSE' } : undefined
}
