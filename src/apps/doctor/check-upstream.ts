/** HTTP servers: reached, trusted, letting Portolan in, and answering MCP. */

import { connectionFinding } from './connection-fault.ts'
import { authorizationFinding } from './authorization-fault.ts'
import { ok, problem, shellText, skipped } from './check.ts'
import type { Check, Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { httpServers, plainUrl } from './server-target.ts'
import type { HttpCase } from './server-target.ts'
import type { Trial } from './trial.ts'

export const upstreamCheck: Check = {
  id: 'upstream',
  looksAt: 'whether HTTP servers can be reached and trusted, let Portolan in, and answer MCP',
  async run(context) {
    const servers = httpServers(context.servers)
    if (servers.length === 0) return [skipped('No server is reached over HTTP.')]
    return await Promise.all(servers.map((one) => upstreamFinding(one, context)))
  },
}

async function upstreamFinding(one: HttpCase, context: DoctorContext): Promise<Finding> {
  const { server, target } = one
  const trial = await context.trial(server)
  if (trial.profile !== undefined) return ok(server.name, `It answered after ${(trial.waitedMs / 1_000).toFixed(1)} s.`)
  const failed = trial.requests.find(({ failure, status }) => failure !== '' && status === 0)
  if (failed !== undefined) return await connectionFinding(one, failed.failure, context.env)
  const answered = trial.requests.filter(({ status }) => status !== 0)
  const refused = answered.find(({ status }) => status === 401 || status === 403)
  if (refused !== undefined) return await authorizationFinding(one, refused, context)
  if (answered.length === 0 || trial.isSilent) {
    return problem(server.name, `${plainUrl(target.url)} takes connections, but gave no answer for ${Math.round(trial.waitedMs / 1_000)} s. It hangs, or speaks something else than HTTP.`, curl(one))
  }
  return statusFinding(one, trial)
}

function statusFinding(one: HttpCase, trial: Trial): Finding {
  const { server, target } = one
  const where = plainUrl(target.url)
  const answered = trial.requests.filter(({ status }) => status !== 0)
  const failing = answered.find(({ status }) => status >= 500 || status === 429)
  if (failing !== undefined) {
    return problem(server.name, `${where} answers ${failing.status}. ${STATUS_WORDS[failing.status] ?? 'It fails by itself'}: see its own log.`, curl(one))
  }
  const page = answered.find(({ contentType, status }) => contentType.startsWith('text/html') && status < 300)
  if (page !== undefined) return problem(server.name, `${where} answers a web page${titleOf(page.body)}, not MCP: it is the address of a site, a login or a proxy. See the check "url".`, curl(one))
  const statuses = [...new Set(answered.map(({ method, status }) => `${method} ${status}`))].join(', ')
  return problem(server.name, `${where} answers, but not as an MCP server does (${statuses}): ${trial.detail}. See the check "url".`, curl(one))
}

const BEHIND = 'The server behind its proxy is down or overloaded'
const STATUS_WORDS: Readonly<Record<number, string>> = { 429: 'It takes no more requests for now', 502: BEHIND, 503: BEHIND, 504: BEHIND }

function titleOf(html: string): string {
  const title = /<title[^>]*>([^<]{1,80})/i.exec(html)?.[1]?.trim() ?? ''
  return title === '' ? '' : ` ("${title}")`
}

/** What Portolan asks first, to be run by hand; configured headers are left out. */
export function curl({ target }: HttpCase): string {
  const hello = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'
  return shellText(['curl', '-i', '--max-time', '10', plainUrl(target.url), '-H', 'content-type: application/json', '-H', 'accept: application/json, text/event-stream', '-d', hello])
}
