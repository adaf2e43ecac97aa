/** What a TLS server shows of itself, without believing it: for explanations only, nothing is sent. */

import { connect } from 'node:tls'

export interface ShownCertificate {
  /** Names it is for. */
  readonly names: string
  readonly issuer: string
  readonly isSelfIssued: boolean
  readonly validFrom: string
  readonly validTo: string
}

const WAIT_MS = 3_000

/** Undefined where none is shown. `rejectUnauthorized` is off here because no byte of ours follows. */
export function showCertificate(host: string, port: number): Promise<ShownCertificate | undefined> {
  return new Promise((resolve) => {
    const isAddress = host.includes(':') || /^[\d.]+$/.test(host)
    const socket = connect({ host, port, rejectUnauthorized: false, ...(isAddress ? {} : { servername: host }) }, () => {
      const { subject, issuer, subjectaltname = '', valid_from: validFrom, valid_to: validTo, fingerprint256 } = socket.getPeerCertificate()
      socket.destroy()
      if (fingerprint256 === undefined) return resolve(undefined)
      const names = subjectaltname === '' ? oneName(subject) : subjectaltname.replaceAll(/(?:DNS|IP Address):/g, '')
      const isSelfIssued = JSON.stringify(subject) === JSON.stringify(issuer)
      resolve({ names: names.slice(0, 200), issuer: oneName(issuer).slice(0, 200), isSelfIssued, validFrom, validTo })
    })
    socket.setTimeout(WAIT_MS, () => socket.destroy())
    socket.once('error', () => resolve(undefined))
    socket.once('close', () => resolve(undefined))
  })
}

function oneName(name: object): string {
  const { CN, O } = { CN: undefined, O: undefined, ...name } satisfies { CN?: unknown; O?: unknown }
  return [CN, O].filter((part) => typeof part === 'string').join(', ')
}
