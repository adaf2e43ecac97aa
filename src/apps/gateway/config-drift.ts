/**
 * Whether all replicas serve the same configuration. Each puts its own into the store when it starts and when it has reloaded;
 * one that then finds another there was left behind, or left the others behind: it says so, and goes on with its own.
 */

import type { Clock } from '../../core/clock.ts'
import type { SnapshotStore } from '../../core/gateway/snapshot-store.ts'
import type { ConfigFile } from './config-file.ts'
import { printableResolved } from './config-print.ts'
import type { Log } from './log.ts'

export interface ConfigDriftOptions {
  readonly store: SnapshotStore
  readonly clock: Clock
  readonly log: Log
  /** What is served now: its digest, and as text for people, without a secret. */
  readonly own: () => { readonly digest: string; readonly text: string }
}

export interface ConfigDrift {
  /** What is served here has changed, or is served for the first time. */
  announce(): void
  /** Digest of what was put last, where it is another; '' where all agree, as far as is known. */
  elsewhere(): string
  close(): void
}

/** A rolling change of configuration is no fault: replicas get this long to follow, and what two looks in a row have found is told. */
const LOOK_MS = 30_000

/** Reads and writes the store by itself; where that fails nothing is said. */
export function watchConfigDrift({ store, clock, log, own }: ConfigDriftOptions): ConfigDrift {
  let elsewhere = ''
  /** By the last look. */
  let seen = ''
  let cancel = (): void => undefined

  const look = async (): Promise<void> => {
    const other = (await store.current())?.digest ?? ''
    const { digest } = own()
    const last = seen
    seen = other === digest ? '' : other
    const found = last === '' ? '' : seen
    if (found === elsewhere) return
    elsewhere = found
    if (found === '') log.info({ digest }, 'All replicas serve the same configuration again')
    else log.warn({ digest, elsewhere: found }, 'Another replica serves another configuration: give all of them the same, and reload')
  }
  const later = (): void => {
    cancel = clock.after(LOOK_MS, () => {
      look().catch(() => undefined)
      later()
    })
  }
  later()
  return {
    announce() {
      const { digest, text } = own()
      elsewhere = seen = ''
      store.put(digest, text).catch(() => undefined)
    },
    elsewhere: () => elsewhere,
    close: () => cancel(),
  }
}

/** Of the configuration that a process serves: announced now, and whenever a reload has changed it. */
export function watchServedConfig(options: Omit<ConfigDriftOptions, 'own'> & { readonly config: ConfigFile }): ConfigDrift {
  const own: ConfigDriftOptions['own'] = () => {
    const { config, snapshot } = options.config.loaded()
    return { digest: snapshot.digest, text: JSON.stringify(printableResolved(config, snapshot.digest)) }
  }
  const drift = watchConfigDrift({ ...options, own })
  const stop = options.config.subscribe(() => drift.announce())
  drift.announce()
  return {
    ...drift,
    close() {
      stop()
      drift.close()
    },
  }
}
