/** By what a server's profile is remembered: how it is reached. Another target is another server; values that may be secret are left out. */

import { createHash } from 'node:crypto'
import type { ServerSnapshot } from '../../core/gateway/snapshot.ts'

const FORMAT = 1

export function upstreamKeyOf({ target, era }: Pick<ServerSnapshot, 'target' | 'era'>): string {
  const reached =
    target.transport === 'http'
      ? [target.url, Object.keys(target.headers).toSorted()]
      : [target.command, target.args, target.cwd ?? '', Object.keys(target.env).toSorted()]
  return createHash('sha256').update(JSON.stringify([FORMAT, era, target.transport, reached])).digest('hex')
}
