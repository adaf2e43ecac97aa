/** What to do about an address that is taken, and addresses as people read them. */

import { ListenError } from '../../adapters/http/bind.ts'
import type { Address } from '../../adapters/http/bind.ts'

/** Where an address is taken, the way out by flags: the adapter knows none. */
export function explained(error: unknown, operationsSocket: string): unknown {
  if (!(error instanceof ListenError) || error.takenAt === '') return error
  const advice =
    error.takenAt === operationsSocket
      ? 'Another Portolan uses this data folder: stop it, or give this one a folder of its own with --data.'
      : 'Another process listens there, perhaps another Portolan: stop it, or choose another port with --port.'
  return new ListenError(error.code, `${error.takenAt} is in use. ${advice}`, error, error.takenAt)
}

export function addressText(address: Address, scheme: string): string {
  if (address.kind === 'unix') return address.path
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${scheme}://${host}:${address.port}`
}
