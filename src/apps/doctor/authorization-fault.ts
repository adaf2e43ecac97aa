/** A server that wants credentials: which authorization it asks for, as its challenge and its metadata tell (RFC 9728). */

import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonValue } from '../../protocol/json-value.ts'
import { problem, shellText } from './check.ts'
import type { Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { plainUrl } from './server-target.ts'
import type { HttpCase } from './server-target.ts'
import type { HttpAnswer } from './trial.ts'

export async function authorizationFinding({ server, target }: HttpCase, refused: HttpAnswer, context: DoctorContext): Promise<Finding> {
  const hasCredentials = Object.keys(target.headers).some((name) => name === 'authorization' || /key|token/.test(name))
  const sent = hasCredentials ? 'refused the credentials that the configuration gives' : 'asks for credentials, and the configuration gives none'
  const challenge = refused.wwwAuthenticate === '' ? '' : ` It says: ${refused.wwwAuthenticate.slice(0, 300)}.`
  const address = metadataUrl(refused, target.url)
  const metadata = await readMetadata(address, context)
  const next = metadata === '' ? context.editCommand : shellText(['curl', '-s', address])
  const advice = hasCredentials ? 'It may have expired, or lack a scope.' : 'Give them in "headers" of this server, as a reference: "Authorization": "Bearer ${env:NAME}".'
  return problem(server.name, `${plainUrl(target.url)} answers ${refused.status}: it ${sent}.${challenge}${metadata} ${advice}`, next)
}

/** As the challenge names it, on the server's own origin only; else where RFC 9728 §3.1 has it. */
function metadataUrl({ wwwAuthenticate }: HttpAnswer, serverUrl: string): string {
  const { origin, pathname } = new URL(serverUrl)
  const named = /resource_metadata="?([^",\s]+)"?/.exec(wwwAuthenticate)?.[1] ?? ''
  // A server must not choose what else doctor asks.
  if (URL.canParse(named) && new URL(named).origin === origin) return named
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`
}

async function readMetadata(url: string, { ask }: DoctorContext): Promise<string> {
  const answer = await ask({ method: 'GET', url, headers: { accept: 'application/json' }, timeoutMs: 2_000 })
  const value = answer.status === 200 ? parse(answer.body) : undefined
  if (value === undefined || value === null || !isJsonObject(value)) return ''
  const servers = texts(ownMember(value, 'authorization_servers'))
  const scopes = texts(ownMember(value, 'scopes_supported'))
  const from = servers.length === 0 ? '' : ` Tokens come from ${servers.join(', ')}`
  return from === '' ? '' : `${from}${scopes.length === 0 ? '' : `, with the scopes ${scopes.join(' ')}`}.`
}

function texts(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string').slice(0, 10) : []
}

function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
