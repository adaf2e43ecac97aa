/** The configuration that a process serves, as it tells it to the command line on its operations socket: without a secret. */

import { randomBytes } from 'node:crypto'
import { configModel, contentInSnapshot } from './config-diff.ts'
import type { ConfigModel } from './config-diff.ts'
import type { ConfigFile } from './config-file.ts'
import { realPathOf } from './config-inspect.ts'

/** `path` undefined: the built-in configuration. */
export function createServedConfig(config: ConfigFile, path: string | undefined): () => ConfigModel {
  const salt = randomBytes(16).toString('base64url')
  return () => {
    const { source, snapshot, config: written } = config.loaded()
    const realPath = path === undefined ? '' : realPathOf(path)
    return configModel({ source, path: realPath, digest: snapshot.digest, config: written, contentOf: contentInSnapshot(snapshot.servers) }, salt)
  }
}
