/** Why no connection came to be, and what helps: names, ports, certificates. */

import type { Env } from '../gateway/config-file.ts'
import { showCertificate } from './certificate.ts'
import type { ShownCertificate } from './certificate.ts'
import { problem, shellText, shellWord } from './check.ts'
import type { Finding } from './check.ts'
import { plainUrl } from './server-target.ts'
import type { HttpCase } from './server-target.ts'

/** `failure` is what the egress said, `<what>: <origin>`. */
export async function connectionFinding({ server, target }: HttpCase, failure: string, env: Env): Promise<Finding> {
  const url = new URL(target.url)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const { name } = server
  const curl = (flag: string, sec: string): string => shellText(['curl', flag, '--max-time', sec, plainUrl(target.url)])
  if (/^no such host|name server/.test(failure)) {
    const what = `The name ${host} is not known to the name service. Check its spelling, or the VPN that knows it.`
    return problem(name, what, shellText(['getent', 'hosts', host]))
  }
  if (failure.startsWith('connection refused')) {
    return problem(name, `Nothing listens on ${url.host}: the server does not run, or on another port.`, curl('-i', '5'))
  }
  if (/^no route|timed out/.test(failure)) {
    return problem(name, `${url.host} cannot be reached (${failure}): a firewall, a VPN that is down, or a wrong address.`, curl('-iv', '10'))
  }
  if (url.protocol === 'https:') {
    const shown = await showCertificate(host, port)
    const explained = certificateText(failure, host, shown, env)
    if (explained !== undefined) return problem(name, explained, nextFor(failure, host, port))
    if (shown === undefined) {
      const what = `${url.host} does not speak TLS (${failure}): the address may have to begin with http:.`
      return problem(name, what, curl('-i', '5').replace('https://', 'http://'))
    }
  }
  return problem(name, `The connection broke (${failure}).`, curl('-iv', '10'))
}

/** Undefined: it is not the certificate. */
function certificateText(failure: string, host: string, shown: ShownCertificate | undefined, env: Env): string | undefined {
  const names = shown === undefined ? '' : ` It is for ${shown.names === '' ? 'no name' : shown.names}, by ${shown.issuer === '' ? 'itself' : shown.issuer}.`
  if (/CERT_HAS_EXPIRED|has expired/.test(failure)) return `Its certificate expired${shown === undefined ? '' : ` on ${shown.validTo}`}: its operator has to renew it.${names}`
  if (/CERT_NOT_YET_VALID|not yet valid/.test(failure)) {
    const days = `from ${shown?.validFrom ?? 'later'}; here it is ${new Date().toUTCString()}`
    return `Its certificate is not yet valid (${days}): most likely this machine's clock is wrong. See the check "clock".`
  }
  if (/ALTNAME|does not match/.test(failure)) return `Its certificate is not for ${host}.${names} Use a name that it is for.`
  if (/SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|self[- ]signed|unable to (?:verify|get)/.test(failure)) {
    const what = shown?.isSelfIssued === true ? 'Its certificate is self-signed' : 'Its certificate is by an authority that Node.js does not know'
    return `${what}.${names} ${extraCasText(env)}`
  }
  return undefined
}

function extraCasText({ NODE_EXTRA_CA_CERTS: file }: Env): string {
  if (file === undefined || file === '') return 'Give the certificate of its authority, as a PEM file, in NODE_EXTRA_CA_CERTS when Portolan starts.'
  return `NODE_EXTRA_CA_CERTS is ${file}, which does not hold its authority or could not be read at start.`
}

function nextFor(failure: string, host: string, port: number): string {
  const target = shellWord(`${host.includes(':') ? `[${host}]` : host}:${port}`)
  const show = `openssl s_client -connect ${target} -servername ${shellWord(host)} -showcerts </dev/null`
  if (/SELF_SIGNED|UNABLE|self[- ]signed|unable to/.test(failure)) return `${show} | sed -n '/BEGIN/,/END/p' > ca.pem && NODE_EXTRA_CA_CERTS=$PWD/ca.pem portolan up`
  return `${show} | openssl x509 -noout -dates -ext subjectAltName`
}
