/** Certificate and key from files, read again when they change. A bad pair never replaces a good one. */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { SecureContextOptions } from 'node:tls'
import type { Clock } from '../../core/clock.ts'
import type { ListenerLog } from './listener-log.ts'

export interface TlsFiles {
  /** PEM, the chain included. */
  readonly certFile: string
  readonly keyFile: string
}

export interface TlsContext {
  readonly options: SecureContextOptions
  /** Reads the files now. False: they are as before, or not usable (logged). */
  reload(): boolean
  close(): void
}

/** Reads at once; throws TypeError where the files cannot be read or do not belong together. Then looks every `pollMs`. */
export function openTlsFiles(
  files: TlsFiles,
  surroundings: { readonly clock: Clock; readonly log: ListenerLog; readonly pollMs: number },
  onChange: (options: SecureContextOptions) => void,
): TlsContext {
  const { clock, log, pollMs } = surroundings
  let options = readFirst(files)
  // Polled: files are replaced by renames and symbolic links, which watchers miss.
  let cancel = clock.after(pollMs, poll)

  function poll(): void {
    reload()
    cancel = clock.after(pollMs, poll)
  }

  function reload(): boolean {
    try {
      const next = read(files)
      if (next.cert === options.cert && next.key === options.key) return false
      createSecureContext(next)
      options = next
      onChange(next)
      log.info({ certFile: files.certFile }, 'TLS certificate reloaded')
      return true
    } catch (error) {
      log.warn({ certFile: files.certFile, reason: messageOf(error) }, 'TLS certificate not reloaded: the previous one stays')
      return false
    }
  }

  return {
    get options() {
      return options
    },
    reload,
    close: () => cancel(),
  }
}

function readFirst(files: TlsFiles): SecureContextOptions {
  try {
    const options = read(files)
    createSecureContext(options)
    return options
  } catch (error) {
    throw new TypeError(`tls: certFile "${files.certFile}" and keyFile "${files.keyFile}" cannot be used: ${messageOf(error)}`)
  }
}

function read(files: TlsFiles): SecureContextOptions {
  return { cert: readFileSync(files.certFile, 'utf8'), key: readFileSync(files.keyFile, 'utf8'), minVersion: 'TLSv1.2' }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
